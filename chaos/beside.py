"""Several game days played as one: the same faults at the same times, under a load of each at once.

Their faults are the same but for whom they mean: where each strikes the leader of its own load's queue, those
queues are first led by one node, which is struck; where each names a queue or an account of its own, and the
fault takes several, all of them are struck. What differs otherwise is not played together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chaos import fault as catalogue
from chaos.context import ChaosContext
from chaos.experiment import Experiment, Step
from chaos.side import Side
from chaos.target import resolve
from loadgen import child
from warren.errors import BadInputError, NotReadyError, WarrenError
from warren.topology import Topology
from warren.wait import until

#: After a transfer, until the broker's list shows the new leader.
_LED_S = 15.0


def method(experiments: Sequence[Experiment]) -> tuple[Step, ...]:
    """The steps of all ``experiments`` as one method, which is that of the first.

    Raises BadInputError where they do not break the same things at the same times.
    """
    first, *others = experiments
    steps = list(first.method)
    for other in others:
        _refuse_unlike(first, other)
        steps = [_both(other, mine, its) for mine, its in zip(steps, other.method, strict=True)]
    return tuple(steps)


def refuse_clash(experiments: Sequence[Experiment], topology: Topology) -> None:
    """Raise BadInputError where the loads of ``experiments`` would take each other's messages."""
    wishes = [
        child.Wish(profile=each.load.profile, settings=each.load.settings, beside=True)
        for each in experiments
    ]
    child.refuse_clash(wishes, topology)


def _refuse_unlike(first: Experiment, other: Experiment) -> None:
    where = f"{other.name} beside {first.name}"
    if len(first.method) != len(other.method):
        what = f"has {len(other.method)} steps, and {first.name} has {len(first.method)}"
        raise BadInputError(where, what, "play together only what breaks the same things")
    if first.monkey != other.monkey or first.rollbacks != other.rollbacks:
        raise BadInputError(where, "has another monkey, or other rollbacks", "play it alone")


def _both(other: Experiment, mine: Step, its: Step) -> Step:
    """``mine`` for the load of ``other`` too, whose step is ``its``."""
    where = f"{other.name}: step '{its.name}'"
    if replace(its, target=mine.target, args=mine.args, name=mine.name) != mine:
        raise BadInputError(where, f"is not like '{mine.name}'", "it must do the same at the same time")
    if its.target != mine.target and None in (its.target.leader_of, mine.target.leader_of):
        what = f"strikes others than '{mine.name}' does"
        raise BadInputError(where, what, "let both strike the leader of a queue, or the same")
    return mine if its.args == mine.args else replace(mine, args=_joined(where, mine, its))


def _joined(where: str, mine: Step, its: Step) -> Mapping[str, str]:
    """The settings of both; a name that differs must be one of those that may be several."""
    parameters = catalogue.load(mine.fault).parameters
    found = dict(mine.args)
    for key in sorted({*mine.args, *its.args}):
        if mine.args.get(key) == its.args.get(key):
            continue
        parameter = parameters[key]
        if not parameter.many or key not in mine.args or key not in its.args:
            raise BadInputError(where, f"has another {key}, and {mine.fault} takes one", "play them apart")
        found[key] = ",".join((*parameter.names(mine.args[key]), *parameter.names(its.args[key])))
    return found


def gather(context: ChaosContext, sides: Sequence[Side]) -> None:
    """Let the queues whose leaders the sides' steps strike be led by one node each: that of the first side's.

    Where that does not come about the side is told to be a bystander when it is struck, and no error raised.
    """
    first, *others = sides
    for place, mine in enumerate(first.experiment.method):
        for side in others:
            its = side.experiment.method[place]
            if its.target == mine.target or its.target.leader_of is None:
                continue
            try:
                (here,), (there,) = resolve(context, mine.target), resolve(context, its.target)
                if here.node != there.node and there.queue is not None:
                    _lead(context, *there.queue, here.node)
                    context.say(f"{there.queue[1]} is led by {here.node} now, as {mine.target.leader_of} is")
            except WarrenError as error:
                context.say(f"{error.where}: {error.what}")


def _lead(context: ChaosContext, vhost: str, queue: str, node: str) -> None:
    context.broker.lead(vhost, queue, node)

    def led() -> None:
        now = context.broker.queue_leader(vhost, queue)
        if now != node:
            raise NotReadyError(f"queue {queue} in {vhost}", f"is led by {now}, not by {node}")

    until(led, what=f"{node} to lead {queue}", deadline_s=_LED_S, every_s=0.2, clock=context.clock)


def leaders(context: ChaosContext, sides: Sequence[Side], place: int) -> dict[str, str]:
    """By run, the node that leads the queue whose leader the side's step at ``place`` strikes, as it is now:
    of those that are not the first, and whose queue is another than the first's."""
    first, *others = sides
    found = {}
    for side in others:
        target = side.experiment.method[place].target
        if target.leader_of is None or target == first.experiment.method[place].target:
            continue
        try:
            found[side.run_id] = resolve(context, target)[0].node
        except WarrenError:
            found[side.run_id] = "nobody that could be asked"
    return found
