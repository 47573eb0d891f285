"""Records of game days in one file that survives an end at any moment: JSON lines, each synced to disk.

The first line is the plan, and each further one a record or the trouble that kept a run from being made. A
line that was torn by a crash is skipped and told; its run is made again by ``--resume``.
"""

from __future__ import annotations

import fcntl
import json
import lzma
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos import record_file
from chaos.record import GameDay
from warren import line_file
from warren.console import Say
from warren.errors import BadInputError, NotReadyError

SCHEMA = 1
#: Records that are kept for good are packed, to a twentieth; they are read as they are, and never added to.
PACKED = ".xz"
_ANEW = "begin anew without --resume, or name other records"
#: What of an experiment may change while its days are collected: words, and what `anew.hold` judges them by.
_MAY_CHANGE = ("title", "description", "teaches", "tags", "panels", "expectations", "tolerates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One run of a plan: which cell, the how-manieth of it from 0, and its seed."""

    cell: str
    repeat: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A run that could not be made: where and what, as its error said. ``refused``: nothing was changed."""

    turn: Turn
    where: str
    what: str
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file of records holds. ``damage`` names the lines that could not be read."""

    plan: Mapping[str, Any]
    days: Mapping[Turn, GameDay] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    damage: tuple[str, ...] = ()

    def of(self, cell: str) -> list[tuple[int, GameDay]]:
        """The days of one cell, each with its number."""
        return [(turn.repeat, day) for turn, day in self.days.items() if turn.cell == cell]


@dataclass(frozen=True, slots=True)
class Store:
    """The file at ``path``."""

    path: Path

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Make the file with ``plan`` as its first line; raises NotReadyError where it is there already."""
        if self.path.exists():
            raise NotReadyError(str(self.path), "is there already", "resume it, or give another name")
        self._append({"kind": "plan", "schema": SCHEMA, **plan})

    def begin_or_resume(self, plan: Mapping[str, Any], say: Say) -> None:
        """Begin the file with ``plan``, or go on with what is there, telling what of it cannot be read.

        Raises BadInputError where that was begun by another plan.
        """
        if not self.path.exists():
            self.begin(plan)
            return
        found = self.read()
        refuse_another_plan(self.path, found.plan, plan)
        for line in found.damage:
            say(line)
        before, now = _plain(found.plan.get("experiments", {})), _plain(plan.get("experiments", {}))
        if any(before.get(cell) != each for cell, each in now.items()):
            self._append({"kind": "plan", "schema": SCHEMA, **plan})

    def keep(self, turn: Turn, day: GameDay) -> None:
        """Add a record. Returns when it is on disk; raises NotReadyError where it cannot be written."""
        self._append({"kind": "day", **_turn_dict(turn), "day": record_file.to_dict(day)})

    def note(self, trouble: Trouble) -> None:
        """Add what kept a run from being made, as `keep` does."""
        said = {"where": trouble.where, "what": trouble.what, "refused": trouble.refused}
        self._append({"kind": "trouble", **_turn_dict(trouble.turn), **said})

    def read(self) -> Content:
        """Everything in the file; of a turn recorded twice, the last.

        Raises BadInputError where there is no such file, or its first line is no plan of this schema.
        """
        lines = self._lines()
        plan = dict(_plan(self.path, lines[0] if lines else b""))
        days: dict[Turn, GameDay] = {}
        troubles, damage = [], []
        for number, text in enumerate(lines[1:], start=2):
            where = f"{self.path}:{number}"
            try:
                line = json.loads(text)
                if line["kind"] == "plan":
                    plan["experiments"] = {**plan.get("experiments", {}), **line["experiments"]}
                    continue
                turn = Turn(cell=line["cell"], repeat=int(line["repeat"]), seed=int(line["seed"]))
                if line["kind"] == "day":
                    days[turn] = record_file.from_dict(line["day"], where=where)
                else:
                    troubles.append(_trouble(turn, line))
            except (ValueError, KeyError, TypeError, AttributeError, BadInputError) as error:
                reason = error.what if isinstance(error, BadInputError) else error
                damage.append(f"{where}: cannot be read and was skipped ({reason})")
        # What was made later is no trouble any more.
        left = tuple(each for each in troubles if each.turn not in days)
        return Content(plan=plan, days=days, troubles=left, damage=tuple(damage))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one command at a time add to the file, whose folder is made; raises NotReadyError while another
        one does."""
        make_folder(self.path.parent)
        lock = self.path.with_name(f"{self.path.name}.lock")
        with line_file.opened(lock, os.O_RDWR | os.O_CREAT) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise NotReadyError(str(self.path), "is being written by another command") from error
            yield

    def _lines(self) -> list[bytes]:
        try:
            content = self.path.read_bytes()
            return (lzma.decompress(content) if self.path.suffix == PACKED else content).splitlines()
        except OSError as error:
            raise BadInputError(str(self.path), f"cannot be read: {error.strerror}") from error
        except lzma.LZMAError as error:
            raise BadInputError(str(self.path), f"cannot be unpacked: {error}", "make it with xz") from error

    def _append(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, allow_nan=False, default=str).encode() + b"\n"
        try:
            line_file.append(self.path, text)
        except OSError as error:
            raise NotReadyError(str(self.path), f"cannot be written: {error.strerror}") from error


def make_folder(folder: Path) -> None:
    """Make ``folder`` where it is not there; raises NotReadyError where it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NotReadyError(str(folder), f"cannot be made: {error.strerror}") from error


def _plan(path: Path, text: bytes) -> Mapping[str, Any]:
    try:
        plan: Mapping[str, Any] = json.loads(text)
        if plan["kind"] == "plan" and plan["schema"] == SCHEMA:
            return plan
        what = f"does not begin with a plan of schema {SCHEMA}"
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(str(path), f"holds no records of game days: {error}", _ANEW) from error
    raise BadInputError(str(path), what, _ANEW)


def _turn_dict(turn: Turn) -> dict[str, Any]:
    return {"cell": turn.cell, "repeat": turn.repeat, "seed": turn.seed}


def _trouble(turn: Turn, line: Mapping[str, Any]) -> Trouble:
    return Trouble(turn=turn, where=line["where"], what=line["what"], refused=bool(line.get("refused")))


def refuse_another_plan(
    path: Path | str, then: Mapping[str, Any], now: Mapping[str, Any], remedy: str = _ANEW
) -> None:
    """Raise BadInputError where the file was begun by another plan: its figures must not stand in one table
    with those of this one. How many repeats, which other experiments there are, and what is expected of their
    figures is no matter."""
    for cell in sorted(set(now.get("experiments", {})) & set(then.get("experiments", {}))):
        if act_of(then["experiments"][cell]) != act_of(now["experiments"][cell]):
            raise BadInputError(str(path), f"has another experiment called {cell}", remedy)
    for key in sorted(set(now) | set(then)):
        if key in ("kind", "schema", "repeats", "experiments"):
            continue
        if _plain(then.get(key)) != _plain(now.get(key)):
            what = f"was made with {key} {_short(then.get(key))}, not {_short(now.get(key))}"
            raise BadInputError(str(path), what, remedy)


def act_of(experiment: Mapping[str, Any]) -> Any:
    """What of an experiment decides its figures."""
    return _plain({key: value for key, value in experiment.items() if key not in _MAY_CHANGE})


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _short(value: Any, width: int = 80) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= width else f"{text[: width - 1]}…"
