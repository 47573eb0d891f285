"""Plain links from a run's page to the dashboards at the time of the run, where they were known to be served.

Grafana and the preview take the same address: ``/d/<uid>``, ``from`` and ``to`` in milliseconds since 1970,
``var-<name>`` once for each value. Grafana finds a board by its uid and adds the words behind it itself.
https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/create-dashboard-url-variables/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from report.markup import Markup, element
from report.recording import MARGIN_S
from report.times import parse_time
from warren import dashboards_record
from warren.dashboards_record import KINDS, DashboardsRecord

Result = Mapping[str, Any]

LOAD, QUEUES, CHAOS = "warren-load", "warren-queues", "warren-chaos"
_TITLES = {LOAD: "Load and objectives", QUEUES: "Queues", CHAOS: "Chaos and game days"}
#: Queues that an address names at most; of a run with more, the virtual host is chosen alone.
MOST_QUEUES = 12


def section(result: Result) -> Markup | None:
    """Where to look further; nothing where the run knew of no dashboards."""
    record = known(result)
    if record is None:
        return None
    wanted = (LOAD, QUEUES, CHAOS) if result.get("faults") else (LOAD, QUEUES)
    began, ended = parse_time(result["started_at"]), parse_time(result["ended_at"])
    links = (
        element("li", _anchor(_TITLES[uid], address(result, record, uid, began, ended))) for uid in wanted
    )
    said = (
        f"As {KINDS[record.service]} served them at {record.url} when the run ended: there, and only while "
        "the cluster is up and Prometheus still has the time of the run."
    )
    return element(
        "section",
        element("h2", "Dashboards at the time of the run"),
        element("ul", *links, class_="leads"),
        element("p", said, class_="faint"),
    )


def fault(result: Result, one: Mapping[str, Any], text: str) -> str:
    """``text``, leading to the board of game days around this fault where the dashboards are known."""
    record = known(result)
    if record is None:
        return text
    began = parse_time(one["injected_at"])
    ended = parse_time(one["healed_at"] or result["ended_at"])
    return _anchor(text, address(result, record, CHAOS, began, max(began, ended)))


def known(result: Result) -> DashboardsRecord | None:
    """The record of the dashboards, if it is one that may be linked to: a result is data that others made."""
    record = dashboards_record.read(result.get("dashboards"))
    if record is None or record.service not in KINDS or not record.url.startswith(("https://", "http://")):
        return None
    return record


def address(result: Result, record: DashboardsRecord, uid: str, began: datetime, ended: datetime) -> str:
    """The board ``uid`` from a little before ``began`` to a little after ``ended``, for what is the run's."""
    low, high = began.timestamp() - MARGIN_S, ended.timestamp() + MARGIN_S
    pairs = [("from", f"{low * 1000:.0f}"), ("to", f"{high * 1000:.0f}"), ("var-cluster", record.cluster)]
    pairs += _queues(record) if uid == QUEUES else [("var-run", run) for run in _runs(result)]
    return f"{record.url.rstrip('/')}/d/{uid}?{urlencode(pairs, quote_via=quote, safe='')}"


def _queues(record: DashboardsRecord) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(name for each in record.queues.values() for name in each))
    chosen = names if len(names) <= MOST_QUEUES else []
    return [*(("var-vhost", vhost) for vhost in record.queues), *(("var-queue", name) for name in chosen)]


def _runs(result: Result) -> Sequence[str]:
    """What the run is called in its metrics: a composite's parts each have a name of their own."""
    return [str(part["run_id"]) for part in result.get("parts") or ()] or [str(result["run_id"])]


def _anchor(text: str, href: str) -> Markup:
    return element("a", text, href=href, rel="noreferrer")
