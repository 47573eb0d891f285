"""Joins the parts of a run whose coordinators shared nothing into one verdict, as if it had been one run.

Ledgers are joined as files, so that what a single run is judged by judges all; histograms, series and
silences bucket by bucket. Times of other hosts are brought to the first part's clock by the offsets that
each part read at its start.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadgen import measured, roster
from loadgen.collect import Totals
from loadgen.curve import SECOND_NS
from loadgen.evidence import Evidence, read_evidence
from loadgen.ledger import AUX_TIMES, EventLog, read_log
from loadgen.measured import Measured
from loadgen.parts import whole_name
from loadgen.spec import LoadSpec
from loadgen.verdict import Timing, conclude
from warren.errors import BadInputError
from warren.results import LoadResult

_LEDGER = "ledger"


@dataclass(slots=True)
class Joined:
    """All parts as one finished run."""

    spec: LoadSpec
    totals: Totals
    notes: list[str]
    worker_names: tuple[list[str], list[str]]
    publisher_died: bool
    interrupted: bool
    unfinished: str
    ledger: Path
    #: Parts wait for one another's messages by silence alone, and nobody connects anew for them.
    stuck: int = 0

    def evidence(self) -> Evidence:
        return read_evidence(self.ledger)


def merge(folders: Sequence[Path], out: Path) -> LoadResult:
    """Judge the parts that ran in ``folders`` together; ``out`` is made and gets ledger and logs.

    Raises BadInputError when the folders are not each part of one run exactly once, or ``out`` is there.
    """
    parts = check([(folder, measured.read(folder)) for folder in folders])
    for folder in parts:
        _read_ledger(folder)
    try:
        (out / _LEDGER).mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise BadInputError(str(out), f"cannot be made: {error.strerror}", "give a new folder") from error
    first = next(iter(parts.values()))
    for folder, part in parts.items():
        _copy_ledger(folder, out / _LEDGER, prefix=_prefix(part), later_ns=_later_ns(first, part))
    run, timing = _joined(list(parts.values()), out), _timing(list(parts.values()))
    measured.write(run, timing, out, clock_offset_ns=first.clock_offset_ns)
    return conclude(run, roster.expectation(run.spec), timing)


def _read_ledger(folder: Path) -> None:
    """Read a part's ledger once before anything is made, so that a damaged one leaves nothing behind. Raises
    BadInputError, naming the file."""
    ledger = folder / _LEDGER
    if not ledger.is_dir():
        raise BadInputError(str(ledger), "is not there", "bring the whole folder of the run")
    read_evidence(ledger)


def check(found: Sequence[tuple[Path, Measured]]) -> Mapping[Path, Measured]:
    """The parts in order of their numbers. Raises BadInputError, naming a folder, unless all of one run
    are there, each once."""
    by_number: dict[int, tuple[Path, Measured]] = {}
    for folder, part in found:
        number = part.spec.part
        if number is None:
            raise BadInputError(str(folder), "is a whole run, not a part of one", "it is judged already")
        if number in by_number:
            other = by_number[number][0]
            raise BadInputError(str(folder), f"is part {number + 1}, which {other} is too", "give it once")
        by_number[number] = (folder, part)
    if not by_number:
        raise BadInputError("merge", "no part is given", "give the folder of each part")
    ordered = [by_number[number] for number in sorted(by_number)]
    _check_same(ordered)
    missing = sorted(set(range(ordered[0][1].spec.parts)) - set(by_number))
    if missing:
        names = ", ".join(str(number + 1) for number in missing)
        whole = ordered[0][1].spec.parts
        raise BadInputError("merge", f"of {whole} parts, {names} is missing", "give the folder of each part")
    return dict(ordered)


def _check_same(ordered: Sequence[tuple[Path, Measured]]) -> None:
    """All parts are of one run: the same mark of its messages, and the same of all else."""
    first_folder, first = ordered[0]
    wanted = _common(first.spec)
    for folder, part in ordered[1:]:
        own = _common(part.spec)
        differing = [
            item.name
            for item in dataclasses.fields(LoadSpec)
            if getattr(own, item.name) != getattr(wanted, item.name)
        ]
        if differing:
            what = f"is of another run than {first_folder}: {', '.join(differing)} differ"
            raise BadInputError(str(folder), what, "give parts of one run")


def _common(spec: LoadSpec) -> LoadSpec:
    """What must be equal in all parts."""
    return dataclasses.replace(
        measured.without_secrets(spec),
        run_id=whole_name(spec.run_id),
        part=None,
        folder="",
        params={},
        part_silence_s=0.0,
        drain_silence_s=0.0,
    )


def _joined(parts: Sequence[Measured], out: Path) -> Joined:
    first = parts[0]
    spec = dataclasses.replace(
        _common(first.spec),
        folder=str(out),
        drain_silence_s=first.spec.drain_silence_s,
        params={**first.spec.params, "merged": [part.spec.run_id for part in parts]},
    )
    totals = Totals()
    start_ns = _start_ns(parts)
    for part in parts:
        later_ns = _later_ns(first, part)
        later_s = round((part.timing.t0_ns + later_ns - start_ns) / SECOND_NS)
        totals.add_plain(part.totals, prefix=_prefix(part), later_ns=later_ns, later_s=later_s)
    return Joined(
        spec=spec,
        totals=totals,
        notes=[f"part {_number(part)}: {note}" for part in parts for note in part.notes],
        worker_names=(
            [_prefix(part) + name for part in parts for name in part.publishers],
            [_prefix(part) + name for part in parts for name in part.workers],
        ),
        publisher_died=any(part.publisher_died for part in parts),
        interrupted=any(part.interrupted for part in parts),
        unfinished="" if all(part.timing.drained for part in parts) else "a part's was skipped",
        ledger=out / _LEDGER,
    )


def _timing(parts: Sequence[Measured]) -> Timing:
    """From the first start to the last end, on the first part's clock."""
    first = parts[0]
    return Timing(
        started=min(part.timing.started for part in parts),
        ended=max(part.timing.ended for part in parts),
        t0_ns=_start_ns(parts),
        published_ns=max(part.timing.published_ns + _later_ns(first, part) for part in parts),
        drained_ns=max(part.timing.drained_ns + _later_ns(first, part) for part in parts),
        drained=all(part.timing.drained for part in parts),
        clock_offset_ns=first.clock_offset_ns,
    )


