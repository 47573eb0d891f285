"""Which step is due when: pure, so that a plan can be printed and a test can play it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos import fault as faults
from chaos.experiment import Experiment, Moment, Monkey, Probe, Step, Tolerance
from chaos.target import Target

#: The monkey breaks nothing before what it broke last is whole again: it is no test of the blast radius.
_WHOLE = Probe(
    name="every queue has its members",
    provider="broker",
    what={"ask": "members_missing"},
    tolerance=Tolerance(values=(0,)),
    when=("during",),
)
_WHOLE_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """When a step was begun (a fault: proven) and when it was healed, seconds after publishing began."""

    injected_s: float | None = None
    healed_s: float | None = None


def due_s(step: Step, done: Mapping[str, Done]) -> float | None:
    """When ``step`` is due, None while what it waits for has not happened."""
    moment = step.moment
    if moment.at_s is not None:
        return moment.at_s + moment.wait_s
    other = done.get(moment.after, Done())
    edge_s = other.healed_s if moment.edge == "healed" else other.injected_s
    return None if edge_s is None else edge_s + moment.wait_s


def steps(experiment: Experiment, nodes: Sequence[str], seed: int) -> tuple[Step, ...]:
    """The method's steps, and those that the monkey draws from ``seed``."""
    return (*experiment.method, *drawn_steps(experiment, nodes, seed))


def drawn_steps(experiment: Experiment, nodes: Sequence[str], seed: int) -> tuple[Step, ...]:
    """Those that its monkey draws; none where it has no monkey."""
    return () if experiment.monkey is None else drawn(experiment.monkey, nodes, seed)


def drawn(monkey: Monkey, nodes: Sequence[str], seed: int) -> tuple[Step, ...]:
    """Faults one after the other until the monkey's time is over: the same seed, the same steps.

    Each begins some time after the one before was healed, so its time depends on what happens; the draw
    assumes that healing takes none, and what is not begun when the time is over is left out.
    """
    draw = random.Random(seed)  # noqa: S311 - it must be repeatable
    found: list[Step] = []
    at_s = monkey.from_s
    while True:
        name = draw.choice(sorted(monkey.faults))
        node = draw.choice(sorted(nodes))
        hold_s = round(draw.uniform(*monkey.hold_s), 1)
        wait_s = round(draw.uniform(*monkey.every_s), 1)
        if at_s + hold_s > monkey.until_s:
            return tuple(found)
        moment = Moment(at_s=monkey.from_s)
        if found:
            moment = Moment(
                after=found[-1].name, edge="healed", wait_s=wait_s, until=_WHOLE, within_s=_WHOLE_S
            )
        found.append(
            Step(
                name=f"{len(found) + 1:03d} {name} {node}",
                moment=moment,
                fault=name,
                target=Target() if faults.load(name).is_wide else Target(node=node),
                args=monkey.faults[name],
                hold_s=hold_s,
            )
        )
        at_s += hold_s + wait_s
