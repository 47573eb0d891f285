"""`scenarios/*.yml` as typed profiles: every fault named by file and key, values overridable by key.

A scenario says what is published, who consumes, what is declared for it and what is tolerated; where the
messages go follows from the bindings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadgen import oracles, phases, thresholds
from loadgen.codec import LAYOUTS, Layout, least_bytes
from loadgen.curve import Phase
from loadgen.pacing import Arrivals
from loadgen.role_reader import NAME, RoleReader, act, objects
from loadgen.roles import Act, ConsumerRole, Objects, PublisherRole, Rate, RelayRole, TakerRole, Tolerances
from loadgen.spec import usual_wakes_per_s
from warren.errors import BadInputError
from warren.nearest import meant
from warren.overriding import override
from warren.reader import Document, Section, parse_file

FOLDER = Path(__file__).resolve().parent / "scenarios"
#: What ``vhost:`` says for a virtual host that is made for the run.
OWN = "own"
#: The header's byte for the class counts this far.
_CLASSES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A profile as its file says it, overrides applied. Durations in seconds, sizes in bytes."""

    name: str
    description: str
    vhost: str
    rate_per_s: Rate
    duration_s: float
    arrivals: Arrivals
    phases: tuple[Phase, ...]
    body: Layout
    size_bytes: int
    window: int
    wakes_per_s: int
    publish_deadline_s: float
    drain_silence_s: float
    hold_back_s: float
    judge_order: bool
    publishers: tuple[PublisherRole, ...]
    consumers: tuple[ConsumerRole, ...]
    relays: tuple[RelayRole, ...] = ()
    objects: Objects | None = None
    act: Act | None = None
    oracles: tuple[str, ...] = ()
    tolerances: Tolerances = field(default_factory=Tolerances)
    thresholds: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()

    @property
    def takers(self) -> tuple[TakerRole, ...]:
        """Every role that takes messages."""
        return (*self.consumers, *self.relays)

    @property
    def roles(self) -> tuple[PublisherRole | TakerRole, ...]:
        return (*self.publishers, *self.takers)

    @property
    def renews(self) -> bool:
        """Whether clients close their connections or channels by plan."""
        every = [role.reconnect_every for role in self.publishers]
        return any(each is not None for each in (*every, *(role.reconnect_every for role in self.consumers)))

    @property
    def own_vhost(self) -> bool:
        """Whether the run gets a virtual host of its own, which `loadgen.resolve` then names."""
        return self.vhost == OWN


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """The profiles that there are."""
    return tuple(sorted(path.stem for path in folder.glob("*.yml")))


def load(name: str, overrides: Mapping[str, str] | None = None, *, folder: Path = FOLDER) -> Scenario:
    """The profile called ``name``, or that of a file of your own when the name ends with ``.yml``.

    ``overrides`` maps key paths (``consumers.worker.count``) to YAML values.
    Raises BadInputError for an unknown profile, BadInputsError with every fault of the file.
    """
    path = Path(name) if name.endswith(".yml") else folder / f"{name}.yml"
    if not path.is_file():
        remedy = meant(name, names(folder), f"profiles: {', '.join(names(folder))}")
        raise BadInputError(f"profile '{name}'", "is not known", remedy)
    document, top = parse_file(path)
    if "phases" in (overrides or {}):  # they take the place of the file's own pace
        for key in {"rate", "duration"} - set(overrides or {}):
            top.data.pop(key, None)
    for key, value in (overrides or {}).items():
        override(top.data, key, value)
        document.given[key] = f"{key} as given"
    found = _read(document, top)
    document.finish()
    return found


