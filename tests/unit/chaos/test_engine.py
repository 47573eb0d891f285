from __future__ import annotations

from typing import Any

import pytest

from chaos.engine import Order, Target, heal, inject, inject_for, status
from warren.errors import BadInputError, InconclusiveError, NotReadyError, RefusedError
from warren.journal import Phase
from warren.runtime.protocol import NodeState

QUEUE = "orders.work"
FAULTS = ("kill", "pause", "stop")


def order(fault: str = "kill", node: str = "rmq2", **more: Any) -> Order:
    return Order(fault=fault, target=Target(node=node), **more)


def phases(ground: Any) -> list[str]:
    lines = ground.journal.path.read_text(encoding="utf-8").splitlines()
    return [line.split('"phase": "')[1].split('"')[0] for line in lines]


@pytest.mark.parametrize("fault", FAULTS)
def test_journal_is_written_before_the_act(ground: Any, fault: str) -> None:
    seen: list[tuple[str, str]] = []

    def look() -> None:
        (entry,) = ground.journal.open_faults()
        seen.append((entry.phase.value, entry.target))

    ground.runtime.on(fault, look)
    inject(ground.context(), order(fault))
    assert seen == [("injecting", "rmq2")]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_stays_until_it_is_healed(ground: Any, fault: str) -> None:
    (injected,) = inject(ground.context(), order(fault, run_id="run-1", seed=3))
    assert injected.is_proven
    assert (injected.run_id, injected.seed) == ("run-1", 3)
    assert ground.states()[1] != "running"
    report = heal(ground.context())
    assert [each.fault_id for each in report.healed] == [injected.fault_id]
    assert ground.states() == ["running"] * 3
    assert ground.journal.open_faults() == ()
    assert phases(ground) == ["injecting", "injected", "healing", "healed"]


def test_evidence_tells_the_process_before_and_after(ground: Any) -> None:
    (injected,) = inject(ground.context(), order())
    assert injected.evidence["process_id"] == 1001
    assert injected.evidence["process_id_after"] is None
    (healed,) = heal(ground.context()).healed
    assert healed.evidence["process_id_healed"] not in (None, 1001)


def test_result_carries_times_of_the_acts_not_of_the_lines(ground: Any) -> None:
    ground.runtime.on("kill", lambda: ground.time.sleep(2), moment="after")
    ground.runtime.on("process_id", lambda: ground.time.sleep(5), moment="before", times=None)
    (injected,) = inject(ground.context(), order())
    assert injected.begun_at == "2026-01-02T03:05:50.000Z"
    assert injected.injected_at == "2026-01-02T03:05:52.000Z"


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_that_does_not_bite_is_undone_and_inconclusive(ground: Any, fault: str) -> None:
    ground.runtime.ignored_steps = {fault}
    with pytest.raises(InconclusiveError, match="did not bite") as caught:
        inject(ground.context(), order(fault))
    assert caught.value.exit_code == 4
    assert ground.states() == ["running"] * 3
    assert ground.journal.open_faults() == ()


def test_node_that_restarts_itself_still_proves_the_kill(ground: Any) -> None:
    ground.runtime.restarts_itself = True
    (injected,) = inject(ground.context(), order())
    assert injected.evidence["state"] == "running"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_act_that_failed_is_undone_whether_or_not_it_happened(ground: Any, fault: str, moment: str) -> None:
    ground.runtime.fail(fault, moment=moment)
    with pytest.raises(NotReadyError, match="does not answer"):
        inject(ground.context(), order(fault))
    assert ground.states() == ["running"] * 3
    assert ground.journal.open_faults() == ()
    assert "failed" in phases(ground)


def test_undoing_that_fails_too_leaves_the_fault_open_and_says_how_to_heal(ground: Any) -> None:
    ground.runtime.fail("kill", moment="after")
    ground.runtime.fail("start", times=None)
    with pytest.raises(NotReadyError, match="does not answer"):
        inject(ground.context(), order())
    assert len(ground.journal.open_faults()) == 1
    assert any("chaos-heal" in line for line in ground.said)
    ground.runtime.scripts.clear()
    heal(ground.context())
    assert ground.states() == ["running"] * 3


def test_nothing_is_done_when_the_journal_cannot_be_written(ground: Any) -> None:
    ground.journal.path.mkdir()
    with pytest.raises(NotReadyError):
        inject(ground.context(), order())
    assert ground.runtime.calls == []


