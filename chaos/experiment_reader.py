"""Reads a game day's file; all its faults at once, each named by file and key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from chaos import fault as faults
from chaos import probe_reader, step_reader
from chaos.experiment import (
    FIGURES,
    ExpectedAlert,
    Experiment,
    Interval,
    Load,
    Monkey,
    Progress,
    Step,
    first_target,
)
from chaos.known import Known
from chaos.probe_reader import seconds
from loadgen import child
from warren.errors import BadInputError, BadInputsError
from warren.nearest import meant
from warren.overriding import override
from warren.reader import Document, Section, is_number, parse_file

FOLDER = Path(__file__).resolve().parent / "catalogue"
#: What can be presumed of the broker: `chaos.settings` reads them.
SETTINGS = ("failure_detector_poll_ms", "net_ticktime_s", "consumer_timeout_ms")
#: A run goes on for so long after the last step at least, so that what follows the fault is seen too.
_AFTER_S = 5.0
ATTACH = ("any", "target", "not-target")
_GOES = ("goes-on", "stops", "any")


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """The game days of the catalogue."""
    return tuple(sorted(path.stem for path in folder.glob("*.yml")))


def load(
    name: str, there: Known, overrides: Mapping[str, str] | None = None, *, folder: Path = FOLDER
) -> Experiment:
    """The game day called ``name``, or that of a file of your own when the name ends with ``.yml``.

    ``overrides`` maps key paths (``load.rate``) to YAML values. Raises BadInputError for an unknown name,
    BadInputsError with every fault of the file.
    """
    path = Path(name) if name.endswith((".yml", ".yaml")) else folder / f"{name}.yml"
    if not path.is_file():
        remedy = meant(name, names(folder), "warren chaos experiments")
        raise BadInputError(f"experiment '{name}'", "is not known", remedy)
    document, top = parse_file(path)
    for key, value in (overrides or {}).items():
        override(top.data, key, value)
        document.given[key] = f"{key} as given"
    found = _read(document, top, path.stem, there)
    document.finish()
    return found


def _read(document: Document, top: Section, name: str, there: Known) -> Experiment:
    top.integer("schema", low=1, high=1)
    wanted = _load(top.section("load"), there)
    hypothesis = top.section("steady-state-hypothesis", required=False)
    names_of_checks = tuple(check.replace("_", "-") for check in there.checks)
    found = Experiment(
        name=name,
        title=top.text("title"),
        description=top.text("description"),
        teaches=top.text("teaches"),
        tags=top.texts("tags", ()),
        load=wanted,
        hypothesis=hypothesis.text("title", ""),
        probes=hypothesis.sections("probes", probe_reader.read),
        method=top.sections("method", lambda section: step_reader.read(section, there)),
        monkey=_monkey(top, there),
        rollbacks=top.sections("rollbacks", lambda section: step_reader.read(section, there, back=True)),
        expectations=_expectations(top.section("expectations", required=False)),
        alerts=top.sections("alerts", lambda section: _alert(section, there)),
        stop_conditions=top.sections(
            "stop-conditions", lambda section: probe_reader.read(section, when=("during",), fixed=True)
        ),
        progress=_progress(top.section("progress", required=False)),
        presumes=_presumes(top.section("presumes", required=False)),
        tolerates=_listed(top, "tolerates", names_of_checks),
        panels=_listed(top, "panels", there.panels),
    )
    hypothesis.finish()
    top.finish()
    if not document.faults:
        _check(top, found)
    return found


def _load(section: Section, there: Known) -> Load:
    settings = {key: _as_text(value) for key, value in section.table("settings", {}).items()}
    profile = section.choice("profile", there.profiles)
    rate = section.data.get("rate")
    section.known.add("rate")
    if rate is not None and rate != "max" and not (is_number(rate) and rate > 0):
        section.fault("rate", f"{rate!r} is no rate", "messages a second, or max")
    duration_s = seconds(section, "duration", required=True) or 0.0
    attach: Any = section.choice("attach", ATTACH, "any")
    section.finish()
    text = None if rate is None else str(rate)
    if not section.document.faults:
        try:
            child.plan(child.Wish(profile=profile, rate=text, duration=f"{duration_s:g}", settings=settings))
        except BadInputsError as error:
            for each in error.faults:
                section.fault("settings", f"{each.where}: {each.what}", each.remedy)
        except BadInputError as error:
            section.fault("settings", f"{error.where}: {error.what}", error.remedy)
    return Load(profile=profile, rate=text, duration_s=duration_s, settings=settings, attach=attach)


def _as_text(value: Any) -> str:
    """A setting as `--set` would write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _monkey(top: Section, there: Known) -> Monkey | None:
    if "monkey" not in top.data:
        top.known.add("monkey")
        return None
    section = top.section("monkey")
    given = section.table("faults")
    for name, args in given.items():
        if name not in there.faults:
            section.fault("faults", f"'{name}' is not known", f"some of: {', '.join(there.faults)}")
        elif not isinstance(args, dict):
            section.fault("faults", f"{name} must be a mapping of its settings", f"{name}: {{}}")
    every, hold = _pair(section, "every"), _pair(section, "for")
    found = Monkey(
        faults={
            name: {key: str(each) for key, each in dict(args or {}).items()} for name, args in given.items()
        }
        if not section.document.faults
        else {},
        every_s=every,
        hold_s=hold,
        from_s=seconds(section, "from", 10.0) or 0.0,
        until_s=seconds(section, "until", required=True) or 0.0,
    )
    section.finish()
    return found


