"""One sweep as one HTML file: the highest rate, latency against throughput, each run. No script in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from report import still, words
from report.markup import Markup, element, joined, table
from warren.errors import BadInputError

SCHEMA = 1
_WIDTH, _HEIGHT = 960, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 28, 48
#: (key of a trial, what it is called, its colour's class, its dash's class)
_LINES = (
    ("confirm_p50_s", "confirm p50", "confirm", "p50"),
    ("confirm_p99_s", "confirm p99", "confirm", "p99"),
    ("end_to_end_p50_s", "end to end p50", "end_to_end", "p50"),
    ("end_to_end_p99_s", "end to end p99", "end_to_end", "p99"),
    ("end_to_end_p999_s", "end to end p99.9", "end_to_end", "p999"),
)
_STEPS = 5
_TINY_S = 1e-4

Trial = Mapping[str, Any]


def write_sweep(sweep: Mapping[str, Any], *, out: Path) -> Path:
    """Write the page of ``sweep`` (the JSON of `warren load sweep`, version 1) to ``out`` and return it.

    Raises BadInputError for another form, NotReadyError when ``out`` cannot be written.
    """
    if sweep.get("schema") != SCHEMA:
        raise BadInputError("sweep: schema", f"is {sweep.get('schema')!r}, not {SCHEMA}")
    return still.write(render(sweep), out)


def render(sweep: Mapping[str, Any]) -> str:
    """The page as text."""
    return still.render(f"{sweep['profile']}: latency against throughput", _content(sweep), sheet="sweep.css")


def _content(sweep: Mapping[str, Any]) -> Iterator[Markup]:
    highest, points = sweep["highest_per_s"], sweep["points"]
    if highest is None:
        yield element("h1", "No rate passed", class_="verdict inconclusive")
    else:
        css = "inconclusive" if sweep["unsteady"] else "passed"
        yield element("h1", f"{highest:,.0f} messages per second", class_=f"verdict {css}")
    said = [f"Profile {sweep['profile']}: the highest rate whose run passed, twice."] if highest else []
    said += [f"Above it: {sweep['limited_by']}."] if sweep["limited_by"] else []
    said += [f"{sweep['unsteady']}."] if sweep["unsteady"] else []
    said += [f"The sweep was stopped: {sweep['stopped']}."] if sweep["stopped"] else []
    yield element("p", " ".join(said), class_="reasons")
    if points:
        about = (
            "Latency from the intended time of sending, on a logarithmic scale, against the rate asked for."
        )
        yield element(
            "section",
            element("h2", "Latency against throughput"),
            chart(points, highest),
            element("p", about),
        )
        yield _table("Runs at shares of the highest rate", points)
    yield _table("The search for it", sweep["search"])


def chart(points: Sequence[Trial], highest: float) -> Markup:
    """An SVG of all lines; a hollow point is of a run that did not pass, and each says its figures."""
    reach: float = max(*(point["rate_per_s"] for point in points), highest) * 1.03
    values = [point[key] for point in points for key, *_ in _LINES if point[key] > 0] or [_TINY_S]
    low, high = math.floor(math.log10(max(min(values), _TINY_S))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x(rate: float) -> float:
        return float(round(_LEFT + rate / reach * (_WIDTH - _LEFT - _RIGHT), 1))

    def y(value: float) -> float:
        share: float = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts: list[Markup] = []
    for power in range(low, high + 1):
        parts.append(_line("grid", (_LEFT, y(10.0**power)), (_WIDTH - _RIGHT, y(10.0**power))))
        parts.append(_text(_LEFT - 8, y(10.0**power) + 4, words.seconds(10.0**power), "end"))
    for rate in _ticks(reach):
        parts.append(_text(x(rate), _HEIGHT - _BOTTOM + 18, f"{rate:,.10g}", "middle"))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 8, "messages asked for per second", "middle"))
    parts.append(_line("mark", (x(highest), _TOP), (x(highest), _HEIGHT - _BOTTOM)))
    parts.append(_text(x(highest) - 6, _TOP + 10, "highest that passes", "end"))
    for at, (key, name, color, dash) in enumerate(_LINES):
        places = [(x(each["rate_per_s"]), y(each[key]), each) for each in points if each[key] > 0]
        parts.append(_polyline(f"{color} {dash}", [(left, top) for left, top, _ in places]))
        parts += [_point((left, top), name, color, each, each[key]) for left, top, each in places]
        parts += _legend(at, name, f"{color} {dash}")
    inside = joined(parts)
    return Markup(
        f'<svg class="sweep-chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Latency against throughput; the table below has every figure">{inside}</svg>'
    )


def _ticks(reach: float) -> Iterator[float]:
    """Round rates from 0 up to ``reach``, four to ten of them."""
    power = 10.0 ** math.floor(math.log10(reach / _STEPS))
    step = next(power * each for each in (1, 2, 5, 10) if reach / (power * each) < 2 * _STEPS)
    yield from (round(step * at, 6) for at in range(int(reach / step) + 1))


def _legend(at: int, name: str, css: str) -> list[Markup]:
    left = _LEFT + at * 168
    return [_polyline(css, [(left, 14), (left + 30, 14)]), _text(left + 36, 18, name, "start")]


def _line(css: str, start: tuple[float, float], end: tuple[float, float]) -> Markup:
    return Markup(f'<line class="{css}" x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}"/>')


def _polyline(css: str, places: Sequence[tuple[float, float]]) -> Markup:
    points = " ".join(f"{left},{top}" for left, top in places)
    return Markup(f'<polyline class="{css}" points="{points}"/>')


def _point(place: tuple[float, float], name: str, color: str, trial: Trial, value: float) -> Markup:
    state = "passed" if _passed(trial) else "not"
    said = f"{name} {words.seconds(value)} at {trial['rate_per_s']:,.0f}/s"
    title = element("title", said if state == "passed" else f"{said}: did not pass")
    return Markup(f'<circle class="{color} {state}" cx="{place[0]}" cy="{place[1]}" r="4">{title}</circle>')


def _text(left: float, top: float, text: str, anchor: str) -> Markup:
    return element("text", text, x=str(left), y=str(top), text_anchor=anchor)


def _passed(trial: Trial) -> bool:
    return bool(trial["passed"])


def _table(caption: str, trials: Sequence[Trial]) -> Markup:
    headings = ("Share", "Asked for", "Published", *(name for _, name, *_ in _LINES), "Outcome", "Run")
    rows = [
        (
            f"{trial['share']:.0%}" if trial["share"] else "",
            f"{trial['rate_per_s']:,.0f}/s",
            f"{trial['published_per_s']:,.0f}/s",
            *(words.seconds(trial[key]) for key, *_ in _LINES),
            "passed" if _passed(trial) else trial["why"],
            trial["run_id"],
        )
        for trial in trials
    ]
    return table(caption, headings, rows, numbers=frozenset(range(1, 3 + len(_LINES))))