def test_engine_that_is_gone_is_not_ready_and_nothing_is_journaled(ground: Any) -> None:
    ground.runtime.fail("states", what="Cannot connect to the Docker daemon", times=None)
    with pytest.raises(NotReadyError, match="Docker daemon"):
        inject(ground.context(), order())
    assert ground.journal.read().faults == ()


def test_leader_is_resolved_at_injection_and_read_again_after(ground: Any) -> None:
    ground.broker.leader = "rmq3"
    target = Target(leader_of=QUEUE)
    (injected,) = inject(ground.context(), Order(fault="kill", target=target))
    assert injected.target == "rmq3"
    assert injected.evidence["chosen_as"] == f"leader of {QUEUE} in /orders"
    assert injected.evidence["leader_after"] == "rmq1"
    assert ground.broker.asked[0] is None
    assert "rmq3" not in ground.broker.asked, "the node that was struck is not asked"
    assert ground.journal.open_faults()[0].evidence == injected.evidence


def test_leader_that_does_not_move_is_a_finding_and_not_an_error(ground: Any) -> None:
    ground.broker.moves = False
    (injected,) = inject(ground.context(), Order(fault="pause", target=Target(leader_of=QUEUE)))
    assert injected.evidence["leader_after"] is None
    assert "still led by rmq2" in injected.evidence["leader_after_reason"]


def test_management_api_is_not_asked_while_a_node_is_frozen(ground: Any) -> None:
    inject(ground.context(), Order(fault="pause", target=Target(leader_of=QUEUE)))
    assert ground.broker.tools == ["rmq1"]


def test_leader_that_restarted_itself_is_not_asked_who_leads(ground: Any) -> None:
    ground.broker.leader, ground.runtime.restarts_itself = "rmq1", True
    inject(ground.context(), Order(fault="kill", target=Target(leader_of=QUEUE)))
    assert set(ground.broker.asked[1:]) == {"rmq2"}


def test_leader_with_nobody_left_to_follow_is_a_finding(ground: Any) -> None:
    for node in ("rmq1", "rmq3"):
        inject(ground.context(), order("kill", node, majority_loss=True))
    target = Target(leader_of=QUEUE)
    (injected,) = inject(ground.context(), Order(fault="kill", target=target, majority_loss=True))
    assert injected.evidence["leader_after_reason"] == "no other node runs"


def test_interrupt_after_the_proof_leaves_the_fault_and_says_so(ground: Any) -> None:
    context = ground.context()

    def interrupted(duration_s: float) -> None:
        raise KeyboardInterrupt

    object.__setattr__(context, "clock", type(context.clock)(now=ground.time.now, sleep=interrupted))
    ground.broker.moves = False
    with pytest.raises(KeyboardInterrupt):
        inject(context, Order(fault="kill", target=Target(leader_of=QUEUE)))
    assert ground.states()[1] == "stopped"
    assert "stays until: make chaos-heal" in ground.said[-1]


def test_vhost_says_which_queue_is_meant(ground: Any) -> None:
    target = Target(leader_of=QUEUE, vhost="/orders")
    assert inject(ground.context(), Order(fault="kill", target=target))[0].target == "rmq2"


@pytest.mark.parametrize("fault", FAULTS)
def test_held_fault_lasts_as_long_as_asked_and_is_healed(ground: Any, fault: str) -> None:
    begun_s = ground.time.seconds
    report = inject_for(ground.context(), order(fault), hold_s=20)
    assert 20 <= ground.time.seconds - begun_s < 22
    assert [each.target for each in report.healed] == ["rmq2"]
    assert ground.states() == ["running"] * 3
    (record,) = ground.journal.faults_between(ground.time.wall(), ground.time.wall())
    assert record.healed_at is not None
    assert record.healed_at > record.injected_at


def test_hold_ends_when_another_command_heals(ground: Any) -> None:
    begun_s = ground.time.seconds
    context = ground.context()
    looks = [0]

    def heal_at_the_third_look() -> None:
        looks[0] += 1
        if looks[0] == 3:
            heal(ground.context())

    original = ground.time.sleep

    def sleep(duration_s: float) -> None:
        original(duration_s)
        heal_at_the_third_look()

    object.__setattr__(context, "clock", type(context.clock)(now=ground.time.now, sleep=sleep))
    report = inject_for(context, order(), hold_s=600)
    assert ground.time.seconds - begun_s < 10
    assert report.healed == ()
    assert any("another command healed it" in line for line in ground.said)