def _start_ns(parts: Sequence[Measured]) -> int:
    return min(part.timing.t0_ns + _later_ns(parts[0], part) for part in parts)


def _later_ns(first: Measured, part: Measured) -> int:
    """What brings a monotonic time of ``part`` to the clock of ``first``."""
    return part.clock_offset_ns - first.clock_offset_ns


def _number(part: Measured) -> int:
    return (part.spec.part or 0) + 1


def _prefix(part: Measured) -> str:
    return f"{_number(part)}-"


def _copy_ledger(folder: Path, into: Path, *, prefix: str, later_ns: int) -> None:
    """Take over a part's files under names of their own; linked where possible, since they never change."""
    for path in sorted((folder / _LEDGER).iterdir()):
        target = into / f"{prefix}{path.name}"
        if path.suffix == ".log" and later_ns:
            _shift(path, target, later_ns)
            continue
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)


def _shift(path: Path, target: Path, later_ns: int) -> None:
    """Write a log anew with its times ``later_ns`` later."""
    part = read_log(path)
    meaning = {key: value for key, value in part.meaning.items() if key != "schema"}
    log = EventLog(target, meaning)
    for event in part.events:
        at = {"aux": event.aux, "aux2": event.aux2}
        for name in AUX_TIMES.get(event.kind, ()):
            at[name] += later_ns if at[name] else 0
        at_ns = event.at_ns + later_ns if event.at_ns else 0
        log.add(event.kind, event.publisher, event.seq, at_ns, detail=event.detail, queue=event.queue, **at)
    log.close()
