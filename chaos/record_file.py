"""A game day's record as a file: ``gameday.json`` in a folder of its own, beside those of load runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from chaos.record import SCHEMA, AlertSeen, Check, Event, Expectation, GameDay, Verdict
from warren.errors import BadInputError, NotReadyError
from warren.json_file import read_object
from warren.state import State, write_atomically

FILE = "gameday.json"
#: Below the state folder.
FOLDER = "gamedays"

T = TypeVar("T")


def folder_of(state: State, run_id: str) -> Path:
    """Where a game day's files are."""
    return state.root / FOLDER / run_id


def to_dict(day: GameDay) -> dict[str, Any]:
    """``day`` as JSON-ready values; each expectation says too how its figure lies to its interval."""
    plain = dataclasses.asdict(day)
    plain["verdict"] = day.verdict.value
    for one, expectation in zip(plain["expectations"], day.expectations, strict=True):
        one["held"] = expectation.held.value
    return {"schema": plain.pop("schema"), **plain}


def write(day: GameDay, path: Path) -> None:
    """Write ``day`` as JSON, whole or not at all; raises NotReadyError where that fails."""
    text = json.dumps(to_dict(day), indent=1, allow_nan=False, default=str) + "\n"
    try:
        write_atomically(path, text.encode(), mode=0o600)
    except OSError as error:
        raise NotReadyError(str(path), f"cannot be written: {error.strerror}") from error


def read(path: Path) -> GameDay:
    """What `write` wrote; keys that are not known are passed over. Raises BadInputError for anything else."""
    return from_dict(read_object(path), where=str(path))


def from_dict(raw: Mapping[str, Any], *, where: str) -> GameDay:
    """What `to_dict` made, read back; raises BadInputError, naming ``where``, for anything else."""
    if raw.get("schema") != SCHEMA:
        raise BadInputError(f"{where}: schema", f"is {raw.get('schema')!r}, this version reads {SCHEMA}")
    try:
        return _day(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(where, f"is no record of a game day: {error}") from error


def _day(raw: Mapping[str, Any]) -> GameDay:
    nested = {
        "verdict": Verdict(raw["verdict"]),
        "reasons": tuple(raw.get("reasons", ())),
        "faults": tuple(raw.get("faults", ())),
        "expectations": tuple(_pick(Expectation, each) for each in raw.get("expectations", ())),
        "checks": tuple(_pick(Check, each) for each in raw.get("checks", ())),
        "alerts": tuple(_pick(AlertSeen, each) for each in raw.get("alerts", ())),
        "fired": tuple(_pick(AlertSeen, each) for each in raw.get("fired", ())),
        "events": tuple(_pick(Event, each) for each in raw.get("events", ())),
    }
    return _pick(GameDay, {**raw, **nested})


def _pick(cls: type[T], raw: Mapping[str, Any]) -> T:
    names = {each.name for each in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{key: value for key, value in raw.items() if key in names})
