"""The figures of a game day that statistics are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.record import Expectation, GameDay

#: The figures of a game day, as experiments name them: those with ``_s`` in seconds. For all, less is better.
FIGURES: Mapping[str, str] = {
    "confirm_gap_s": "the longest silence of confirms while publishing",
    "delivery_gap_s": "the longest silence of deliveries while publishing",
    "redundancy_s": "from the healing until every queue has all its members again",
    "drain_s": "from the last publish until the queues are empty",
    "redelivered_ratio": "deliveries with the redelivered flag, scheduled retries apart, of all deliveries",
    "failed_publishes": "publishes without a confirm within their deadline",
}
#: What was seen beside them, of which nothing is expected. Unlike the gaps it does not hang on whether a
#: client happened to be connected to the node that was struck.
OBSERVED: Mapping[str, str] = {
    "election_s": "from the proof of the fault until another leader of the struck queue was seen"
}
#: Where a load result has a figure that the record does not name as an expectation.
_OF_LOAD = {
    "confirm_gap_s": "confirm_gap_max_s",
    "delivery_gap_s": "delivery_gap_max_s",
    "drain_s": "drain_s",
    "failed_publishes": "failed_publishes",
}


def struck(day: GameDay) -> bool:
    """Whether there was a fault, every one was proven, and the day's own load was in its way: only then do
    the figures say something of it."""
    if day.together.get("bystander"):
        return False
    return bool(day.faults) and all(each.get("injected_at") for each in day.faults)


def expected(day: GameDay, name: str) -> Expectation | None:
    """What the day says of the figure ``name``; None where it expected nothing."""
    return next((each for each in day.expectations if each.name == name), None)


def figure(day: GameDay, name: str) -> float | None:
    """The figure ``name`` as the day has it, by its expectation or else by its load; None where it was not
    measured."""
    if name in OBSERVED:
        seen = [each.get("evidence", {}).get("leader_seen_after_s") for each in day.faults]
        return max((float(each) for each in seen if each is not None), default=None)
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
