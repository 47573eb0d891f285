"""``docs/metrics.md`` and ``docs/alerts.md``: what the exporter and a run serve, what alerts there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_METRICS = """# Metrics

What Warren itself measures, in base units; written by `make docs`. RabbitMQ's own metrics are scraped
beside these. What a node does not know is absent, never 0.
"""
_ALERTS = """# Alerts

Every alert, with its runbook; written by `make docs`. Each rule is a file in `dashboards/rules/` with a
test beside it; [alerting](alerting.md) says how they hang together.

Each is provoked on a real cluster (`tests/cluster/test_alerts.py`), which measures how long after its cause
began it fires, and how long after somebody began to undo the cause it ends. That test runs the shipped rules
with all their times multiplied by the number beside the figures, windows never below four scrapes; `for` is
the shipped one. What cannot be provoked says why, and has its promtool test alone.
"""


def metrics_page(sections: Mapping[str, Sequence[tuple[str, str, Sequence[str], str]]]) -> str:
    """``sections``: heading -> rows of (name, kind, labels, help)."""
    parts = [_METRICS]
    for heading, rows in sections.items():
        parts += [f"## {heading}", "", "| metric | kind | labels | meaning |", "|---|---|---|---|"]
        parts += [
            f"| `{name}` | {kind} | {', '.join(labels)} | {_cell(text)} |"
            for name, kind, labels, text in rows
        ]
        parts.append("")
    return "\n".join(parts)


def alerts_page(
    rules: Iterable[Mapping[str, Any]],
    figures: Mapping[str, Mapping[str, Any]],
    unprovoked: Mapping[str, str],
) -> str:
    """``rules``: alerting rules as their files have them. By name and severity of an alert, ``figures`` has
    what a test measured (fired_after_s, resolved_after_s, time_scale) and ``unprovoked`` why none could."""
    head = "| alert | severity | for | meaning | fires after | ends after | time scale | runbook |"
    parts = [_ALERTS, head, "|---|---|---|---|---|---|---|---|"]
    for rule in sorted(rules, key=lambda each: (str(each["alert"]), _severity(each))):
        notes = rule.get("annotations", {})
        book = str(notes.get("runbook_url", "")).removeprefix("docs/")
        key = f"{rule['alert']} {_severity(rule)}"
        parts.append(
            f"| `{rule['alert']}` | {_severity(rule)} | {rule.get('for', '0s')} | "
            f"{_cell(str(notes.get('summary', '')))} | {_measured(figures.get(key), unprovoked.get(key))} | "
            f"[{book.rpartition('/')[2]}]({book}) |"
        )
    return "\n".join([*parts, ""])


def _severity(rule: Mapping[str, Any]) -> str:
    return str(rule.get("labels", {}).get("severity", ""))


def _measured(figure: Mapping[str, Any] | None, reason: str | None) -> str:
    if reason is not None:
        return f"not provoked: {_cell(reason)} | |"
    if figure is None:
        return "not measured yet | |"
    seconds = (f"{figure[key]:.0f} s" for key in ("fired_after_s", "resolved_after_s"))
    return " | ".join([*seconds, f"{figure['time_scale']:g}"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
