"""`templates.yml` as typed templates: what the matrix does with each fault, and what it expects of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.experiment_reader import ATTACH
from chaos.statistics.days import FIGURES
from warren.errors import BadInputError
from warren.nearest import meant
from warren.reader import Section, is_number, parse_file
from warren.topology import Topology

FILE = Path(__file__).resolve().parent / "templates.yml"
#: Of the load's connections: https://www.rabbitmq.com/docs/heartbeats
BEAT_S = 5.0
#: What an end of an interval may be made of: multiples of timers, and seconds added to them.
TERMS = ("poll", "tick", "beat", "hold", "plus")
#: How much of it: the whole, what two sides are compared by, what is run for every change.
EXTENTS = ("full", "brief", "quick")
_NAME = r"[a-z0-9][a-z0-9-]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """What intervals are terms of, in seconds: the failure detector's poll, net_ticktime, the heartbeat of
    the load's connections, and how long the fault is held."""

    poll_s: float
    tick_s: float
    hold_s: float = 0.0
    beat_s: float = BEAT_S

    def of(self, terms: Mapping[str, float]) -> float:
        """The sum of ``terms`` in seconds."""
        each_s = {
            "poll": self.poll_s,
            "tick": self.tick_s,
            "beat": self.beat_s,
            "hold": self.hold_s,
            "plus": 1.0,
        }
        return round(sum(factor * each_s[name] for name, factor in terms.items()), 3)


