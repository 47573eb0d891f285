"""How a profile says its pace: ``rate`` and ``duration``, or ``phases``; and a recorded curve as a phase.

Each entry of ``phases`` is one of these, with an optional ``name``:

    {steady: 500, for: 30s}    {soak: 500, for: 2h}    {spike: 2000, for: 5s}    {ramp: [100, 500], for: 10s}
    {steps: [100, 200, 300], for: 10s each}            {replay: curve.csv, scale: 1.0, speed: 1.0}

``rate`` beside them is the highest rate, to which all are scaled; ``duration`` follows from them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from loadgen.curve import Curve, Phase, Segment
from loadgen.pacing import Arrivals, steady
from loadgen.spec import Rate
from warren.durations import parse_duration_s
from warren.errors import BadInputError
from warren.reader import Section

_FLAT = ("steady", "soak", "spike")
_KINDS = (*_FLAT, "ramp", "steps", "replay")
_NAME = r"[a-z0-9][a-z0-9._-]{0,40}"
_RATE_MAX = 1_000_000.0
_SHORTEST_S = 0.1
#: Each worker gets the whole curve: what is longer is to be thinned out first.
_REPLAY_ROWS = 100_000
_HEADER = ["t_s", "rate_per_s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When messages are sent. ``rate_per_s`` is the highest rate, None for as fast as possible; without
    ``phases`` it holds all the time."""

    rate_per_s: Rate
    duration_s: float
    arrivals: Arrivals = "constant"
    phases: tuple[Phase, ...] = ()


def read(top: Section, *, folder: Path) -> Pace:
    """The pace of a profile; faults are noted in its document. ``folder`` is where replayed files lie."""
    arrivals: Arrivals = (
        "poisson" if top.choice("arrivals", ("constant", "poisson"), "constant") == "poisson" else "constant"
    )
    if "phases" not in top.data:
        rate = _rate(top)
        if rate is None and arrivals == "poisson":
            top.fault("arrivals", "poisson needs a rate, and 'rate: max' has none", "give a number")
        return Pace(rate_per_s=rate, duration_s=duration_s(top, "duration"), arrivals=arrivals)
    return _phased(top, folder, arrivals)


def _phased(top: Section, folder: Path, arrivals: Arrivals) -> Pace:
    groups = top.sections("phases", lambda section: _phase(section, folder))
    phases = _unique([phase for group in groups for phase in group])
    highest = max((_highest(phase) for phase in phases), default=0.0)
    if highest <= 0 and not top.document.faults:
        top.fault("phases", "hold no message: every rate is 0", "give a phase with a rate")
    if "duration" in top.data:
        top.known.add("duration")
        remedy = "change their 'for' instead, for example --set phases.NAME.for=1m"
        top.fault("duration", "follows from the phases and cannot be given beside them", remedy)
    if "rate" in top.data and highest > 0:
        wanted = _rate(top)
        if wanted is None:
            top.fault("rate", "cannot be 'max' beside phases", "leave the phases out, or give a number")
        else:
            phases, highest = [_scaled(phase, wanted / highest) for phase in phases], wanted
    top.known.add("rate")
    length_s = math.fsum(phase.for_s for phase in phases)
    if phases and length_s < _SHORTEST_S:
        top.fault("phases", f"last {length_s:g} s together, less than {_SHORTEST_S:g} s")
    return Pace(rate_per_s=highest, duration_s=length_s, arrivals=arrivals, phases=tuple(phases))