def _read(document: Document, top: Section) -> Scenario:
    top.integer("schema", low=1, high=1)
    name, vhost = top.text("name", pattern=NAME), top.text("vhost")
    roles = RoleReader(own_vhost=vhost == OWN)
    asked = top.choice("body", LAYOUTS, "warren")
    layout: Layout = next((each for each in LAYOUTS if each == asked), "warren")
    pace = phases.read(top, folder=Path(document.name).parent)
    found = Scenario(
        name=name,
        description=top.text("description"),
        vhost=vhost,
        rate_per_s=pace.rate_per_s,
        duration_s=pace.duration_s,
        arrivals=pace.arrivals,
        phases=pace.phases,
        body=layout,
        size_bytes=top.integer("size_bytes", 200, low=least_bytes(layout), high=16 * 1024 * 1024),
        window=top.integer("window", 200, low=1, high=100_000),
        wakes_per_s=top.integer("wakes_per_s", usual_wakes_per_s(pace.rate_per_s), low=0, high=100_000),
        publish_deadline_s=top.number("publish_deadline_s", 30.0, low=0.1),
        drain_silence_s=top.number("drain_silence_s", 150.0, low=1),
        hold_back_s=top.number("hold_back_s", 0.0, low=0),
        judge_order=top.flag("judge_order", False),
        publishers=top.sections("publishers", roles.publisher, required=True),
        consumers=top.sections("consumers", roles.consumer),
        relays=top.sections("relays", roles.relay),
        objects=objects(top.section("objects")) if "objects" in top.data else None,
        act=act(top.section("act")) if top.data.get("act") else None,
        oracles=_oracles(top, name),
        tolerances=_tolerances(top.section("tolerances", required=False)),
        thresholds=_thresholds(top),
        panels=top.texts("panels", ()),
        alerts=top.texts("alerts", ()),
    )
    top.finish()
    for key, what, remedy in _faults(found):
        document.fault(key, what, remedy)
    return found


def _tolerances(section: Section) -> Tolerances:
    unflagged = section.integer("unflagged_duplicates", -1, low=0)
    found = Tolerances(
        failed_publishes=section.integer("failed_publishes", 0, low=0),
        self_lag_p99_s=section.number("self_lag_p99_s", 0.05, low=0),
        unflagged_duplicates=None if unflagged < 0 else unflagged,
    )
    section.finish()
    return found


def _thresholds(section: Section) -> tuple[str, ...]:
    found = section.texts("thresholds", ())
    for each in found:
        try:
            thresholds.read(each)
        except ValueError as error:
            section.fault("thresholds", str(error))
    return found


def _oracles(section: Section, profile: str) -> tuple[str, ...]:
    found = section.texts("oracles", oracles.default(profile))
    for each in found:
        if each not in oracles.known():
            section.fault("oracles", f"'{each}' is not known", f"oracles: {', '.join(oracles.known())}")
    return found


def _faults(found: Scenario) -> Iterator[tuple[str, str, str]]:
    """What no single part can see: (key, what, remedy)."""
    if not found.publishers or not (found.consumers or found.relays):
        yield "", "needs at least one publisher and one consumer", ""
    if found.own_vhost and found.objects is None:
        yield "objects", "must be given: a virtual host of the profile's own is empty", "add 'objects:'"
    yield from _untimely(found)
    names = [role.name for role in found.roles]
    for name in sorted({each for each in names if names.count(each) > 1}):
        yield "", f"two roles are called '{name}'", "each has its own name"
    kinds = {each.name for role in found.publishers for each in role.classes}
    if len(kinds) > _CLASSES:
        yield "publishers", f"have {len(kinds)} classes of messages", f"{_CLASSES} fit into a header"
    yield from _body_faults(found, len(kinds))


def _untimely(found: Scenario) -> Iterator[tuple[str, str, str]]:
    """What would come after the end of the run."""
    if found.act is not None and found.act.at_s + found.act.for_s >= found.duration_s:
        yield "act", "is not over before the end of the run", "publish for longer"
    for reader in found.consumers:
        if reader.from_s is not None and reader.from_s >= found.duration_s:
            yield f"consumers[{reader.name}].from_s", "is not before the end of the run", "publish for longer"


def _body_faults(found: Scenario, classes: int) -> Iterator[tuple[str, str, str]]:
    """What the layout of bodies does not carry."""
    if found.body != "warren" and any(role.replies for role in found.publishers):
        yield "body", "requests and their answers have Warren's own bodies only", "give body: warren"
    if found.body == "perftest" and classes > 1:
        yield "body", "PerfTest's twelve bytes carry no class", "give one class"
    streams = [role.name for role in found.publishers if role.protocol == "stream"]
    streams += [role.name for role in found.consumers if role.protocol == "stream"]
    if found.body == "varied" and streams:
        yield "body", f"{streams[0]} does not vary bodies over the stream protocol", "give another layout"
    if found.body != "warren" and found.relays:
        yield "body", "relays pass on Warren's own bodies only", "give no relays, or body: warren"