def timers(topology: Topology) -> Timers:
    """Those of the cluster."""
    broker = topology.broker
    return Timers(poll_s=broker.failure_detector_poll_ms / 1000, tick_s=float(broker.net_ticktime_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An interval for a figure; its ends are terms of `Timers`, None where open."""

    figure: str
    low: Mapping[str, float] | None
    high: Mapping[str, float] | None
    source: str

    def interval(self, timers: Timers) -> dict[str, Any]:
        """As an experiment's file says it."""
        ends = {"low": self.low, "high": self.high}
        return {
            **{key: timers.of(terms) for key, terms in ends.items() if terms is not None},
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One fault in the matrix: its settings, how long it is held, how often it is repeated; ``proof_s``: how
    long its act and proof may take beside that, while the load goes on. ``target`` is empty for the leader of
    the profile's first queue; ``tolerates``: checks that may fail under it; ``alone``: it cannot strike what
    several profiles use, so they are never run at once."""

    fault: str
    hold_s: float
    quick_hold_s: float
    proof_s: float
    repeats: int
    args: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    alert: str = ""
    tolerates: tuple[str, ...] = ()
    alone: bool = False
    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A load profile in the matrix; ``queue`` is the first that its consumers take from, as ``user``.
    ``waits_s``: how long what was published last may wait by the profile's own schedule."""

    name: str
    vhost: str
    queue: str
    user: str
    rate_per_s: float
    waits_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a matrix is made of unless it is said: ``faults`` empty for all, ``repeats`` 0 for as many as each
    template says. ``short_holds``: each template's quick one; ``alerts``: whether they are expected, and
    waited for. ``settings`` are, by profile, key paths of it; figures that it ``leaves_out`` are not
    expected. Where a node is struck, clients ``attach`` to it, beside it, or anywhere."""

    profiles: tuple[str, ...]
    lead_s: float
    after_s: float
    faults: tuple[str, ...] = ()
    repeats: int = 0
    short_holds: bool = False
    alerts: bool = True
    leaves_out: tuple[str, ...] = ()
    attach: str = "any"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The whole file."""

    templates: Mapping[str, Template]
    profiles: Mapping[str, Profile]
    extents: Mapping[str, Extent]

    def choose_faults(self, wanted: Sequence[str]) -> tuple[Template, ...]:
        """Those named, once each, in their order; raises BadInputError for one without a template."""
        return tuple(self.templates[name] for name in _chosen("--faults", wanted, self.templates))

    def choose_profiles(self, wanted: Sequence[str]) -> tuple[Profile, ...]:
        """Those named, once each, in their order; raises BadInputError for one that is not in the table."""
        return tuple(self.profiles[name] for name in _chosen("--profiles", wanted, self.profiles))


def _chosen(option: str, wanted: Sequence[str], known: Mapping[str, Any]) -> list[str]:
    for name in wanted:
        if name not in known:
            remedy = meant(name, known, f"some of: {', '.join(known)}")
            raise BadInputError(option, f"the matrix knows no '{name}'", remedy)
    return list(dict.fromkeys(wanted))


def read(path: Path = FILE) -> Table:
    """The table of ``path``; raises BadInputsError with every fault of the file."""
    document, top = parse_file(path)
    top.integer("schema", low=1, high=1)
    sources = {key: str(value) for key, value in top.table("sources").items()}
    found = Table(
        templates={
            each.fault: each
            for each in top.sections("faults", lambda one: _template(one, sources), required=True)
        },
        profiles={each.name: each for each in top.sections("profiles", _profile, required=True)},
        extents={name: _extent(top.section(name)) for name in EXTENTS},
    )
    for key, extent in found.extents.items():
        for unknown in sorted({*extent.profiles, *extent.settings} - set(found.profiles)):
            top.fault(f"{key}.profiles", f"'{unknown}' is no profile of this table")
        for unknown in sorted(set(extent.leaves_out) - set(FIGURES)):
            top.fault(f"{key}.leaves_out", f"'{unknown}' is no figure of a game day")
        for unknown in sorted(set(extent.faults) - set(found.templates)):
            top.fault(f"{key}.faults", f"'{unknown}' has no template in this table")
    top.finish()
    document.finish()
    return found


def _template(section: Section, sources: Mapping[str, str]) -> Template:
    hold_s = section.number("hold_s", low=1, high=3600)
    return Template(
        fault=section.text("name", pattern=_NAME),
        hold_s=hold_s,
        quick_hold_s=section.number("quick_hold_s", min(hold_s, 8.0), low=1, high=3600),
        proof_s=section.number("proof_s", 0.0, low=0, high=3600),
        repeats=section.integer("repeats", 5, low=1, high=1000),
        args=section.table("args", {}),
        target=section.table("target", {}),
        alert=section.text("alert", ""),
        tolerates=section.texts("tolerates", ()),
        alone=section.flag("alone", False),
        expected=section.sections("expect", lambda one: _expected(one, sources), required=True),
    )


def _expected(section: Section, sources: Mapping[str, str]) -> Expected:
    figure = section.choice("figure", tuple(FIGURES))
    source = section.text("source")
    low, high = _end(section, "low"), _end(section, "high")
    if low is None and high is None:
        section.fault("high", "the interval is open on both sides", "give low, high or both")
    return Expected(figure=figure, low=low, high=high, source=sources.get(source, source))


def _end(section: Section, key: str) -> Mapping[str, float] | None:
    """A number of seconds, or a mapping of terms to their factors."""
    section.known.add(key)
    value = section.data.get(key)
    if value is None:
        return None
    if is_number(value):
        return {"plus": float(value)}
    if not (isinstance(value, dict) and value):
        section.fault(
            key, f"{value!r} is no end of an interval", "a number of seconds, or {poll: 2, plus: 1}"
        )
        return None
    for name, factor in value.items():
        if name not in TERMS or not is_number(factor):
            section.fault(key, f"'{name}: {factor}' is no term", f"numbers of: {', '.join(TERMS)}")
            return None
    return {str(name): float(factor) for name, factor in value.items()}


def _profile(section: Section) -> Profile:
    return Profile(
        name=section.text("name", pattern=_NAME),
        vhost=section.text("vhost"),
        queue=section.text("queue"),
        user=section.text("user"),
        rate_per_s=section.number("rate_per_s", low=1, high=1_000_000),
        waits_s=section.number("waits_s", 0.0, low=0, high=3600),
    )


def _extent(section: Section) -> Extent:
    found = Extent(
        profiles=section.texts("profiles"),
        faults=section.texts("faults", ()),
        repeats=section.integer("repeats", 0, low=0, high=1000),
        short_holds=section.flag("short_holds", False),
        alerts=section.flag("alerts", True),
        leaves_out=section.texts("leaves_out", ()),
        lead_s=section.number("lead_s", low=1, high=3600),
        after_s=section.number("after_s", low=1, high=3600),
        settings=section.table("settings", {}),
        attach=section.choice("attach", ATTACH, "any"),
    )
    section.finish()
    return found