def whole(rate_per_s: Rate, duration_s: float, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
    """The phases of a run; one where its profile has none."""
    if phases:
        return phases
    return (steady(rate_per_s or 0.0, duration_s, "max" if rate_per_s is None else "steady"),)


def expected_messages(phases: tuple[Phase, ...]) -> float:
    """How many messages constant arrivals make of ``phases``."""
    return Curve(phases).total


def _rate(section: Section) -> Rate:
    if section.data.get("rate") == "max":
        section.known.add("rate")
        return None
    return section.number("rate", low=0.001, high=_RATE_MAX)


def duration_s(section: Section, key: str, *, suffix: str = "") -> float:
    """A duration at ``key``: a number of seconds, or text such as 30s, after which ``suffix`` may stand."""
    raw = section.data.get(key)
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return section.number(key, low=_SHORTEST_S)
    try:
        text = section.text(key).strip()
        found = parse_duration_s(text.removesuffix(suffix) if suffix else text)
    except ValueError as error:
        if raw is not None:
            section.fault(key, str(error))
        return 1.0
    if found < _SHORTEST_S:
        section.fault(key, f"{found:g} s is less than {_SHORTEST_S:g} s")
    return found


def _phase(section: Section, folder: Path) -> tuple[Phase, ...]:
    """One entry of the list; steps are a phase each."""
    kinds = [kind for kind in _KINDS if kind in section.data]
    name = section.text("name", "", pattern=_NAME)
    section.known.update(_KINDS)
    if len(kinds) != 1:
        what = f"says {' and '.join(kinds)}" if kinds else "does not say what it is"
        section.fault("", what, f"give one of {', '.join(_KINDS)}")
        section.known.update({"for", "scale", "speed"})
        return ()
    kind = kinds[0]
    if kind == "replay":
        return _replay(section, name or kind, folder)
    each_s = duration_s(section, "for", suffix=" each" if kind == "steps" else "")
    if kind in _FLAT:
        rate = section.number(kind, low=0, high=_RATE_MAX)
        return (steady(rate, each_s, name or kind),)
    rates = _rates(section, kind)
    if kind == "steps":
        return tuple(steady(rate, each_s, f"{name or 'step'}-{rate:g}") for rate in rates)
    if len(rates) != 2:  # noqa: PLR2004 - from and to
        section.fault(kind, f"must be [from, to], not {section.data[kind]!r}")
        return ()
    piece = Segment(from_per_s=rates[0], to_per_s=rates[1], for_s=each_s)
    return (Phase(name=name or kind, segments=(piece,)),)


def _rates(section: Section, key: str) -> list[float]:
    raw = section.data[key]
    good = isinstance(raw, list) and bool(raw) and all(_is_rate(each) for each in raw)
    if not good:
        section.fault(key, f"must be a list of rates from 0 to {_RATE_MAX:g}, not {raw!r}")
        return [0.0, 0.0]
    return [float(each) for each in raw]


def _is_rate(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _RATE_MAX


def _replay(section: Section, name: str, folder: Path) -> tuple[Phase, ...]:
    """``scale`` multiplies the rates, ``speed`` divides the times; neither touches the other."""
    scale = section.number("scale", 1.0, low=0.000001, high=_RATE_MAX)
    speed = section.number("speed", 1.0, low=0.001, high=100_000)
    given = section.text("replay")
    path = folder / given if (folder / given).is_file() else Path(given)
    try:
        rows = read_curve(path)
    except BadInputError as error:
        section.fault("replay", f"{error.where}: {error.what}", error.remedy)
        return ()
    pieces = tuple(
        Segment(from_per_s=rate * scale, to_per_s=rate * scale, for_s=(after - at) / speed)
        for (at, rate), (after, _) in pairwise(rows)
    )
    return (Phase(name=name, segments=pieces),)


def read_curve(path: Path) -> list[tuple[float, float]]:
    """The rows of a rate curve, ``t_s,rate_per_s``: each rate holds until the next row's time, and the
    last row, of rate 0, says when the curve ends.

    Raises BadInputError, naming file and line, for anything else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise BadInputError(str(path), f"cannot be read: {reason}", "give the path of a CSV file") from error
    rows = list(_rows(path, text))
    if len(rows) < 2:  # noqa: PLR2004 - a rate and an end
        raise BadInputError(str(path), "holds fewer than two rows", "one for a rate, one for the end")
    if len(rows) > _REPLAY_ROWS:
        raise BadInputError(str(path), f"holds {len(rows)} rows, more than {_REPLAY_ROWS}", "thin it out")
    if rows[-1][1] != 0:
        raise BadInputError(
            str(path), f"the last row's rate is {rows[-1][1]:g}", "end with a row of rate 0: the curve's end"
        )
    return rows


def _rows(path: Path, text: str) -> Iterator[tuple[float, float]]:
    before = -math.inf
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        where = f"{path}:{number}"
        if number == 1:
            if [cell.strip() for cell in row] != _HEADER:
                raise BadInputError(where, f"is {','.join(row)!r}", f"the header must be {','.join(_HEADER)}")
            continue
        if not row:
            continue
        at, rate = _two_numbers(where, row)
        if at <= before:
            raise BadInputError(where, f"{at:g} s is not after {before:g} s", "times must ascend")
        if not 0 <= rate <= _RATE_MAX:
            raise BadInputError(where, f"{rate:g} is no rate", f"give one from 0 to {_RATE_MAX:g}")
        before = at
        yield at, rate


def _two_numbers(where: str, row: list[str]) -> tuple[float, float]:
    try:
        at, rate = (float(cell) for cell in row)
    except ValueError as error:
        raise BadInputError(where, f"{','.join(row)!r} is not two numbers") from error
    if not (math.isfinite(at) and math.isfinite(rate)):
        raise BadInputError(where, f"{','.join(row)!r} is not two finite numbers")
    return at, rate


def _highest(phase: Phase) -> float:
    return max((max(each.from_per_s, each.to_per_s) for each in phase.segments), default=0.0)


def _scaled(phase: Phase, factor: float) -> Phase:
    pieces = (
        replace(each, from_per_s=each.from_per_s * factor, to_per_s=each.to_per_s * factor)
        for each in phase.segments
    )
    return replace(phase, segments=tuple(pieces))


def _unique(phases: list[Phase]) -> list[Phase]:
    """Phases of the same name get a number from the second on."""
    seen: dict[str, int] = {}
    found = []
    for phase in phases:
        seen[phase.name] = seen.get(phase.name, 0) + 1
        again = seen[phase.name] > 1
        found.append(replace(phase, name=f"{phase.name}-{seen[phase.name]}") if again else phase)
    return found