def _pair(section: Section, key: str) -> tuple[float, float]:
    section.known.add(key)
    value = section.data.get(key)
    if not (isinstance(value, list) and len(value) == 2):  # noqa: PLR2004 - the shortest and the longest
        section.fault(key, "must be a list of two durations", f"{key}: [30s, 90s]")
        return (0.0, 0.0)
    inner = Section(section.document, section.at(key), {"shortest": value[0], "longest": value[1]})
    low, high = (seconds(inner, each, required=True) or 0.0 for each in ("shortest", "longest"))
    if low > high:
        section.fault(key, f"{low:g} s is more than {high:g} s")
    return (low, high)


def _expectations(section: Section) -> dict[str, Interval]:
    found = {}
    for figure in FIGURES:
        if figure not in section.data:
            section.known.add(figure)
            continue
        inner = section.section(figure)
        low = inner.number("low") if inner.data.get("low") is not None else None
        high = inner.number("high") if inner.data.get("high") is not None else None
        inner.known |= {"low", "high"}
        if low is None and high is None:
            inner.fault("", "expects nothing", "give low, high or both")
        if low is not None and high is not None and low > high:
            inner.fault("low", f"{low:g} is more than {high:g}")
        found[figure] = Interval(low=low, high=high, source=inner.text("source"))
        inner.finish()
    section.finish()
    return found


def _alert(section: Section, there: Known) -> ExpectedAlert:
    return ExpectedAlert(
        name=section.choice("name", there.alerts),
        within_s=seconds(section, "within", required=True) or 0.0,
        clears_within_s=seconds(section, "clears-within", required=True) or 0.0,
    )


def _progress(section: Section) -> Progress:
    given: dict[str, Any] = {key: section.choice(key, _GOES, "any") for key in ("confirms", "deliveries")}
    section.finish()
    return Progress(**given)


def _presumes(section: Section) -> dict[str, float]:
    found = {key: section.number(key) for key in SETTINGS if key in section.data}
    section.known |= set(SETTINGS)
    section.finish()
    return found


def _listed(top: Section, key: str, allowed: Collection[str]) -> tuple[str, ...]:
    given = top.texts(key, ())
    for each in given:
        if each not in allowed:
            top.fault(key, f"'{each}' is not known", f"some of: {', '.join(sorted(allowed)[:12])}, …")
    return given


def _check(top: Section, found: Experiment) -> None:
    """What only the whole can tell: names that steps refer to, and whether the load lasts long enough."""
    if not found.method and found.monkey is None:
        top.fault("method", "must be given", "one step at least, or a monkey")
    _check_names(top, found)
    _check_attach(top, found)
    healed = {step.heals for step in found.method}
    for step in found.method:
        if _must_be_held(step) and step.hold_s is None and step.name not in healed:
            top.fault(f"method[{step.name}].for", "for how long?", "give 'for: 20s', or a step that heals it")
    if found.longest_s + _AFTER_S > found.load.duration_s and found.method:
        what = (
            f"{found.load.duration_s:g} s are less than the method may take ({found.longest_s:g} s) and 5 s"
        )
        top.fault("load.duration", what, "give the load more time")
    if found.monkey is not None and found.monkey.until_s + _AFTER_S > found.load.duration_s:
        top.fault("monkey.until", "the load ends before that")


def _check_attach(top: Section, found: Experiment) -> None:
    """Whom the first fault strikes must be known before there are clients, for them to attach by it."""
    if found.load.attach == "any":
        return
    target = first_target(found.method)
    if target is None or target.attached_to is not None or target.all:
        what = "the method's first fault strikes no node that is known before the load runs"
        top.fault("load.attach", what, "give it a target of node, leader-of, follower-of or any")
    if found.load.profile in child.composites():
        top.fault("load.attach", "is for one profile", "give attach: any")


def _check_names(top: Section, found: Experiment) -> None:
    """Each step has a name of its own, and what it refers to comes before it."""
    known: dict[str, Step] = {}
    for step in found.method:
        path = f"method[{step.name}]"
        if step.name in known:
            top.fault(path, "is the name of two steps")
        if step.moment.after and step.moment.after not in known:
            top.fault(f"{path}.after", f"there is no earlier step '{step.moment.after}'")
        if step.heals and (step.heals not in known or not known[step.heals].fault):
            top.fault(f"{path}.heal", f"no earlier step '{step.heals}' breaks anything")
        known[step.name] = step
    for step in found.rollbacks:
        if step.heals and step.heals != "all" and step.heals not in known:
            top.fault(f"rollbacks[{step.name}].heal", f"there is no step '{step.heals}'", "heal: all")


def _must_be_held(step: Step) -> bool:
    """Whether it breaks something that stays broken until it is healed: a course ends by itself."""
    if not step.fault:
        return False
    kind: object = faults.load(step.fault)
    return not isinstance(kind, faults.Course)
