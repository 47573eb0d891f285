"""One game day again and again: `warren chaos run FILE --repeat N`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.statistics.matrix import Cell
from chaos.statistics.outcome import Outcome, outcome
from chaos.statistics.store import Turn
from chaos.statistics.turns import Means, derived_seed, run
from warren.errors import BadInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """What is repeated: an experiment's name and profile, ``document``, all of it that must be the same for
    its records to stand in one table, and ``facts``, what of the cluster decides its figures."""

    name: str
    profile: str
    document: Mapping[str, Any]
    facts: Mapping[str, Any]

    def plan(self, seed: int) -> dict[str, Any]:
        """The first line of the file of records."""
        return {
            "what": self.name,
            "seed": seed,
            "facts": dict(self.facts),
            "experiments": {self.name: dict(self.document)},
        }


def turns(name: str, repeats: int, seed: int) -> tuple[Turn, ...]:
    """Every run: the first has ``seed`` itself, so that once repeated is once run; each other one its own,
    drawn from it."""
    if repeats < 1:
        raise BadInputError("--repeat", f"{repeats} is no number of runs", "give 1 or more")
    seeds = (seed, *(derived_seed(seed, name, number) for number in range(1, repeats)))
    return tuple(Turn(cell=name, repeat=number, seed=each) for number, each in enumerate(seeds))


def repeat(what: Repeated, means: Means, *, repeats: int, seed: int) -> Outcome:
    """Run ``what`` ``repeats`` times, leaving out what the store has already, and sum up everything in it.

    Raises BadInputError where the store was begun by another plan.
    """
    due = turns(what.name, repeats, seed)
    with means.store.alone():
        means.store.begin_or_resume(what.plan(seed), means.say)
        stopped = run([(turn,) for turn in due], means)
    cell = Cell(fault="", profile=what.profile, repeats=repeats, document=what.document, name=what.name)
    return outcome([cell], means.store.read(), seed=seed, what=what.name, stopped=stopped)
