"""Finds and rewrites the time windows of a PromQL expression; everything else stays to the letter.

Windows are what stands in brackets (``[5m]``, ``[1h:1m]``) and after ``offset``
(https://prometheus.io/docs/prometheus/latest/querying/basics/#time-durations). Text in quotes and comments is
passed over, so that a label or a remark that looks like a window is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from warren.errors import BadInputError

_UNITS_MS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+|0")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")
_TOKEN = re.compile(
    r"""
      (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    | (?P<comment>\#[^\n]*)
    | (?P<space>\s+)
    | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<number>\d[0-9A-Za-z_.]*)
    | (?P<mark>[^\s])
    """,
    re.VERBOSE,
)
_OFFSET = re.compile(r"(?P<sign>\s+-?\s*)(?P<duration>\d[0-9a-z.]*)")
_WINDOW = re.compile(r"\[\s*(?P<range>[^\]:\s]+)\s*(?::\s*(?P<step>[^\]\s]*)\s*)?\]")


@dataclass(frozen=True, slots=True)
class Window:
    """One window: ``kind`` is ``range`` or ``offset`` of a vector, or ``subrange`` or ``step`` of a
    subquery; ``selector`` is the vector selector that it belongs to as it is written, empty for an
    expression in parentheses."""

    kind: str
    ms: int
    selector: str


#: What a window is to be, in milliseconds.
Change = Callable[[Window], int]


def parse_ms(text: str) -> int:
    """Milliseconds of a duration as Prometheus writes it (``1h30m``, ``250ms``, plain seconds).

    Raises BadInputError for anything else.
    """
    if _DURATION.fullmatch(text):
        return sum(int(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text))
    if _SECONDS.fullmatch(text):
        return round(float(text) * _UNITS_MS["s"])
    raise BadInputError(
        "duration", f"{text!r} is none that Prometheus reads", "write it like 30s, 5m or 1h30m"
    )


def format_ms(milliseconds: int) -> str:
    """The duration in the greatest unit that needs no fraction (``90s``, ``5m``, ``1d``); ``0s`` for none."""
    if milliseconds == 0:
        return "0s"
    units = ("d", "h", "m", "s", "ms")
    unit = next(each for each in units if milliseconds % _UNITS_MS[each] == 0)
    return f"{milliseconds // _UNITS_MS[unit]}{unit}"


def rewrite(expression: str, change: Change) -> str:
    """``expression`` with each window as ``change`` wants it. Windows that it leaves keep their spelling.

    Raises BadInputError where a bracket holds no window.
    """
    return "".join(_pieces(expression, change))


def windows(expression: str) -> list[Window]:
    """Every window of ``expression`` in its order."""
    found: list[Window] = []

    def note(window: Window) -> int:
        found.append(window)
        return window.ms

    rewrite(expression, note)
    return found


def _pieces(expression: str, change: Change) -> Iterator[str]:
    at, selector = 0, ""
    while at < len(expression):
        token = _TOKEN.match(expression, at)
        assert token is not None  # noqa: S101 - the last alternative takes any character
        at, kind, text = token.end(), token.lastgroup, token.group()
        if text == "offset" and (shift := _OFFSET.match(expression, at)):
            at = shift.end()
            yield text + _changed_offset(shift, selector, change)
        elif text == "[":
            window = _WINDOW.match(expression, token.start())
            if window is None:
                raise BadInputError("PromQL", f"no window at {expression[token.start() :][:20]!r}")
            at = window.end()
            yield _changed_range(window, selector, change)
        elif kind == "word":
            selector = text
            yield text
        elif text == "{":
            end = _end_of_matchers(expression, at)
            selector += expression[token.start() : end]
            yield expression[token.start() : end]
            at = end
        else:
            if kind == "mark" and text not in "@-+":
                selector = ""
            yield text


def _end_of_matchers(expression: str, at: int) -> int:
    """Where the braces end whose inside begins at ``at``; braces in quotes are text."""
    while at < len(expression):
        token = _TOKEN.match(expression, at)
        assert token is not None  # noqa: S101 - as above
        at = token.end()
        if token.group() == "}":
            return at
    raise BadInputError("PromQL", f"a brace is never closed in {expression!r}")


def _changed_offset(match: re.Match[str], selector: str, change: Change) -> str:
    text = match["duration"]
    return match["sign"] + _changed(Window("offset", parse_ms(text), selector), change, text)


def _changed_range(match: re.Match[str], selector: str, change: Change) -> str:
    text, step = match["range"], match["step"]
    if step is None:
        return f"[{_changed(Window('range', parse_ms(text), selector), change, text)}]"
    whole = _changed(Window("subrange", parse_ms(text), ""), change, text)
    return f"[{whole}:{_changed(Window('step', parse_ms(step), ''), change, step) if step else ''}]"


def _changed(window: Window, change: Change, text: str) -> str:
    wanted = change(window)
    return text if wanted == window.ms else format_ms(wanted)
