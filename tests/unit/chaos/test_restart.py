"""The rolling restart: a long act in steps, which may end or die at each of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from chaos.engine import Order, Target, heal, inject, inject_for
from chaos.fault import CLUSTER
from chaos.halt import write_lock
from warren.errors import BadInputError, InconclusiveError, NotReadyError, RefusedError
from warren.runtime.protocol import NodeState

from .test_driver_dies import assert_whole, die, forked, heal_after, in_child, until_healed

DRAINS = ("yes", "no")
#: Each of the steps that act, on each node in turn.
ACTS = [(step, node) for step in ("execute", "stop", "start") for node in ("rmq1", "rmq2", "rmq3")]


def order(drain: str = "yes") -> Order:
    return Order(fault="restart", target=Target(), args={"drain": drain})


@pytest.fixture
def stored(make_ground: Any) -> Any:
    return make_ground(store=True)


@pytest.mark.parametrize("drain", DRAINS)
def test_every_node_is_another_process_and_nothing_stays_broken(ground: Any, drain: str) -> None:
    before = {node: ground.runtime.process_id(node) for node in ground.runtime.nodes}
    ground.runtime.on("start", lambda: ground.time.sleep(6), times=None)
    (fault,) = inject(ground.context(), order(drain))
    assert not fault.is_open
    assert fault.target == CLUSTER
    after = fault.evidence["processes_after"]
    assert all(after[node] != before[node] for node in before)
    assert_whole(ground)
    assert fault.injected_at < fault.healed_at


@pytest.mark.parametrize("drain", DRAINS)
def test_one_node_at_a_time_is_down_and_the_next_waits_until_all_is_whole(ground: Any, drain: str) -> None:
    seen: list[tuple[list[str], int]] = []
    ground.runtime.on(
        "stop", lambda: seen.append((ground.states(), ground.gate.asked)), moment="after", times=None
    )
    inject(ground.context(), order(drain))
    assert [states.count("stopped") for states, _ in seen] == [1, 1, 1]
    assert [asked for _, asked in seen] == [0, 1, 2]


def test_node_is_drained_before_it_is_stopped_once_it_can_be_spared(ground: Any) -> None:
    drained: list[bool] = []
    for node in ground.runtime.nodes:
        ground.runtime.on("stop", lambda: drained.append(is_drained(ground)), node=node)
    inject(ground.context(), order("yes"))
    assert drained == [True] * 3


def is_drained(ground: Any) -> bool:
    return any(ground.runtime.machine(node)["drained"] for node in ground.runtime.nodes)


def test_without_a_drain_no_tool_of_upgrades_is_used(ground: Any) -> None:
    inject(ground.context(), order("no"))
    assert not [call for call in ground.runtime.calls if call[0] == "execute"]


@pytest.mark.parametrize(("step", "node"), ACTS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_step_that_fails_ends_the_restart_and_is_put_back(
    ground: Any, step: str, node: str, moment: str
) -> None:
    ground.runtime.fail(step, node=node, moment=moment)
    with pytest.raises(NotReadyError, match="does not answer"):
        inject(ground.context(), order())
    assert_whole(ground)


@pytest.mark.parametrize(("step", "node"), ACTS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_driver_that_dies_at_a_step_leaves_nothing_that_heal_does_not_find(
    stored: Any, step: str, node: str, moment: str
) -> None:
    stored.runtime.on(step, die, node=node, moment=moment)
    assert os.WIFSIGNALED(in_child(lambda: inject(stored.context(), order())))
    assert len(stored.journal.open_faults()) == 1
    stored.time.sleep(120)
    heal_after(stored)
    assert_whole(stored)


@pytest.mark.parametrize(("step", "node"), ACTS)
def test_driver_that_dies_is_made_up_for_by_the_watchdog(stored: Any, step: str, node: str) -> None:
    stored.runtime.on(step, die, node=node, moment="after")
    context = replace(stored.context(), watch=forked(stored))
    assert os.WIFSIGNALED(in_child(lambda: inject(context, order())))
    stored.runtime.scripts.clear()
    until_healed(stored)
    assert_whole(stored)


@pytest.mark.parametrize(("step", "node"), ACTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_of_a_step_is_held_back_until_it_is_done_and_all_is_put_back(
    stored: Any, step: str, node: str, number: signal.Signals
) -> None:
    stored.runtime.on(step, lambda: signal.raise_signal(number), node=node, moment="after")
    assert os.waitstatus_to_exitcode(in_child(lambda: inject(stored.context(), order()))) == 130
    assert_whole(stored)


def test_interrupt_of_a_wait_is_put_back(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = type(stored.gate).__call__, [0]

    def gate(self: Any, *, deadline_s: float, steady_s: float) -> None:
        asked[0] += 1
        if asked[0] == 1:
            signal.raise_signal(signal.SIGINT)
        real(self, deadline_s=deadline_s, steady_s=steady_s)

    with monkeypatch.context() as patch:
        patch.setattr(type(stored.gate), "__call__", gate)
        assert os.waitstatus_to_exitcode(in_child(lambda: inject(stored.context(), order()))) == 130
    assert_whole(stored)


def test_node_that_may_still_be_stopping_is_waited_for(stored: Any) -> None:
    stored.runtime.on("stop", die, node="rmq2")
    in_child(lambda: inject(stored.context(), order("no")))
    stored.runtime.scripts.clear()
    before_s = stored.time.seconds
    heal(stored.context())
    assert stored.time.seconds - before_s > 60, "its grace is over before the node is taken for sound"
    assert_whole(stored)


def test_restart_that_restarts_nothing_is_inconclusive(ground: Any) -> None:
    ground.runtime.ignored_steps = {"stop"}
    with pytest.raises(InconclusiveError, match="did not bite"):
        inject(ground.context(), order())
    assert_whole(ground)


def test_cluster_that_does_not_become_whole_ends_the_restart(ground: Any) -> None:
    ground.gate.problem = NotReadyError("queue orders.work", "has 2 of 3 members online")
    with pytest.raises(NotReadyError, match="2 of 3"):
        inject(ground.context(), order())
    assert [call for call in ground.runtime.calls if call[0] == "stop"] == [("stop", "rmq1")]
    assert len(ground.journal.open_faults()) == 1, "nobody has seen that the cluster is whole"


def test_restart_ends_when_another_command_heals_it(ground: Any) -> None:
    ground.runtime.on("start", lambda: heal(ground.context()), moment="after", node="rmq1")
    with pytest.raises(InconclusiveError, match="another command"):
        inject(ground.context(), order("no"))
    assert [call for call in ground.runtime.calls if call[0] == "stop"] == [("stop", "rmq1")]
    assert_whole(ground)


def test_lock_is_free_while_the_restart_goes_on(ground: Any) -> None:
    def take() -> None:
        with ground.journal.exclusive(deadline_s=0):
            pass

    ground.runtime.on("stop", take, times=None)
    inject(ground.context(), order())


def test_no_other_node_is_taken_down_meanwhile(ground: Any) -> None:
    refused = []

    def strike() -> None:
        with pytest.raises(RefusedError, match="one node after the other") as caught:
            inject(ground.context(), Order(fault="kill", target=Target(node="rmq3")))
        refused.append(caught.value)

    ground.runtime.on("start", strike, moment="after", node="rmq1")
    inject(ground.context(), order("no"))
    assert refused


@pytest.mark.parametrize("state", [NodeState.STOPPED, NodeState.PAUSED, NodeState.ABSENT])
def test_restart_is_refused_while_a_node_is_down(ground: Any, state: NodeState) -> None:
    ground.runtime.put("rmq2", state)
    with pytest.raises(RefusedError, match="rmq2 is down"):
        inject(ground.context(), order())
    assert ground.journal.read().faults == ()


def test_only_node_is_not_restarted(make_ground: Any) -> None:
    with pytest.raises(RefusedError, match="one node"):
        inject(make_ground(1).context(), order())


def test_restart_is_not_held_and_takes_no_target(ground: Any) -> None:
    with pytest.raises(BadInputError, match="ends by itself"):
        inject_for(ground.context(), order(), hold_s=10)
    with pytest.raises(BadInputError):
        inject(ground.context(), replace(order(), target=Target(node="rmq2")))


def test_restart_is_watched_over(ground: Any) -> None:
    inject(ground.context(), order())
    ((fault_id, _),) = ground.watched
    assert fault_id == ground.journal.read().faults[0].fault_id


@pytest.mark.parametrize("step", ["stop", "start"])
def test_act_that_is_interrupted_is_done_all_the_same(stored: Any, step: str) -> None:
    before = {node: stored.runtime.process_id(node) for node in stored.runtime.nodes}
    done = stored.journal.path.with_name("done")
    stored.runtime.on(step, lambda: signal.raise_signal(signal.SIGINT), node="rmq2")
    stored.runtime.on(step, done.touch, node="rmq2", moment="after")
    assert os.waitstatus_to_exitcode(in_child(lambda: inject(stored.context(), order("no")))) == 130
    assert done.exists()
    assert stored.runtime.process_id("rmq2") != before["rmq2"]
    assert stored.runtime.process_id("rmq3") == before["rmq3"]
    assert_whole(stored)


def test_restart_that_was_halted_while_it_waited_for_its_turn_does_not_begin(ground: Any) -> None:
    @contextmanager
    def watch(fault_id: str, *, within_s: float) -> Iterator[None]:
        write_lock(ground.context())
        yield

    with pytest.raises(RefusedError, match="halted since"):
        inject(replace(ground.context(), watch=watch), order())
    assert ground.journal.read().faults == ()
