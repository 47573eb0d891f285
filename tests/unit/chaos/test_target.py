from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chaos.engine import Order, Target, heal, inject, inject_for, plan
from warren.errors import BadInputError, InconclusiveError, NotReadyError, RefusedError
from warren.runtime.protocol import NodeState
from warren.wait import Clock

from .test_driver_dies import die, forked, in_child, until_healed

QUEUE = "orders.work"


def struck(ground: Any, fault: str = "cpu", *, seed: int | None = None, **whom: Any) -> list[str]:
    order = Order(fault=fault, target=Target(**whom), seed=seed)
    return [fault.target for fault in inject(ground.context(), order)]


def test_follower_is_drawn_by_the_seed_and_never_the_leader(ground: Any) -> None:
    drawn = {tuple(struck(ground, follower_of=QUEUE, seed=seed)) for seed in range(8) if heal_all(ground)}
    assert drawn == {("rmq1",), ("rmq3",)}
    (fault,) = ground.journal.open_faults()
    assert fault.evidence["chosen_as"] == f"follower of {QUEUE} in /orders"
    assert fault.seed == 7


def heal_all(ground: Any) -> bool:
    heal(ground.context())
    return True


def test_same_seed_draws_the_same_nodes(make_ground: Callable[..., Any]) -> None:
    ground = make_ground(7)
    drawn = []
    for _ in range(2):
        drawn.append(struck(ground, any=True, count=3, seed=42))
        heal(ground.context())
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 3


def test_draw_without_a_seed_journals_the_one_that_repeats_it(make_ground: Callable[..., Any]) -> None:
    ground = make_ground(7)
    first = struck(ground, any=True)
    (fault,) = ground.journal.open_faults()
    assert fault.seed is not None
    heal(ground.context())
    assert struck(ground, any=True, seed=fault.seed) == first


def test_named_node_takes_no_seed(ground: Any) -> None:
    struck(ground, node="rmq2")
    assert ground.journal.open_faults()[0].seed is None


def test_count_alone_means_any(ground: Any) -> None:
    assert len(struck(ground, "disk-alarm", count=2)) == 2


def test_node_that_does_not_run_is_not_drawn(ground: Any) -> None:
    for node in ("rmq1", "rmq3"):
        ground.runtime.put(node, NodeState.STOPPED)
    assert struck(ground, "disk-alarm", any=True, seed=1) == ["rmq2"]


def test_client_is_found_by_what_its_connections_are_called(ground: Any) -> None:
    ground.broker.clients = {"warren-load": ("rmq3",)}
    assert struck(ground, attached_to="warren-load") == ["rmq3"]
    assert "client 'warren-load'" in ground.journal.open_faults()[0].evidence["chosen_as"]


def test_client_that_is_not_connected_is_not_ready(ground: Any) -> None:
    with pytest.raises(NotReadyError, match="no connection's name begins so"):
        struck(ground, attached_to="nobody")
    assert ground.journal.read().faults == ()


def test_where_the_client_went_is_journaled(ground: Any) -> None:
    ground.broker.clients = {"app": ("rmq2",)}
    ground.runtime.on("kill", lambda: ground.broker.clients.update(app=("rmq1",)), moment="after")
    struck(ground, "kill", attached_to="app")
    assert ground.journal.open_faults()[0].evidence["role_after"] == ["rmq1"]


def test_follower_that_was_lost_is_looked_for_again(ground: Any) -> None:
    struck(ground, "kill", follower_of=QUEUE, seed=1)
    (fault,) = ground.journal.open_faults()
    assert fault.target not in fault.evidence["role_after"]


def test_other_roles_are_not_asked_for_while_a_node_is_silent(ground: Any) -> None:
    struck(ground, "pause", follower_of=QUEUE, seed=1)
    (fault,) = ground.journal.open_faults()
    assert fault.evidence["role_after"] is None
    assert "silent" in fault.evidence["role_after_reason"]


def test_role_that_need_not_move_is_not_waited_for(ground: Any) -> None:
    before_s = ground.time.seconds
    struck(ground, "kill-wal", follower_of=QUEUE, seed=1)
    assert ground.time.seconds - before_s < 5


def test_all_nodes_are_struck_in_turn_each_under_its_own_id(ground: Any) -> None:
    assert struck(ground, "disk-alarm", all=True) == ["rmq1", "rmq2", "rmq3"]
    ids = [fault.fault_id for fault in ground.journal.open_faults()]
    assert [each.rpartition(".")[2] for each in ids] == ["1", "2", "3"]
    report = heal(ground.context())
    assert [fault.target for fault in report.healed] == ["rmq3", "rmq2", "rmq1"]


def test_more_than_a_minority_at_once_is_refused(ground: Any) -> None:
    with pytest.raises(RefusedError, match="2 of 3 is more than a minority"):
        struck(ground, "kill", any=True, count=2, seed=1)
    assert ground.states() == ["running"] * 3
    order = Order(fault="kill", target=Target(all=True), majority_loss=True)
    assert len(inject(ground.context(), order)) == 3
    heal(ground.context())
    assert ground.states() == ["running"] * 3


