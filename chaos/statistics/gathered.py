"""One grid out of the records of several matrices: soaks of one night on two clusters, or of two nights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chaos.record import GameDay
from chaos.statistics.matrix import Cell
from chaos.statistics.outcome import Outcome, outcome
from chaos.statistics.store import Content, Turn, act_of, refuse_another_plan
from warren.errors import BadInputError


def gather(parts: Sequence[tuple[str, Content]], now: Sequence[Cell]) -> Outcome:
    """What ``parts``, each with its name, hold together; cells in the order of ``now``, and judged by what it
    expects where it is the same experiment still. The seed is that of the first part.

    Raises BadInputError for no part, for parts of clusters that are set otherwise or whose experiments are
    not alike, and for a record that is given twice.
    """
    if not parts:
        raise BadInputError("records", "none were given", "name the folder of a matrix")
    first = parts[0][1]
    documents: dict[str, Mapping[str, Any]] = {}
    for name, content in parts:
        so_far = {**first.plan, "seed": content.plan["seed"], "experiments": documents}
        refuse_another_plan(name, so_far, content.plan, "draw one grid of each, or leave it out")
        documents = {**content.plan.get("experiments", {}), **documents}
    together = Content(
        plan={**first.plan, "experiments": documents},
        days=dict(_renumbered(parts)),
        troubles=tuple(each for _, content in parts for each in content.troubles),
        damage=tuple(each for _, content in parts for each in content.damage),
    )
    cells = [replace(each, repeats=len(together.of(each.key))) for each in _cells(documents, now)]
    made = [each for each in cells if each.repeats]
    return outcome(made, together, seed=int(first.plan["seed"]), what="grid")


def _renumbered(parts: Sequence[tuple[str, Content]]) -> Iterator[tuple[Turn, GameDay]]:
    """All days, those of each cell numbered through, for parts of one seed have turns that are alike."""
    seen: set[str] = set()
    count: dict[str, int] = {}
    for name, content in parts:
        for turn, day in content.days.items():
            if day.run_id in seen:
                raise BadInputError(name, f"has the record {day.run_id} once more", "give each part once")
            seen.add(day.run_id)
            number = count.get(turn.cell, 0)
            count[turn.cell] = number + 1
            yield replace(turn, repeat=number), day


def _cells(documents: Mapping[str, Mapping[str, Any]], now: Sequence[Cell]) -> Iterator[Cell]:
    known = {each.key: each for each in now}
    for key in (*(each for each in known if each in documents), *sorted(set(documents) - set(known))):
        document = documents[key]
        current = known[key].document if key in known else {}
        yield Cell(
            fault=str(document["method"][0]["fault"]),
            profile=str(document["load"]["profile"]),
            repeats=0,
            document=current if current and act_of(current) == act_of(document) else document,
            name=key,
        )
