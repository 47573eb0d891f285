"""Every alert is whole: named, graded, explained, tested, and seen to begin and to end."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .alert_checks import Alert, Json, faults


def read(root: Path) -> list[Alert]:
    """Every alerting rule of the checkout with its test and its runbook."""
    return list(_read(root / "dashboards" / "rules", root / "docs" / "runbooks"))


def _read(rules: Path, runbooks: Path) -> Iterator[Alert]:
    for path in sorted(rules.glob("*.yml")):
        if path.stem.endswith("_test"):
            continue
        test = path.with_name(f"{path.stem}_test.yml")
        tests = yaml.safe_load(test.read_text(encoding="utf-8"))["tests"] if test.is_file() else []
        book = runbooks / f"{path.stem}.md"
        text = book.read_text(encoding="utf-8") if book.is_file() else None
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield Alert(stem=path.stem, rule=rule, tests=tests, runbook=text)


@pytest.fixture(scope="module")
def alerts(checkout_root: Path) -> list[Alert]:
    return read(checkout_root)


def test_every_alert_is_whole(alerts: list[Alert]) -> None:
    found = [f"{alert.stem}: {alert.key}: {fault}" for alert in alerts for fault in faults(alert)]
    assert not found, "\n" + "\n".join(found)
    assert len({alert.key for alert in alerts}) == len(alerts) >= 48


def test_rules_of_one_file_are_one_alert_and_no_other_file_has_it(alerts: list[Alert]) -> None:
    names = {(alert.stem, alert.rule["alert"]) for alert in alerts}
    assert len({stem for stem, _ in names}) == len({name for _, name in names}) == len(names)


def test_no_test_and_no_runbook_is_left_over(alerts: list[Alert], checkout_root: Path) -> None:
    stems = {alert.stem for alert in alerts}
    tests = (checkout_root / "dashboards" / "rules").glob("*_test.yml")
    assert {path.stem.removesuffix("_test") for path in tests} == stems
    assert {path.stem for path in (checkout_root / "docs" / "runbooks").glob("*.md")} == stems


def test_what_is_recorded_is_seen(checkout_root: Path) -> None:
    folder = checkout_root / "dashboards" / "recording"
    files = {path.stem for path in folder.glob("*.yml") if not path.stem.endswith("_test")}
    assert files <= {path.stem.removesuffix("_test") for path in folder.glob("*_test.yml")}
    assert "objective-errors" in files


# -- the checker itself: a whole alert, and one thing at a time taken from it

BOOK = """# WarrenItBroke

## What it means

Something that was whole yesterday is broken now, and so it is.

## Impact

Whoever needs it has to do without it until it is whole.

## Diagnosis

```sh
warren cluster status
```
Look at it from all sides before you touch it.

## What to do

1. Mend it, and see that it stays mended for a while.
"""
RULE: Json = {
    "alert": "WarrenItBroke",
    "expr": "up == 0",
    "for": "1m",
    "labels": {"severity": "critical"},
    "annotations": {
        "summary": "It broke.",
        "description": "{{ $labels.it }} broke.",
        "runbook_url": "docs/runbooks/it-broke.md",
    },
}


def check(time: str, *severities: str, name: str = "WarrenItBroke") -> Json:
    firing = [{"exp_labels": {"severity": each}} for each in severities]
    return {"eval_time": time, "alertname": name, "exp_alerts": firing}


TESTS = [{"alert_rule_test": [check("30s"), check("2m", "critical"), check("1h")]}]
WHOLE = Alert(stem="it-broke", rule=RULE, tests=TESTS, runbook=BOOK)


def ruled(**changes: Any) -> Alert:
    return WHOLE.but(rule={**RULE, **changes})


def noted(**changes: str) -> Alert:
    return ruled(annotations={**RULE["annotations"], **changes})


def without(key: str) -> Alert:
    rule = copy.deepcopy(RULE)
    del rule[key]
    return WHOLE.but(rule=rule)


def booked(before: str, after: str) -> Alert:
    assert before in BOOK
    return WHOLE.but(runbook=BOOK.replace(before, after))


def seen(*checks: Json) -> Alert:
    return WHOLE.but(tests=[{"alert_rule_test": list(checks)}])


MUTANTS: dict[str, tuple[Callable[[], Alert], str]] = {
    "another prefix": (lambda: ruled(alert="ItBroke"), "CamelCase"),
    "not CamelCase": (lambda: ruled(alert="WarrenIt_broke"), "CamelCase"),
    "no severity": (lambda: ruled(labels={}), "no severity"),
    "a severity of its own": (lambda: ruled(labels={"severity": "page"}), "no severity"),
    "no for": (lambda: without("for"), "for how long"),
    "no annotations": (lambda: without("annotations"), "summary"),
    "no sentence": (lambda: noted(summary="it broke"), "no sentence"),
    "a template in the summary": (lambda: noted(summary="{{ $value }} broke."), "summary"),
    "nothing templated in the description": (lambda: noted(description="It broke."), "of what"),
    "another runbook": (lambda: noted(runbook_url="docs/runbooks/broke.md"), "called as its file"),
    "no runbook": (lambda: WHOLE.but(runbook=None), "no runbook"),
    "an empty runbook": (lambda: WHOLE.but(runbook=""), "headed otherwise"),
    "another's runbook": (lambda: booked("# WarrenItBroke", "# WarrenOther"), "headed otherwise"),
    "a heading left out": (lambda: booked("## Impact\n", ""), "other headings"),
    "headings in another order": (lambda: booked("## Impact", "## Diagnosis "), "other headings"),
    "nothing below a heading": (
        lambda: booked("Whoever needs it has to do without it until it is whole.", ""), "nothing below"
    ),
    "no command": (lambda: booked("warren cluster status", "look at it"), "no command"),
    "nothing numbered": (lambda: booked("1. Mend", "Mend"), "number what to do"),
    "no tests": (lambda: WHOLE.but(tests=[]), "sees it fire"),
    "never fires": (lambda: seen(check("30s"), check("1h")), "sees it fire"),
    "never silent before": (lambda: seen(check("2m", "critical"), check("1h")), "silent before"),
    "never ends": (lambda: seen(check("30s"), check("2m", "critical")), "sees it end"),
    "silent after, by the order of the file only": (
        lambda: seen(check("2m", "critical"), check("30s")),
        "sees it end",
    ),
    "fires with another severity": (
        lambda: seen(check("30s"), check("2m", "warning"), check("1h")),
        "sees it fire",
    ),
    "another alert's test": (
        lambda: seen(check("30s"), check("2m", "critical", name="WarrenOther"), check("1h")),
        "sees it fire",
    ),
}  # fmt: skip


def test_a_whole_alert_has_no_fault() -> None:
    assert list(faults(WHOLE)) == []


@pytest.mark.parametrize("mutant", MUTANTS)
def test_what_is_taken_from_it_is_missed(mutant: str) -> None:
    make, expected = MUTANTS[mutant]
    found = list(faults(make()))
    assert [fault for fault in found if expected in fault], found