def test_held_fault_is_healed_from_memory_when_the_journal_vanishes(ground: Any) -> None:
    ground.runtime.on("process_id", ground.journal.path.unlink, moment="before", times=0)
    context = ground.context()

    def sleep(duration_s: float) -> None:
        ground.time.sleep(duration_s)
        ground.journal.path.unlink(missing_ok=True)

    object.__setattr__(context, "clock", type(context.clock)(now=ground.time.now, sleep=sleep))
    inject_for(context, order(), hold_s=3)
    assert ground.states() == ["running"] * 3


def test_no_time_is_no_hold(ground: Any) -> None:
    with pytest.raises(BadInputError, match="no time"):
        inject_for(ground.context(), order(), hold_s=0)
    assert ground.runtime.calls == []


def test_refused_hold_heals_nothing_and_asks_no_gate(ground: Any) -> None:
    ground.runtime.put("rmq1", NodeState.STOPPED)
    with pytest.raises(RefusedError):
        inject_for(ground.context(), order(), hold_s=5)
    assert ground.gate.asked == 0
    assert ground.states()[0] == "stopped", "somebody else's fault is left alone"


def test_fault_whose_cluster_does_not_become_whole_stays_open(ground: Any) -> None:
    inject(ground.context(), order())
    ground.gate.problem = NotReadyError("queue orders.work", "has 2 of 3 members online")
    with pytest.raises(NotReadyError, match="2 of 3 members"):
        heal(ground.context())
    (entry,) = ground.journal.open_faults()
    assert entry.phase is Phase.FAILED
    assert "2 of 3 members" in str(entry.error)
    ground.gate.problem = None
    heal(ground.context())
    assert ground.journal.open_faults() == ()


def test_status_shows_states_and_open_faults(ground: Any) -> None:
    assert status(ground.context()).is_quiet
    inject(ground.context(), order("pause"))
    ground.runtime.put("rmq3", NodeState.STOPPED)
    found = status(ground.context())
    assert not found.is_quiet
    assert [each.target for each in found.open] == ["rmq2"]
    assert found.over == ()
    assert found.unexplained == {"rmq3": NodeState.STOPPED}
    ground.runtime.put("rmq2", NodeState.RUNNING)
    assert [each.target for each in status(ground.context()).over] == ["rmq2"]


@pytest.mark.parametrize("fault", ["partition", "latency", "detach", "cpu"])
def test_node_that_runs_on_under_its_fault_is_not_over_it(ground: Any, fault: str) -> None:
    inject(ground.context(), Order(fault=fault, target=Target(node="rmq2")))
    found = status(ground.context())
    assert [each.name for each in found.open] == [fault]
    assert found.over == ()


def test_queue_of_a_running_profile_may_be_aimed_at_by_its_own_vhost(ground: Any) -> None:
    target = Target(leader_of="warren.stream.log", vhost="/warren.stream")
    (injected,) = inject(ground.context(), Order(fault="kill", target=target))
    assert injected.target == "rmq2"
    assert ground.states() == ["running", "stopped", "running"]


def test_queue_of_a_running_profile_may_be_named_in_one_word(ground: Any) -> None:
    target = Target(leader_of="/warren.stream:warren.stream.log")
    assert inject(ground.context(), Order(fault="kill", target=target))[0].target == "rmq2"
    assert "warren.stream.log in /warren.stream" in str(ground.journal.open_faults()[0].evidence)


def test_profiles_queue_without_its_vhost_is_told_where_to_look(ground: Any) -> None:
    with pytest.raises(BadInputError, match="named after the profile") as caught:
        inject(ground.context(), Order(fault="kill", target=Target(leader_of="warren.stream.log")))
    assert "/warren.PROFILE:warren.stream.log" in str(caught.value)


@pytest.mark.parametrize("queue", ['q">>), halt().', "a b", ""])
def test_name_that_no_profile_could_have_is_refused_before_the_broker_is_asked(
    ground: Any, queue: str
) -> None:
    with pytest.raises(BadInputError):
        inject(
            ground.context(),
            Order(fault="kill", target=Target(leader_of=queue, vhost='/warren.stream">>')),
        )
    assert ground.broker.asked == []
