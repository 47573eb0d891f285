"""The write-ahead journal of faults: what is about to be broken is on disk before it is broken.

One JSON object a line, appended under a lock and synced before the caller goes on, so that whoever comes
after a driver that died (a power cut, SIGKILL) knows what may be broken. A fault is open until a line says
that it is healed, whatever else went wrong in between.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from warren import line_file
from warren.errors import NotReadyError
from warren.fault_record import FaultRecord
from warren.processes import birth
from warren.results import iso
from warren.state import write_atomically
from warren.wait import Clock, until

#: How long a command waits for another one that is just breaking or healing something.
LOCK_DEADLINE_S = 90.0


class Phase(StrEnum):
    """How far a fault has come. Only ``healed`` closes it: a failed injection may have acted."""

    INJECTING = "injecting"
    INJECTED = "injected"
    OBSERVED = "observed"
    HEALING = "healing"
    HEALED = "healed"
    FAILED = "failed"


#: What the time of a phase's line is called.
_STAMPS = {
    Phase.INJECTING: "begun_at",
    Phase.INJECTED: "injected_at",
    Phase.HEALING: "healing_at",
    Phase.HEALED: "healed_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault as the journal knows it, all its lines taken together.

    Times are ISO-8601 in UTC. ``begun_at`` is when the intent was written (None when that line is lost),
    ``injected_at`` and ``healed_at`` are when the acts returned, ``healing_at`` is when the healing that is
    under way, or done, began. ``evidence`` joins what every phase saw. ``driver`` is the process that wrote
    the intent, and ``driver_born`` its mark (`warren.processes.birth`).
    """

    fault_id: str
    name: str
    target: str
    args: Mapping[str, Any] = field(default_factory=dict)
    phase: Phase = Phase.INJECTING
    begun_at: str | None = None
    injected_at: str | None = None
    healing_at: str | None = None
    healed_at: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    run_id: str | None = None
    seed: int | None = None
    driver: int | None = None
    driver_born: str | None = None

    @property
    def is_open(self) -> bool:
        return self.phase is not Phase.HEALED

    @property
    def is_proven(self) -> bool:
        """Whether the act was seen to bite; where not, it may or may not have happened."""
        return self.injected_at is not None

    def record(self) -> FaultRecord | None:
        """This fault as results carry it; None for one that was only found, never injected by us."""
        at = self.injected_at or self.begun_at
        if at is None:
            return None
        return FaultRecord(
            name=self.name,
            target=self.target,
            injected_at=at,
            healing_at=self.healing_at,
            healed_at=self.healed_at,
            evidence=dict(self.evidence),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the journal says, and the lines that could not be read (a torn write, a damaged disk)."""

    faults: tuple[Fault, ...] = ()
    damage: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Fault, ...]:
        """Faults not healed, in the order of their injection."""
        return tuple(fault for fault in self.faults if fault.is_open)


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal at ``path``; made on the first write. ``now`` is wall time, ``clock`` monotonic.

    ``told`` is a file that says after each line which faults are open, for whoever may not read the journal
    itself: ``{"schema": 1, "open": [{"fault", "target", "since"}, …]}``. Trouble with it stops nothing.
    """

    path: Path
    now: Callable[[], datetime]
    clock: Clock = field(default_factory=Clock)
    told: Path | None = None

    def append(
        self,
        fault: Fault,
        phase: Phase,
        *,
        acted_at: str | None = None,
        evidence: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> Fault:
        """Write one line for ``fault`` and sync it to disk; return the fault with that line taken in.

        ``acted_at`` (ISO-8601 UTC) is when the act returned, where that was earlier than now. Raises
        NotReadyError when the line cannot be written: then the act must not follow.
        """
        line = {
            "fault_id": fault.fault_id,
            "name": fault.name,
            "target": fault.target,
            "args": dict(fault.args),
            "phase": phase.value,
            "at": iso(self.now()),
            "monotonic_s": round(self.clock.now(), 3),
            "process": os.getpid(),
            "process_born": birth(os.getpid()),
        }
        optional = {
            "run_id": fault.run_id,
            "seed": fault.seed,
            "acted_at": acted_at,
            "evidence": dict(evidence) if evidence else None,
            "error": error,
        }
        line.update({key: value for key, value in optional.items() if value is not None})
        try:
            line_file.append(self.path, json.dumps(line).encode() + b"\n")
        except OSError as problem:
            raise NotReadyError(
                str(self.path), f"the journal cannot be written: {problem.strerror}"
            ) from problem
        self._tell()
        return _take_in(fault, line)

    def _tell(self) -> None:
        if self.told is None:
            return
        faults = [
            {"fault": each.name, "target": each.target, "since": each.injected_at or each.begun_at}
            for each in self.open_faults()
        ]
        text = json.dumps({"schema": 1, "open": faults}) + "\n"
        with suppress(OSError):
            write_atomically(self.told, text.encode(), mode=0o644)

    def read(self) -> Reading:
        """Every fault in the order of its first line. A missing journal reads as an empty one.

        Raises NotReadyError when the file is there and cannot be read.
        """
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return Reading()
        except OSError as problem:
            raise NotReadyError(
                str(self.path), f"the journal cannot be read: {problem.strerror}"
            ) from problem
        faults: dict[str, Fault] = {}
        damage = []
        for number, text in enumerate(lines, start=1):
            try:
                line = _parse(text)
                fault = faults.get(line["fault_id"]) or _first(line)
                faults[fault.fault_id] = _take_in(fault, line)
            except (ValueError, KeyError, TypeError) as problem:
                damage.append(f"{self.path}:{number}: cannot be read and was skipped ({problem})")
        return Reading(faults=tuple(faults.values()), damage=tuple(damage))

    def open_faults(self) -> tuple[Fault, ...]:
        """Faults not healed, in the order of their injection."""
        return self.read().open

    def close(self, faults: Sequence[Fault], healed_by: str) -> tuple[Fault, ...]:
        """Close those of ``faults`` that are still open because something else than `chaos heal` has put the
        cluster back; return them. Else each later run would carry a fault that is long over."""
        known = {fault.fault_id for fault in faults}
        open_still = [fault for fault in self.open_faults() if fault.fault_id in known]
        evidence = {"healed_by": healed_by}
        return tuple(self.append(fault, Phase.HEALED, evidence=evidence) for fault in open_still)

    def faults_between(self, start: datetime, end: datetime) -> list[FaultRecord]:
        """The faults that were in force at any time from ``start`` to ``end`` (aware datetimes), as results
        carry them; a fault still open has no ``healed_at`` and is taken to last."""
        found = []
        for fault in self.read().faults:
            record = fault.record()
            if record is None or datetime.fromisoformat(record.injected_at) > end:
                continue
            if record.healed_at is None or datetime.fromisoformat(record.healed_at) >= start:
                found.append(record)
        return found

    @contextmanager
    def exclusive(self, *, deadline_s: float = LOCK_DEADLINE_S) -> Iterator[None]:
        """Let one command at a time look and act, so that two cannot each take down "only one" node.

        Ends with the process that holds it, however that dies. Raises DeadlineError after ``deadline_s``.
        """
        lock = self.path.with_name(self.path.name + ".lock")
        with line_file.opened(lock, os.O_RDWR | os.O_CREAT) as descriptor:
            until(
                lambda: _try_lock(descriptor, lock),
                what="another chaos command to end its act",
                deadline_s=deadline_s,
                every_s=0.1,
                clock=self.clock,
            )
            yield


def _try_lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        raise NotReadyError(str(path), "is held by another chaos command") from problem


def _parse(text: bytes) -> dict[str, Any]:
    line = json.loads(text)
    if not isinstance(line, dict):
        raise TypeError("not a JSON object")
    datetime.fromisoformat(line["at"])
    if "acted_at" in line:
        datetime.fromisoformat(line["acted_at"])
    return line


def _first(line: Mapping[str, Any]) -> Fault:
    return Fault(
        fault_id=line["fault_id"],
        name=line["name"],
        target=line["target"],
        args=line.get("args", {}),
        run_id=line.get("run_id"),
        seed=line.get("seed"),
    )


def _take_in(fault: Fault, line: Mapping[str, Any]) -> Fault:
    """``fault`` with one more of its lines. What is observed after the healing does not open it again."""
    phase = Phase(line["phase"])
    acted_at = line.get("acted_at", line["at"])
    times = {_STAMPS[phase]: acted_at} if phase in _STAMPS else {}
    if phase is Phase.FAILED:
        times["healing_at"] = None
    if phase is Phase.INJECTING:
        fault = replace(fault, driver=line.get("process"), driver_born=line.get("process_born"))
    if phase is Phase.OBSERVED or not fault.is_open:
        phase = fault.phase
    return replace(
        fault,
        phase=phase,
        evidence={**fault.evidence, **line.get("evidence", {})},
        error=line.get("error", fault.error),
        **times,
    )


def as_dict(fault: Fault) -> dict[str, Any]:
    """``fault`` as JSON-ready values."""
    return asdict(fault)
