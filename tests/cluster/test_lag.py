"""The age of the oldest message as the exporter tells it, against the ledger of the run that makes it.

The truth is read off the ledger while the run goes on: for each publisher the first message that is not done,
and the moment in which the ledger first said that it was published. The claim is of figures as Prometheus
keeps them: the median error within one refresh of the broker's counters, the worst within two and a
twentieth of the age (docs/lag.md).

A queue that is drained faster than time goes by has an age that falls faster than any counter is refreshed:
there each figure must have been true within the last two refreshes. So has one whose last message is old when
it goes, therefore arrivals go on until every backlog is gone.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from exporters import names
from loadgen.evidence import Evidence, read_evidence

from .conftest import ClusterUnderTest

VHOST, QUEUE = "/orders", "orders.work"
#: https://www.rabbitmq.com/docs/management#statistics-interval
REFRESH_S = 5.0
_LOOK_EVERY_S = 0.2
_PROFILE = {
    "schema": 1,
    "description": "Orders of which the ledger tells how old the oldest is",
    "vhost": VHOST,
    "size_bytes": 200,
    "window": 200,
    "publishers": [
        {"name": "shop", "user": "orders-shop", "exchange": "orders.direct", "routing_key": "order.created"}
    ],
    "tolerances": {"failed_publishes": 1000000, "self_lag_p99_s": 2},
}


@dataclass(frozen=True, slots=True)
class Case:
    """How arrivals come and how fast they are taken; ``kill`` is when the queue's leader dies.

    ``at_once``: the age falls faster than time goes by, so figures are held to the last two refreshes.
    """

    phases: tuple[dict[str, object], ...]
    work_time_s: float = 0.0
    at_once: bool = False
    slow: dict[str, float] | None = None
    kill_at_s: float | None = None

    def document(self, name: str) -> dict[str, object]:
        worker: dict[str, object] = {
            "name": "worker",
            "user": "orders-worker",
            "queue": QUEUE,
            "count": 2,
            "prefetch": 20,
            "ack_batch": 5,
            "work_time_s": self.work_time_s,
        }
        if self.slow is not None:
            worker["slow"] = self.slow
        return {**_PROFILE, "name": name, "phases": list(self.phases), "consumers": [worker]}


CASES = {
    "steady": Case(phases=({"steady": 200, "for": "40s"},)),
    "stopped-and-drained": Case(
        phases=({"steady": 200, "for": "54s"},),
        work_time_s=0.005,
        slow={"from_s": 3, "for_s": 22, "work_time_s": 3},
    ),
    "drained-at-once": Case(
        phases=({"steady": 200, "for": "48s"},),
        slow={"from_s": 5, "for_s": 25, "work_time_s": 3},
        at_once=True,
    ),
    "burst": Case(
        phases=({"steady": 60, "for": "15s"}, {"spike": 600, "for": "10s"}, {"steady": 60, "for": "60s"}),
        slow={"from_s": 0, "for_s": 80, "work_time_s": 0.013},
    ),
    "node-killed": Case(
        phases=({"steady": 200, "for": "90s"},),
        work_time_s=0.005,
        slow={"from_s": 10, "for_s": 40, "work_time_s": 0.025},
        kill_at_s=25,
    ),
}


@dataclass(slots=True)
class Truth:
    """What the ledger said at each look: the oldest message's age, 0 where nothing waits."""

    ages: list[tuple[float, float]] = field(default_factory=list)
    _arrived: dict[int, list[tuple[float, int]]] = field(default_factory=dict)

    def look(self, evidence: Evidence, at_s: float) -> None:
        ages = [0.0]
        for publisher, published in evidence.published.items():
            seen = self._arrived.setdefault(publisher, [])
            if published and (not seen or seen[-1][1] < published):
                seen.append((at_s, published))
            done = evidence.final(QUEUE, publisher)
            first = ((~done) & (done + 1)).bit_length() - 1
            if first < published:
                ages.append(at_s - next(arrived for arrived, number in seen if number > first))
        self.ages.append((at_s, max(ages)))

    def error_at(self, at_s: float, told: float, since_s: float) -> tuple[float, float] | None:
        """How far ``told`` is off what was so from ``since_s`` before ``at_s`` until then, and the age at
        ``at_s``; None where the ledger was not looked at."""
        near = [(abs(at - at_s), age) for at, age in self.ages if abs(at - at_s) <= 1.0]
        if not near:
            return None
        age = min(near)[1]
        lately = [age, *(then for at, then in self.ages if at_s - since_s <= at < at_s)]
        return max(0.0, min(lately) - told, told - max(lately)), age


