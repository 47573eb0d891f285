"""`scenarios/*.yml` as typed profiles: every fault named by file and key, values overridable by key.

A scenario says what is published, who consumes and what is tolerated; where the messages go follows from
the topology's bindings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from loadgen import phases
from loadgen.body import HEADER_SIZE
from loadgen.curve import Phase
from loadgen.pacing import Arrivals
from loadgen.spec import ConsumerRole, MessageClass, PublisherRole, Rate, Thresholds
from warren.errors import BadInputError
from warren.reader import Document, Section, parse_file

FOLDER = Path(__file__).resolve().parent / "scenarios"
_NAME = r"[a-z][a-z0-9-]{0,30}"


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
    size_bytes: int
    window: int
    publish_deadline_s: float
    drain_silence_s: float
    hold_back_s: float
    judge_order: bool
    publishers: tuple[PublisherRole, ...]
    consumers: tuple[ConsumerRole, ...]
    thresholds: Thresholds


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """The profiles that there are."""
    return tuple(sorted(path.stem for path in folder.glob("*.yml")))


def load(name: str, overrides: Mapping[str, str] | None = None, *, folder: Path = FOLDER) -> Scenario:
    """The profile called ``name``; ``overrides`` maps key paths (``consumers.worker.count``) to YAML values.

    Raises BadInputError for an unknown profile, BadInputsError with every fault of the file.
    """
    path = folder / f"{name}.yml"
    if not path.is_file():
        raise BadInputError(f"profile '{name}'", "is not known", f"profiles: {', '.join(names(folder))}")
    document, top = parse_file(path)
    for key, value in (overrides or {}).items():
        override(top.data, key, value)
    found = _read(document, top)
    document.finish()
    return found


def override(data: dict[Any, Any], key: str, value: str) -> None:
    """Set the value at a key path; an element of a list is called by its name.

    Raises BadInputError when the path leads nowhere or the value is not YAML. A last key that is new is
    set: whether it is known is for the reader to say.
    """
    *path, last = key.split(".")
    at: Any = data
    for index, part in enumerate(path):
        at = _child(at, part, ".".join(path[: index + 1]))
    if not isinstance(at, dict):
        raise BadInputError(f"--set {key}", f"'{'.'.join(path)}' has no keys of its own")
    try:
        at[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise BadInputError(f"--set {key}", f"{value!r} is not a value: {error}") from error


def _child(at: Any, part: str, path: str) -> Any:
    if isinstance(at, dict) and part in at:
        return at[part]
    if isinstance(at, list):
        for each in at:
            if isinstance(each, dict) and each.get("name") == part:
                return each
    if isinstance(at, list):
        known = [str(each.get("name")) for each in at if isinstance(each, dict)]
    else:
        known = [str(key) for key in at] if isinstance(at, dict) else []
    raise BadInputError(f"--set {path}", "leads nowhere", f"known here: {', '.join(known) or 'no keys'}")


def _read(document: Document, top: Section) -> Scenario:
    top.integer("schema", low=1, high=1)
    pace = phases.read(top, folder=Path(document.name).parent)
    found = Scenario(
        name=top.text("name", pattern=_NAME),
        description=top.text("description"),
        vhost=top.text("vhost"),
        rate_per_s=pace.rate_per_s,
        duration_s=pace.duration_s,
        arrivals=pace.arrivals,
        phases=pace.phases,
        size_bytes=top.integer("size_bytes", 200, low=HEADER_SIZE, high=16 * 1024 * 1024),
        window=top.integer("window", 200, low=1, high=100_000),
        publish_deadline_s=top.number("publish_deadline_s", 30.0, low=0.1),
        drain_silence_s=top.number("drain_silence_s", 150.0, low=1),
        hold_back_s=top.number("hold_back_s", 0.0, low=0),
        judge_order=top.flag("judge_order", False),
        publishers=top.sections("publishers", _publisher, required=True),
        consumers=top.sections("consumers", _consumer, required=True),
        thresholds=_thresholds(top.section("thresholds", required=False)),
    )
    top.finish()
    if not found.publishers or not found.consumers:
        document.fault("", "needs at least one publisher and one consumer")
    return found


def _publisher(section: Section) -> PublisherRole:
    classes = section.sections("classes", _message_class) or (MessageClass(name="all"),)
    if sum(each.share for each in classes) <= 0:
        section.fault("classes", "the shares must not all be 0")
    return PublisherRole(
        name=section.text("name", pattern=_NAME),
        user=section.text("user"),
        exchange=section.text("exchange"),
        routing_key=section.text("routing_key", ""),
        count=section.integer("count", 1, low=1, high=64),
        mandatory=section.flag("mandatory", True),
        classes=classes,
    )


def _message_class(section: Section) -> MessageClass:
    priority = section.integer("priority", -1, low=0, high=31)
    return MessageClass(
        name=section.text("name", pattern=_NAME),
        share=section.number("share", 1.0, low=0),
        priority=None if priority < 0 else priority,
    )


def _consumer(section: Section) -> ConsumerRole:
    delays = _numbers(section, "delays_s")
    return ConsumerRole(
        name=section.text("name", pattern=_NAME),
        user=section.text("user"),
        queue=section.text("queue"),
        does="finish" if section.choice("does", ("work", "finish"), "work") == "finish" else "work",
        count=section.integer("count", 1, low=1, high=64),
        prefetch=section.integer("prefetch", 100, low=1, high=65535),
        ack_batch=section.integer("ack_batch", 50, low=1, high=65535),
        work_time_s=section.number("work_time_s", 0.0, low=0, high=3600),
        failures=_failures(section),
        tries=len(delays) + 1,
        delays_s=delays,
    )


def _failures(section: Section) -> tuple[float, ...]:
    if "failure_rate" in section.data:
        rate = section.number("failure_rate", 0.0, low=0, high=1)
        if "failures" in section.data:
            section.fault("failures", "is given beside failure_rate", "give one of the two")
        return (1.0 - rate, rate)
    return _numbers(section, "failures") or (1.0,)


def _numbers(section: Section, key: str) -> tuple[float, ...]:
    section.known.add(key)
    raw = section.data.get(key, [])
    good = isinstance(raw, list) and all(
        isinstance(each, (int, float)) and not isinstance(each, bool) and each >= 0 for each in raw
    )
    if not good or (raw and sum(raw) <= 0):
        section.fault(key, f"must be a list of numbers from 0 up, not all 0; it is {raw!r}")
        return ()
    return tuple(float(each) for each in raw)


def _thresholds(section: Section) -> Thresholds:
    unflagged = section.integer("unflagged_duplicates", -1, low=0)
    found = Thresholds(
        failed_publishes=section.integer("failed_publishes", 0, low=0),
        self_lag_p99_s=section.number("self_lag_p99_s", 0.05, low=0),
        unflagged_duplicates=None if unflagged < 0 else unflagged,
    )
    section.finish()
    return found
