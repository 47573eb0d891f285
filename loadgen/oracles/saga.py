"""saga: every one ends once, in the end that was planned for it, and took its steps in their order.

A saga is one message on its way through relays. Its path follows from the seed: from the queue that its
publisher reaches, by the way that each relay sends it, to a queue that no relay serves, its end. So undoing
what was done, backwards, is a path as any other, and an end that was not planned is an end too many.

A step that was taken twice is legal where its delivery is flagged, or where somebody up the path is on record
as having published the message again (a relay that died between the broker's confirm and its own ack has to).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from loadgen import plan, roster
from loadgen.collect import Totals
from loadgen.evidence import Evidence, holds, members
from loadgen.expectation import Expectation
from loadgen.ledger import Event, Kind
from loadgen.spec import LoadSpec, RelayRole

#: Evidence that the workers are to write down for this oracle.
NEEDS = frozenset({"arrivals"})
#: No path is longer: relays in a circle are refused before a run (`loadgen.resolve`).
_LONGEST = 1000

Saga = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Path:
    """The queues of a saga in their order, the last its end, and the choices on the way that had a choice."""

    queues: tuple[str, ...]
    choices: tuple[str, ...]

    @property
    def name(self) -> str:
        return ", ".join(self.choices) or "only way"


class Paths:
    """The planned path of each saga."""

    def __init__(self, spec: LoadSpec) -> None:
        self._relays = {role.queue: (role, _ways(role, spec.seed)) for role in spec.relays}
        self._starts = {
            index: (plan.classes([each.share for each in role.classes], spec.seed), role)
            for index, role in enumerate(roster.each_publisher(spec))
        }

    def of(self, publisher: int, seq: int) -> Path:
        """Raises IndexError for a publisher that the run does not have."""
        chooser, role = self._starts[publisher]
        at = role.reached_by(role.classes[chooser.of(publisher, seq)])[0]
        queues, choices = [at], []
        while at in self._relays and len(queues) < _LONGEST:
            relay, ways = self._relays[at]
            way = ways.of(publisher, seq)
            outcome = relay.given_up if way >= len(relay.outcomes) else relay.outcomes[way]
            if outcome is None or not outcome.destinations:
                break
            if len(relay.outcomes) > 1:
                choices.append(outcome.name)
            at = outcome.destinations[0]
            queues.append(at)
        return Path(tuple(queues), tuple(choices))


def _ways(role: RelayRole, seed: int) -> plan.Ways:
    shares = [each.share for each in role.outcomes]
    return plan.Ways(shares, role.failures, tries=role.tries, seed=seed, salt=plan.salt_of(role.name))


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``one_end``: sagas by planned path, and those in another end, in two or in none. ``steps``: whether
    each step was taken, after the one before, and no other. ``repeats``: steps taken again, and why."""
    del expected, totals
    paths, returned = Paths(spec), evidence.returned()
    sagas = {
        (publisher, seq): paths.of(publisher, seq)
        for publisher, bits in evidence.confirmed.items()
        for seq in members(bits & ~returned.get(publisher, 0))
    }
    arrivals = _arrivals(evidence)
    return {
        "one_end": _ends(spec, evidence, sagas),
        "steps": _steps(sagas, arrivals),
        "repeats": _repeats(evidence, arrivals),
    }


def _ends(spec: LoadSpec, evidence: Evidence, sagas: Mapping[Saga, Path]) -> Mapping[str, Any]:
    names = [role.queue for role in spec.consumers]
    reached = {(queue, key[0]): evidence.final(queue, key[0]) for queue in names for key in sagas}
    counts = {"in_no_end": 0, "in_two_ends": 0, "in_another_end": 0}
    by_path: dict[str, int] = {path.name: 0 for path in sagas.values()}
    for (publisher, seq), path in sagas.items():
        ends = [queue for queue in names if reached[queue, publisher] >> seq & 1]
        if ends == [path.queues[-1]]:
            by_path[path.name] += 1
        elif not ends:
            counts["in_no_end"] += 1
        else:
            counts["in_two_ends" if len(ends) > 1 else "in_another_end"] += 1
    wrong = sum(counts.values())
    why = f"{wrong} of {len(sagas)} sagas did not end once and as planned"
    return {
        "passed": wrong == 0,
        **({"why": why} if wrong else {}),
        "sagas": len(sagas),
        **counts,
        "as_planned": dict(sorted(by_path.items())),
    }


@dataclass(slots=True)
class _Seen:
    """When a saga came to each queue, first; and every time that it came again, flagged or not."""

    first: dict[str, int] = field(default_factory=dict)
    again: list[bool] = field(default_factory=list)


def _arrivals(evidence: Evidence) -> Mapping[Saga, _Seen]:
    found: dict[Saga, _Seen] = {}
    for queue, event in _in_order(evidence):
        seen = found.setdefault((event.publisher, event.seq), _Seen())
        if queue in seen.first:
            seen.again.append(bool(event.aux2))
        else:
            seen.first[queue] = event.at_ns
    return found


def _in_order(evidence: Evidence) -> Iterator[tuple[str, Event]]:
    yield from sorted(evidence.events(Kind.ARRIVED), key=lambda each: each[1].at_ns)


def _steps(sagas: Mapping[Saga, Path], arrivals: Mapping[Saga, _Seen]) -> Mapping[str, Any]:
    counts = {"taken": 0, "left_out": 0, "not_planned": 0, "out_of_order": 0}
    for key, path in sagas.items():
        first = arrivals[key].first if key in arrivals else {}
        times = [first[queue] for queue in path.queues if queue in first]
        counts["taken"] += len(times)
        counts["left_out"] += len(path.queues) - len(times)
        counts["not_planned"] += len(set(first) - set(path.queues))
        counts["out_of_order"] += sum(later < earlier for earlier, later in pairwise(times))
    wrong = counts["left_out"] + counts["not_planned"] + counts["out_of_order"]
    why = f"{wrong} steps were left out, not planned or out of order"
    return {"passed": wrong == 0, **({"why": why} if wrong else {}), **counts}


def _repeats(evidence: Evidence, arrivals: Mapping[Saga, _Seen]) -> Mapping[str, Any]:
    """A step taken again needs a flag, or somebody who published the message again."""
    marked = evidence.marked(Kind.REPUBLISHED, Kind.RELAYED_AGAIN)
    counts = {"redelivered": 0, "published_again": 0, "unexplained": 0}
    for (publisher, seq), seen in arrivals.items():
        for flagged in seen.again:
            again = holds(marked.get(publisher), seq)
            counts["redelivered" if flagged else "published_again" if again else "unexplained"] += 1
    wrong = counts["unexplained"]
    why = f"{wrong} steps were taken again though nothing was delivered or published again"
    return {"passed": wrong == 0, **({"why": why} if wrong else {}), **counts}