def test_minority_that_is_the_majority_of_a_queue_is_refused(make_ground: Callable[..., Any]) -> None:
    ground = make_ground(5)
    ground.broker.members = {"/orders:narrow": {"rmq1", "rmq2"}}
    drawn = [each.node for each in plan(ground.context(), order_of("cpu", count=2, seed=3)).targets]
    ground.broker.members = {"/orders:narrow": set(drawn)}
    with pytest.raises(RefusedError, match="majority of /orders:narrow"):
        struck(ground, "kill", any=True, count=2, seed=3)
    assert ground.journal.read().faults == ()


def order_of(fault: str, *, seed: int, count: int) -> Order:
    return Order(fault=fault, target=Target(any=True, count=count), seed=seed)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_second_target_that_fails_undoes_the_first(make_ground: Callable[..., Any], moment: str) -> None:
    ground = make_ground(5)

    def lost() -> None:
        raise NotReadyError("fake engine", "the engine does not answer")

    ground.runtime.on("kill", lost, moment=moment, skip=1)
    with pytest.raises(NotReadyError):
        struck(ground, "kill", any=True, count=2, seed=1)
    assert ground.states() == ["running"] * 5
    assert ground.journal.open_faults() == ()
    assert len(ground.journal.read().faults) == 2


def test_second_target_that_is_not_bitten_undoes_the_first(make_ground: Callable[..., Any]) -> None:
    ground = make_ground(5)
    ground.runtime.on("kill", lambda: ground.runtime.ignored_steps.add("kill"), moment="after")
    with pytest.raises(InconclusiveError):
        struck(ground, "kill", any=True, count=2, seed=1)
    assert ground.states() == ["running"] * 5


def test_what_was_done_is_put_back_though_the_journal_takes_no_word_of_it(ground: Any) -> None:
    def lose_the_journal() -> None:
        ground.journal.path.unlink()
        ground.journal.path.mkdir()

    ground.runtime.on("kill", lose_the_journal, moment="after")
    with pytest.raises(NotReadyError):
        struck(ground, "kill", node="rmq2")
    assert ground.states() == ["running"] * 3


def test_several_are_held_and_healed_together(make_ground: Callable[..., Any]) -> None:
    ground = make_ground(5)
    order = Order(fault="pause", target=Target(any=True, count=2), seed=1)
    report = inject_for(ground.context(), order, hold_s=10)
    assert len(report.healed) == 2
    assert ground.states() == ["running"] * 5
    assert len(ground.watched) == 1


def test_watchdog_heals_all_of_an_order_whose_driver_died(make_ground: Callable[..., Any]) -> None:
    ground = make_ground(5, store=True)
    order = Order(fault="pause", target=Target(any=True, count=2), seed=1)

    def sleep(duration_s: float) -> None:
        ground.time.sleep(duration_s)
        if sum(fault.is_proven for fault in ground.journal.open_faults()) == 2:
            die()

    clock = Clock(now=ground.time.now, sleep=sleep)
    context = replace(ground.context(), watch=forked(ground), clock=clock)
    assert os.WIFSIGNALED(in_child(lambda: inject_for(context, order, hold_s=30)))
    until_healed(ground)
    assert ground.states() == ["running"] * 5


def test_one_that_another_command_healed_meanwhile_is_not_healed_again(
    make_ground: Callable[..., Any],
) -> None:
    ground = make_ground(5)
    healed: list[str] = []

    def sleep(duration_s: float) -> None:
        ground.time.sleep(duration_s)
        if not healed:
            healed.append(ground.journal.open_faults()[0].target)
            ground.runtime.unpause(ground.journal.open_faults()[1].target)  # the gate wants all of them
            heal(ground.context(), healed[0])

    order = Order(fault="pause", target=Target(any=True, count=2), seed=1)
    context = replace(ground.context(), clock=Clock(now=ground.time.now, sleep=sleep))
    report = inject_for(context, order, hold_s=10)
    assert len(report.healed) == 1
    assert report.healed[0].target not in healed


@pytest.mark.parametrize(
    "target",
    [
        Target(node="rmq2", any=True),
        Target(leader_of=QUEUE, follower_of=QUEUE),
        Target(any=True, all=True),
        Target(node="rmq2", count=2),
        Target(leader_of=QUEUE, count=2),
        Target(all=True, count=2),
        Target(any=True, vhost="/orders"),
        Target(count=0),
        Target(count=-1),
        Target(any=True, count=4),
        Target(follower_of=QUEUE, count=3),
    ],
)
def test_target_that_is_none_is_refused_whole(ground: Any, target: Target) -> None:
    with pytest.raises(BadInputError):
        inject(ground.context(), Order(fault="cpu", target=target))
    assert ground.runtime.calls == []
    assert ground.journal.read().faults == ()


def test_plan_says_whom_it_would_strike_and_changes_nothing(ground: Any) -> None:
    found = plan(ground.context(), Order(fault="kill", target=Target(leader_of=QUEUE)))
    assert [each.node for each in found.targets] == ["rmq2"]
    assert found.targets[0].facts["process_id"] == 1001
    assert ground.runtime.calls == []
    assert ground.journal.read().faults == ()
    assert not ground.journal.path.exists()


def test_plan_refuses_what_an_injection_would_refuse(ground: Any) -> None:
    ground.runtime.put("rmq1", NodeState.STOPPED)
    with pytest.raises(RefusedError):
        plan(ground.context(), Order(fault="kill", target=Target(node="rmq2")))
    with pytest.raises(BadInputError):
        plan(ground.context(), Order(fault="kill", target=Target(node="rmq9")))
