"""The part of a page that is a game day's: its verdict first, then what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from report import words
from report.markup import Markup, element, joined, table
from report.times import parse_time

Day = Mapping[str, Any]

_VERDICTS = {
    "passed": ("Passed", "passed"),
    "failed": ("Failed", "failed"),
    "hang": ("Hung", "failed"),
    "inconclusive": ("Inconclusive", "inconclusive"),
}
_CHECKS = {True: ("passed", "good"), False: ("failed", "bad"), None: ("not judged", "faint")}
_HELD = {"within": "good", "slower": "bad", "faster": "bad", "unknown": "faint"}
_HEADS = ("Figure", "Measured", "Expected", "Held", "Source")


def section(day: Day | None) -> Markup | None:
    """All of it; nothing where the run was no part of a game day."""
    if day is None:
        return None
    parts = (
        _heading(day), _expectations(day), _checks(day), _alerts(day), _events(day), _settings(day),
    )  # fmt: skip
    return joined(part for part in parts if part is not None)


def _heading(day: Day) -> Markup:
    said, css = _VERDICTS.get(str(day["verdict"]), (str(day["verdict"]), "inconclusive"))
    name = element("h1", element("span", said), class_=f"verdict {css}")
    reasons = element(
        "ul", *(element("li", str(each)) for each in day.get("reasons") or ()), class_="reasons"
    )
    began, ended = parse_time(day["started_at"]), parse_time(day["ended_at"])
    line = (
        f"Game day: {day['title']} · {began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC · "
        f"{day['run_id']} · seed {day['seed']}"
    )
    return element(
        "section", name, reasons, element("p", line, class_="run-line"), aria_label="Verdict of the game day"
    )


def _expectations(day: Day) -> Markup | None:
    rows = []
    for each in day.get("expectations") or ():
        expected = words.interval(each.get("low"), each.get("high"), str(each["name"]))
        value = "not measured" if each.get("value") is None else words.figure(each["name"], each["value"])
        held = str(each.get("held", ""))
        mark = element("strong", held, class_=f"state {_HELD.get(held, 'faint')}")
        name = words.label(str(each["name"]))
        rows.append((name, value, expected, mark, str(each.get("source", ""))))
    return table("Expected and measured", _HEADS, rows, numbers=frozenset({1, 2})) if rows else None


def _checks(day: Day) -> Markup | None:
    rows = []
    for each in day.get("checks") or ():
        text, css = _CHECKS[each.get("passed")]
        figures = "; ".join(
            f"{words.label(key)} {words.figure(key, value)}" for key, value in each["figures"].items()
        )
        mark = element("strong", text, class_=f"state {css}")
        rows.append((str(each["name"]), mark, str(each.get("why", "")), figures))
    heads = ("Check", "Outcome", "Why", "Figures")
    return table("Checks of the game day", heads, rows, numbers=frozenset()) if rows else None


def _alerts(day: Day) -> Markup | None:
    expected = {each["name"]: (each, "yes") for each in day.get("alerts") or ()}
    others = {each["name"]: (each, "no") for each in day.get("fired") or () if each["name"] not in expected}
    rows = [
        (name, _time(each.get("fired_at"), "never"), _time(each.get("cleared_at"), "not seen"), said)
        for name, (each, said) in {**expected, **others}.items()
    ]
    heads = ("Alert", "Fired (UTC)", "Cleared (UTC)", "Expected")
    return table("Alerts", heads, rows, numbers=frozenset({1, 2})) if rows else None


def _time(text: str | None, else_: str) -> str:
    return f"{parse_time(text):%H:%M:%S}" if text else else_


def _events(day: Day) -> Markup | None:
    rows = [
        (f"{each['t_s']:.1f} s", str(each["kind"]), str(each["what"])) for each in day.get("events") or ()
    ]
    heads = ("Since the beginning", "Kind", "What")
    return table("What happened", heads, rows, numbers=frozenset()) if rows else None


def _settings(day: Day) -> Markup | None:
    found = {**(day.get("versions") or {}), **(day.get("settings") or {})}
    rows = [(words.label(str(key)), str(value)) for key, value in found.items()]
    heads = ("Setting of the cluster", "Value")
    return table("What its timers are", heads, rows, numbers=frozenset()) if rows else None
