"""What every alert must have: checks over a rule, its promtool test and its runbook. Each yields faults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from warren.promql_windows import parse_ms

Json = dict[str, Any]
SEVERITIES = ("critical", "warning", "info")
HEADINGS = ("## What it means", "## Impact", "## Diagnosis", "## What to do")
_NAME = re.compile(r"Warren(?:[A-Z][a-z0-9]+)+")
_COMMAND = re.compile(r"^(?:warren|make|docker|amtool|promtool|openssl|curl) ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule, the stem of its file, the tests of that file, and the runbook's text."""

    stem: str
    rule: Json
    tests: Sequence[Json]
    runbook: str | None

    @property
    def key(self) -> str:
        """Name and severity: two rules may share a name."""
        return f"{self.rule.get('alert')} {self.rule.get('labels', {}).get('severity')}"

    def but(self, **changes: Any) -> Alert:
        return replace(self, **changes)


def faults(alert: Alert) -> Iterator[str]:
    """Every fault of ``alert``, in words."""
    yield from _of_rule(alert)
    yield from _of_runbook(alert)
    yield from _of_tests(alert)


def _of_rule(alert: Alert) -> Iterator[str]:
    rule, notes = alert.rule, alert.rule.get("annotations", {})
    if not _NAME.fullmatch(str(rule.get("alert"))):
        yield "its name is not CamelCase after Warren"
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        yield "it has no severity"
    if "for" not in rule:
        yield "it does not say for how long"
    summary, description = str(notes.get("summary", "")), str(notes.get("description", ""))
    if not re.fullmatch(r"[A-Z].*[^.]\.", summary):
        yield "its summary is no sentence"
    if "{{" in summary:
        yield "its summary is a template: it must be the same for all, to group and to count"
    if "{{" not in description or not description.endswith("."):
        yield "its description does not say of what"
    if notes.get("runbook_url") != f"docs/runbooks/{alert.stem}.md":
        yield "its runbook is not called as its file"


def _of_runbook(alert: Alert) -> Iterator[str]:
    if alert.runbook is None:
        yield "it has no runbook"
        return
    lines = alert.runbook.splitlines()
    if not lines or lines[0] != f"# {alert.rule.get('alert')}":
        yield "its runbook is headed otherwise"
    if [line for line in lines if line.startswith("## ")] != list(HEADINGS):
        yield f"its runbook has other headings than {', '.join(HEADINGS)}"
        return
    parts = re.split(r"^## .*$", alert.runbook, flags=re.MULTILINE)[1:]
    for heading, part in zip(HEADINGS, parts, strict=True):
        if len(part.split()) < 8:  # fewer words tell nobody anything
            yield f"its runbook says nothing below {heading}"
    if not _COMMAND.search(parts[2]):
        yield "its runbook has no command to find out more with"
    if not re.search(r"^1\. ", parts[3], re.MULTILINE):
        yield "its runbook does not number what to do"


def _of_tests(alert: Alert) -> Iterator[str]:
    silent = fires = resolves = False
    for test in alert.tests:
        checks = sorted(_checks(alert, test), key=lambda each: each[0])
        states = [firing for _, firing in checks]
        first = states.index(True) if True in states else len(states)
        fires |= first < len(states)
        silent |= False in states[:first]
        resolves |= False in states[first:]
    if not fires:
        yield "no test sees it fire"
    if not silent:
        yield "no test sees it silent before it may fire"
    if not resolves:
        yield "no test sees it end"


def _checks(alert: Alert, test: Json) -> Iterator[tuple[int, bool]]:
    """(when in milliseconds, whether it fires) of each look at this alert."""
    for check in test.get("alert_rule_test", ()):
        if check["alertname"] == alert.rule.get("alert"):
            severity = alert.rule.get("labels", {}).get("severity")
            firing = any(each["exp_labels"].get("severity") == severity for each in check["exp_alerts"])
            yield parse_ms(str(check["eval_time"])), firing
