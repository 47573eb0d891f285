"""A game day as JSON and back, and the figures that statistics are drawn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from chaos.record import SCHEMA, AlertSeen, Check, Event, Expectation, GameDay, Verdict
from warren.errors import BadInputError

#: The figures of a game day, as experiments name them: those with ``_s`` in seconds. For all, less is better.
FIGURES: Mapping[str, str] = {
    "confirm_gap_s": "the longest silence of confirms while publishing",
    "delivery_gap_s": "the longest silence of deliveries while publishing",
    "redundancy_s": "from the healing until every queue has all its members again",
    "drain_s": "from the last publish until the queues are empty",
    "redelivered_ratio": "deliveries with the redelivered flag, scheduled retries apart, of all deliveries",
    "failed_publishes": "publishes without a confirm within their deadline",
}
#: Where a load result has a figure that the record does not name as an expectation.
_OF_LOAD = {
    "confirm_gap_s": "confirm_gap_max_s",
    "delivery_gap_s": "delivery_gap_max_s",
    "drain_s": "drain_s",
    "failed_publishes": "failed_publishes",
}
_T = TypeVar("_T")


def day_dict(day: GameDay) -> dict[str, Any]:
    """``day`` as JSON-ready values; how each expectation held is said beside it."""
    plain = dataclasses.asdict(day)
    for each, said in zip(plain["expectations"], day.expectations, strict=True):
        each["held"] = said.held.value
    return {**plain, "verdict": day.verdict.value}


def day_from(raw: Mapping[str, Any], *, where: str) -> GameDay:
    """What `day_dict` made, read back; unknown keys are ignored.

    Raises BadInputError, naming ``where``, for another schema or a record that is none.
    """
    if raw.get("schema") != SCHEMA:
        raise BadInputError(where, f"is of schema {raw.get('schema')!r}, this version reads {SCHEMA}")
    try:
        lists = {
            "expectations": tuple(_pick(Expectation, each) for each in raw.get("expectations", ())),
            "checks": tuple(_pick(Check, each) for each in raw.get("checks", ())),
            "alerts": tuple(_pick(AlertSeen, each) for each in raw.get("alerts", ())),
            "events": tuple(_pick(Event, each) for each in raw.get("events", ())),
            "faults": tuple(raw.get("faults", ())),
            "reasons": tuple(raw.get("reasons", ())),
        }
        return _pick(GameDay, {**raw, **lists, "verdict": Verdict(raw["verdict"])})
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(where, f"is no record of a game day: {error}") from error


def _pick(kind: type[_T], raw: Mapping[str, Any]) -> _T:
    known = {each.name for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{key: value for key, value in raw.items() if key in known})


def struck(day: GameDay) -> bool:
    """Whether there was a fault and every one was proven: only then do the figures say something of it."""
    return bool(day.faults) and all(each.get("injected_at") for each in day.faults)


def expected(day: GameDay, name: str) -> Expectation | None:
    """What the day says of the figure ``name``; None where it expected nothing."""
    return next((each for each in day.expectations if each.name == name), None)


def figure(day: GameDay, name: str) -> float | None:
    """The figure ``name`` as the day has it, by its expectation or else by its load; None where it was not
    measured."""
    said = expected(day, name)
    if said is not None:
        return said.value
    found = day.load.get("availability", {}).get(_OF_LOAD.get(name, ""))
    return None if found is None else float(found)


def confirmed(day: GameDay) -> int:
    """Messages that the broker took responsibility for; 0 where there is no ledger."""
    return int(_ledger(day).get("confirmed") or 0)


def lost(day: GameDay) -> int:
    """Confirmed messages that are in no final place; 0 where there is no ledger."""
    return int(_ledger(day).get("lost") or 0)


def _ledger(day: GameDay) -> Mapping[str, Any]:
    found: Mapping[str, Any] = day.load.get("ledger") or {}
    return found
