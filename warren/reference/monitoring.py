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
test beside it.
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


def alerts_page(rules: Iterable[Mapping[str, Any]]) -> str:
    """``rules``: alerting rules as their files have them."""
    parts = [_ALERTS, "| alert | severity | for | meaning | runbook |", "|---|---|---|---|---|"]
    for rule in sorted(rules, key=lambda each: str(each["alert"])):
        notes = rule.get("annotations", {})
        book = str(notes.get("runbook_url", "")).removeprefix("docs/")
        parts.append(
            f"| `{rule['alert']}` | {rule.get('labels', {}).get('severity', '')} | {rule.get('for', '0s')} | "
            f"{_cell(str(notes.get('summary', '')))} | [{book.rpartition('/')[2]}]({book}) |"
        )
    return "\n".join([*parts, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
