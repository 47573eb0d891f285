"""``composites/*.yml``: several profiles at once, each with its rate, its settings and its own verdict.

A part is a profile as it stands, on a run of its own with ledger and seed; this file says which, how fast,
and when each begins. All parts end together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from loadgen import phases, scenario
from loadgen.role_reader import NAME
from loadgen.scenario import Scenario
from warren.errors import BadInputError, BadInputsError, WarrenError
from warren.reader import Document, Section, parse_file

FOLDER = Path(__file__).resolve().parent / "composites"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositePart:
    """One profile of several. ``settings`` maps its key paths to YAML values; None is its own rate."""

    name: str
    profile: str
    rate_per_s: float | None = None
    start_after_s: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """Profiles to be run at once for ``duration_s``; ``scenarios`` are those of ``parts``, in their order."""

    name: str
    description: str
    duration_s: float
    parts: tuple[CompositePart, ...]
    scenarios: tuple[Scenario, ...] = ()

    @property
    def rate_per_s(self) -> float:
        """Messages a second, all parts together."""
        return sum(each.rate_per_s or 0.0 for each in self.scenarios)


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """The composites that there are."""
    return tuple(sorted(path.stem for path in folder.glob("*.yml")))


def load(
    name: str,
    *,
    rate_per_s: float | None = None,
    duration_s: float | None = None,
    settings: Mapping[str, str] | None = None,
    folder: Path = FOLDER,
) -> Composite:
    """The composite called ``name``. ``rate_per_s``, of all parts together, scales each; ``settings`` are key
    paths of a part's profile with the part's name in front (``work.consumers.worker.count``).

    Raises BadInputError for an unknown name or part, BadInputsError with every fault of the file or its
    profiles.
    """
    path = folder / f"{name}.yml"
    if not path.is_file():
        raise BadInputError(f"composite '{name}'", "is not known", f"composites: {', '.join(names(folder))}")
    document, top = parse_file(path)
    found = _read(document, top)
    document.finish()
    length_s = found.duration_s if duration_s is None else duration_s
    more = _by_part(found, settings or {})
    read = tuple(_scenario(each, length_s, more.get(each.name, {}), 1.0) for each in found.parts)
    whole = Composite(
        name=found.name,
        description=found.description,
        duration_s=length_s,
        parts=found.parts,
        scenarios=read,
    )
    if rate_per_s is None:
        return whole
    factor = rate_per_s / whole.rate_per_s
    scaled = [_scenario(each, length_s, more.get(each.name, {}), factor) for each in found.parts]
    return Composite(
        name=whole.name,
        description=whole.description,
        duration_s=length_s,
        parts=whole.parts,
        scenarios=tuple(scaled),
    )


def _read(document: Document, top: Section) -> Composite:
    top.integer("schema", low=1, high=1)
    found = Composite(
        name=top.text("name", pattern=NAME),
        description=top.text("description"),
        duration_s=phases.duration_s(top, "duration"),
        parts=top.sections("parts", _part, required=True),
    )
    top.finish()
    given = [each.name for each in found.parts]
    for name in sorted({each for each in given if given.count(each) > 1}):
        document.fault("parts", f"two are called '{name}'", "give one of them a 'name:'")
    for each in found.parts:
        if each.start_after_s >= found.duration_s:
            document.fault(f"parts[{each.name}]", "begins when the others have ended")
    return found


def _part(section: Section) -> CompositePart:
    profile = section.text("profile")
    if profile not in scenario.names():
        section.fault("profile", f"'{profile}' is not known", f"profiles: {', '.join(scenario.names())}")
    rate = section.number("rate", 0.0, low=0.001, high=1_000_000)
    given = section.table("set", {})
    return CompositePart(
        name=section.text("name", profile, pattern=NAME),
        profile=profile,
        rate_per_s=rate or None,
        start_after_s=phases.duration_s(section, "start_after") if "start_after" in section.data else 0.0,
        settings={key: yaml.safe_dump(value, default_flow_style=True) for key, value in given.items()},
    )


def _by_part(found: Composite, settings: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    """Settings by the part that they begin with."""
    known = [each.name for each in found.parts]
    sorted_out: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        name, _, rest = key.partition(".")
        if name not in known or not rest:
            raise BadInputError(
                f"--set {key}", "does not begin with the name of a part", f"parts: {', '.join(known)}"
            )
        sorted_out.setdefault(name, {})[rest] = value
    return sorted_out


def _scenario(part: CompositePart, length_s: float, more: Mapping[str, str], factor: float) -> Scenario:
    """A part's profile with all that was said of it. Raises what `scenario.load` does, naming the part."""
    given = dict(part.settings)
    given["duration"] = f"{max(0.1, length_s - part.start_after_s):g}"
    if part.rate_per_s is not None:
        given["rate"] = f"{part.rate_per_s:g}"
    given |= more
    try:
        found = scenario.load(part.profile, given)
        if factor == 1.0 and found.rate_per_s is not None:
            return found
        if found.rate_per_s is None:
            raise BadInputError("rate", "must be a number where several profiles share a cluster")
        return scenario.load(part.profile, {**given, "rate": f"{found.rate_per_s * factor:g}"})
    except BadInputsError:
        raise
    except WarrenError as error:
        raise BadInputError(f"part {part.name}: {error.where}", error.what, error.remedy) from error


def used(found: Scenario) -> list[str]:
    """The queues that a resolved profile takes from or publishes to."""
    names = {role.queue for role in found.takers}
    return sorted(names | {name for role in found.publishers for name in role.destinations})


def clashes(composite: Composite, resolved: Sequence[Scenario]) -> Iterator[BadInputError]:
    """Parts that would take each other's messages: two that take from, or publish to, the same queue."""
    owner: dict[tuple[str, str], str] = {}
    for part, found in zip(composite.parts, resolved, strict=True):
        for queue in used(found):
            other = owner.setdefault((found.vhost, queue), part.name)
            if other != part.name:
                yield BadInputError(
                    f"composite {composite.name}",
                    f"{other} and {part.name} both use {queue} in {found.vhost}",
                    "leave one of the two out, or let 'set:' change its queues",
                )