@contextmanager
def truth_of(folder: Path) -> Iterator[Truth]:
    """Looks at the ledger in ``folder`` for as long as the context lasts."""
    truth, leave = Truth(), threading.Event()

    def go() -> None:
        while not leave.wait(_LOOK_EVERY_S):
            truth.look(read_evidence(folder, logs_of=()), time.time())

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield truth
    finally:
        leave.set()
        thread.join(10)


def told(cluster: ClusterUnderTest, since_s: float) -> list[tuple[float, float]]:
    """Every sample of the age that Prometheus scraped: (Unix time, seconds)."""
    window_s = int(time.time() - since_s) + 10
    query = f'{names.AGE.name}{{vhost="{VHOST}",queue="{QUEUE}"}}[{window_s}s]'
    result = cluster.context.prometheus.get("query", query=query)["result"]
    return sorted((float(at), float(value)) for series in result for at, value in series["values"])


def scrapes_without(cluster: ClusterUnderTest, since_s: float, samples: list[tuple[float, float]]) -> int:
    """In how many of the scrapes before the last sample the exporter told no age."""
    query = f'up{{job="exporter"}}[{int(time.time() - since_s)}s]'
    result = cluster.context.prometheus.get("query", query=query)["result"]
    scraped = {float(at) for series in result for at, _ in series["values"]}
    return len({at for at in scraped if at <= samples[-1][0]} - {at for at, _ in samples})


def ledger_of(
    cluster: ClusterUnderTest, name: str, child: subprocess.Popen[bytes], output: Path, began_s: float
) -> Path:
    """The one of the run that ``child`` makes, not of one of that name from before ``began_s``."""
    found: list[Path] = []

    def begun() -> bool:
        assert child.poll() is None, output.read_text(encoding="utf-8")
        ledgers = (path for path in cluster.state.runs.glob(f"{name}-*/ledger") if any(path.iterdir()))
        found[:] = [path for path in ledgers if path.stat().st_mtime >= began_s]
        return bool(found)

    cluster.wait_for(begun, "the run's ledger", 90)
    return found[0]


@pytest.mark.parametrize(
    "name",
    [each if each == "stopped-and-drained" else pytest.param(each, marks=pytest.mark.full) for each in CASES],
)
def test_age_keeps_to_the_ledger(cluster: ClusterUnderTest, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    run = f"lag-{name}"
    profile = tmp_path / f"{run}.yml"
    profile.write_text(yaml.safe_dump(case.document(run)), encoding="utf-8")
    cluster.purge()
    cluster.wait_for(lambda: _age(cluster) == 0, "the queue to be known as empty", 60)
    began_s, output = time.time(), tmp_path / "load.out"
    child = cluster.start(["load", "run", str(profile), "--purge", *cluster.calm], output=output)
    with truth_of(ledger_of(cluster, run, child, output, began_s)) as truth:
        if case.kill_at_s is not None:
            time.sleep(case.kill_at_s)
            killed = cluster.warren(["chaos", "kill", "--leader-of", QUEUE, "--for", "15s"], timeout_s=300)
            assert killed.returncode == 0, killed.stderr
        child.wait(timeout=300)
        time.sleep(2 * REFRESH_S)
    since_s = 2 * REFRESH_S if case.at_once else 0.0
    samples = told(cluster, began_s)
    errors = [found for at, age in samples if (found := truth.error_at(at, age, since_s)) is not None]
    greatest = max(age for _, age in truth.ages)
    figures = {
        "samples": len(errors),
        "scrapes_without": scrapes_without(cluster, began_s, samples),
        "greatest_age_s": round(greatest, 1),
        "median_error_s": round(statistics.median(error for error, _ in errors), 2),
        "worst_error_s": round(max(error for error, _ in errors), 2),
        "worst_beyond_s": round(max(error - age / 20 for error, age in errors), 2),
    }
    _keep(cluster, name, figures)
    assert figures["samples"] >= 6, figures
    assert case.kill_at_s is not None or figures["scrapes_without"] == 0, figures
    assert figures["median_error_s"] <= REFRESH_S, figures
    assert figures["worst_beyond_s"] <= 2 * REFRESH_S, figures
    assert name == "steady" or greatest > 4 * REFRESH_S, figures


def _age(cluster: ClusterUnderTest) -> float | None:
    samples = cluster.prometheus(f'{names.AGE.name}{{vhost="{VHOST}",queue="{QUEUE}"}}')
    return samples[0].value if samples else None


def _keep(cluster: ClusterUnderTest, name: str, figures: dict[str, float]) -> None:
    """For docs/lag.md: what was measured, in the state folder."""
    path = cluster.state.root / "lag.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**known, name: figures}, indent=1), encoding="utf-8")
