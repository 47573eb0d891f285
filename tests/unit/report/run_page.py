"""A result to make a page of, and the page as a browser would take it apart."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from typing import Any

from report.page import render


def result(seconds_long: int = 60, **changes: Any) -> dict[str, Any]:
    percentiles = {
        "p50": 0.004,
        "p75": 0.005,
        "p95": 0.01,
        "p99": 0.0215,
        "p999": 0.3,
        "max": 1.72,
        "count": 100,
    }
    content = {
        "schema": 1,
        "run_id": "work-20261122-060102-a1b2",
        "profile": "work",
        "started_at": "2026-11-22T06:01:02.000Z",
        "ended_at": "2026-11-22T06:02:02.310Z",
        "params": {"rate_per_s": 500.0, "duration_s": 50.0, "publishers": [{"name": "shop"}], "seed": 123456},
        "verdict": "passed",
        "reasons": [],
        "interrupted": False,
        "ledger": {"published": 25000, "lost": 0, "reordered": None, "dead_lettered": {"rejected": 2511}},
        "rates": {"published_per_s": 500.0, "confirmed_per_s": 497.8, "consumed_per_s": 499.1},
        "series": [
            {"t_s": float(at), "published_per_s": 500 + at / 7, "confirm_p99_s": None if at == 3 else 0.01}
            for at in range(seconds_long)
        ],
        "latency_s": {name: dict(percentiles) for name in ("confirm", "end_to_end")},
        "availability": {"confirm_gap_max_s": 2.04, "failed_publishes": 0},
        "resources": {"client_cpu_s": 7.93, "client_max_rss_bytes": 71233536},
        "faults": [
            {
                "name": "kill",
                "target": "rmq2",
                "injected_at": "2026-11-22T06:01:30.000Z",
                "healed_at": "2026-11-22T06:01:41.500Z",
                "evidence": {"pid": 4211},
            }
        ],
        "oracles": {
            "done_or_dead_lettered": {"passed": True, "done": 22380},
            "order": {"passed": None, "why": "several consumers were active"},
        },
    }
    return {**copy.deepcopy(content), **changes}


class Page(HTMLParser):
    """Scripts, data and visible text of a page, as a browser would tell them apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.data = ""
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta"}:
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "script" and attributes.get("type") == "application/json":
            self.data += data
        elif tag == "script":
            self.scripts.append(data)
        elif tag != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def page_of(content: dict[str, Any], recording: dict[str, Any] | None = None) -> Page:
    return Page(render(content, recording))
