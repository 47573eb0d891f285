"""Prometheus rule files as they are shipped: what is in the checkout, with one scale on all its times.

``monitoring.time_scale`` of the topology multiplies each ``for``, ``keep_firing_for`` and ``interval`` and
each window of an expression. A test that sets it to 0.02 has the very rules of production, fifty times as
fast. Thresholds are not times and stay, and so do the numbers that an expression computes with.

No window is made shorter than four scrapes of the job that it reads, whatever the scale: ``rate`` needs two
samples in its window, and some scrape may be lost (the rule of Grafana's ``$__rate_interval``,
https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/). At a scale of 1 this
lengthens windows only where a topology scrapes so seldom that they would be empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from warren import checkout
from warren.errors import BadInputError
from warren.promql_windows import Window, format_ms, parse_ms, rewrite
from warren.reader import plain

#: Scrapes that a window holds at least.
_SCRAPES = 4
#: Folders of rule files, below ``dashboards/``: what is recorded comes before what is alerted on.
FOLDERS = ("recording", "rules")
_TIMES = ("for", "keep_firing_for")
_JOB = re.compile(r'\bjob\s*=\s*"([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast time goes: ``scale`` on all times, and how often each job is scraped, in milliseconds.

    ``interval_ms`` holds for jobs that ``jobs`` does not name, and for what rules record.
    """

    scale: float
    interval_ms: int
    jobs: Mapping[str, int]

    def window(self, window: Window) -> int:
        """The milliseconds that ``window`` is to have."""
        if window.kind == "step":
            return max(self._scaled(window.ms), min(window.ms, self.interval_ms))
        if window.kind == "offset":
            # An offset compares with a window before this one: kept apart as far as windows are long.
            return max(self._scaled(window.ms), min(window.ms, self._least_ms(window.selector)))
        return max(self._scaled(window.ms), self._least_ms(window.selector))

    def time(self, milliseconds: int) -> int:
        """A ``for`` or the like: scaled and nothing else, for Prometheus evaluates no faster than it does."""
        return self._scaled(milliseconds)

    def _scaled(self, milliseconds: int) -> int:
        return round(milliseconds * self.scale)

    def _least_ms(self, selector: str) -> int:
        job = _JOB.search(selector)
        return _SCRAPES * self.jobs.get(job[1] if job else "", self.interval_ms)


def pace(scale: float, prometheus_yml: str) -> Pace:
    """The pace of rules that run beside ``prometheus_yml``, the text of Prometheus' own configuration."""
    config = plain(prometheus_yml)
    jobs = {
        each["job_name"]: each["scrape_interval"]
        for each in config["scrape_configs"]
        if "scrape_interval" in each
    }
    return Pace(
        scale=scale,
        interval_ms=parse_ms(config["global"]["scrape_interval"]),
        jobs={name: parse_ms(interval) for name, interval in jobs.items()},
    )


def files(root: Path | None = None) -> Iterator[Path]:
    """Every rule file of the checkout but their tests, what is recorded first; names are unique."""
    base = root or checkout.path("dashboards")
    for folder in FOLDERS:
        yield from (path for path in sorted((base / folder).glob("*.yml")) if not path.stem.endswith("_test"))


def scaled(text: str, pace: Pace, name: str) -> str:
    """The rule file ``text`` at ``pace``: to the letter as it is where nothing changes, else without remarks.

    Raises BadInputError naming ``name`` where a time or a window cannot be read.
    """
    before = plain(text)
    after = deepcopy(before)
    try:
        for group in after["groups"]:
            _scale_group(group, pace)
    except (BadInputError, KeyError, TypeError) as error:
        raise BadInputError(name, f"is no rule file that can be scaled: {error}") from error
    if after == before:
        return text
    head = f"# {name} with its times scaled by {pace.scale:g}; the remarks are in the file itself\n"
    return head + yaml.safe_dump(after, sort_keys=False, width=110, allow_unicode=True)


def _scale_group(group: dict[str, Any], pace: Pace) -> None:
    if "interval" in group:
        scaled_ms = max(pace.time(parse_ms(group["interval"])), pace.interval_ms)
        group["interval"] = _spelled(group["interval"], scaled_ms)
    for rule in group["rules"]:
        rule["expr"] = rewrite(rule["expr"], pace.window)
        for key in _TIMES:
            if key in rule:
                rule[key] = _spelled(rule[key], pace.time(parse_ms(rule[key])))


def _spelled(text: str, wanted_ms: int) -> str:
    return text if parse_ms(text) == wanted_ms else format_ms(wanted_ms)
