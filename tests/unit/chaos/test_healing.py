from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chaos.engine import Order, Target, heal, inject
from chaos.healing import STEADY_S
from warren.errors import BadInputError, NotReadyError
from warren.results import iso
from warren.runtime.protocol import NodeState

FAULTS = ("kill", "pause", "stop")


def strike(ground: Any, fault: str = "kill", node: str = "rmq2", *, majority_loss: bool = False) -> None:
    inject(ground.context(), Order(fault=fault, target=Target(node=node), majority_loss=majority_loss))


def test_healing_a_sound_cluster_changes_nothing_and_asks_the_gate(ground: Any) -> None:
    report = heal(ground.context())
    assert (report.healed, report.found) == ((), ())
    assert ground.runtime.calls == []
    assert ground.gate.asked == 1
    assert not ground.journal.path.exists()


def test_time_of_healing_is_that_of_the_act_and_wholeness_has_its_own(ground: Any) -> None:
    strike(ground)
    begun_s = ground.time.seconds
    ground.runtime.on("start", lambda: ground.time.sleep(2), moment="after")
    ground.runtime.on("states", lambda: ground.time.sleep(1), times=None)
    healed_at = []
    ground.runtime.on("process_id", lambda: healed_at.append(ground.time.wall()))
    report = heal(ground.context())
    (fault,) = report.healed
    assert fault.healed_at == iso(healed_at[0])
    assert report.whole_after_s == pytest.approx(ground.time.seconds - begun_s)
    assert fault.evidence["whole_after_s"] == report.whole_after_s


@pytest.mark.parametrize("fault", FAULTS)
def test_second_heal_does_nothing(ground: Any, fault: str) -> None:
    strike(ground, fault)
    heal(ground.context())
    calls = list(ground.runtime.calls)
    report = heal(ground.context())
    assert (report.healed, report.found) == ((), ())
    assert ground.runtime.calls == calls


@pytest.mark.parametrize("fault", FAULTS)
def test_deleted_journal_is_made_up_for_by_what_can_be_seen(ground: Any, fault: str) -> None:
    strike(ground, fault)
    ground.journal.path.unlink()
    report = heal(ground.context())
    assert report.healed == ()
    assert [each.target for each in report.found] == ["rmq2"]
    assert ground.states() == ["running"] * 3
    assert ground.journal.open_faults() == ()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("keep", range(0, 900, 37))
def test_journal_truncated_anywhere_still_heals(ground: Any, fault: str, keep: int) -> None:
    strike(ground, fault)
    whole = ground.journal.path.read_bytes()
    ground.journal.path.write_bytes(whole[:keep])
    heal(ground.context())
    assert ground.states() == ["running"] * 3
    assert ground.journal.open_faults() == ()


def test_damaged_lines_are_told(ground: Any) -> None:
    strike(ground)
    with ground.journal.path.open("ab") as handle:
        handle.write(b'{"torn')
    heal(ground.context())
    assert any("cannot be read and was skipped" in line for line in ground.said)


def test_faults_are_healed_in_the_reverse_order_of_their_injection(
    make_ground: Callable[..., Any],
) -> None:
    ground = make_ground(5)
    strike(ground, "kill", "rmq4")
    strike(ground, "pause", "rmq2")
    report = heal(ground.context())
    assert [each.target for each in report.healed] == ["rmq2", "rmq4"]


def test_only_the_named_node_is_healed(ground: Any) -> None:
    strike(ground, "kill", "rmq2")
    strike(ground, "pause", "rmq3", majority_loss=True)
    report = heal(ground.context(), "rmq2")
    assert ground.states() == ["running", "running", "paused"]
    assert report.still_down == ("rmq3",)
    assert (report.whole_after_s, ground.gate.asked) == (None, 0)
    assert [each.target for each in ground.journal.open_faults()] == ["rmq3"]


def test_unknown_node_is_refused(ground: Any) -> None:
    with pytest.raises(BadInputError, match="rmq9"):
        heal(ground.context(), "rmq9")


@pytest.mark.parametrize("state", [NodeState.STOPPED, NodeState.ABSENT])
def test_cluster_that_is_down_is_not_a_fault(ground: Any, state: NodeState) -> None:
    for node in ground.runtime.nodes:
        ground.runtime.put(node, state)
    with pytest.raises(NotReadyError, match="cluster is down") as caught:
        heal(ground.context())
    assert "make cluster-up" in caught.value.remedy
    assert ground.runtime.calls == []


def test_cluster_taken_down_over_an_open_fault_is_left_down(ground: Any) -> None:
    strike(ground)
    for node in ground.runtime.nodes:
        ground.runtime.put(node, NodeState.ABSENT)
    with pytest.raises(NotReadyError, match="cluster is down"):
        heal(ground.context())
    for node in ground.runtime.nodes:
        ground.runtime.put(node, NodeState.RUNNING)
    heal(ground.context())
    assert ground.journal.open_faults() == ()


def test_cluster_that_chaos_took_down_wholly_is_healed(ground: Any) -> None:
    for node in ground.runtime.nodes:
        strike(ground, "kill", node, majority_loss=True)
    heal(ground.context())
    assert ground.states() == ["running"] * 3


def test_engine_that_is_gone_for_a_while_is_waited_for(ground: Any) -> None:
    strike(ground)
    ground.runtime.fail("start", times=5)
    heal(ground.context())
    assert ground.states() == ["running"] * 3
    assert any("cannot be healed yet" in line for line in ground.said)


def test_engine_that_is_gone_for_good_leaves_the_fault_open(ground: Any) -> None:
    strike(ground)
    ground.runtime.fail("start", what="Cannot connect to the Docker daemon", times=None)
    with pytest.raises(NotReadyError, match="Docker daemon"):
        heal(ground.context())
    assert [each.target for each in ground.journal.open_faults()] == ["rmq2"]


def test_target_that_is_gone_does_not_keep_the_others_from_being_healed(ground: Any) -> None:
    strike(ground, "kill", "rmq2")
    strike(ground, "pause", "rmq3", majority_loss=True)
    ground.runtime.put("rmq2", NodeState.ABSENT)
    with pytest.raises(NotReadyError, match="no such container") as caught:
        heal(ground.context())
    assert "cluster-up" in caught.value.remedy
    assert ground.states() == ["running", "absent", "running"]
    assert [each.target for each in ground.journal.open_faults()] == ["rmq2"]


def test_fault_of_an_unknown_kind_is_named_and_does_not_stop_the_rest(ground: Any) -> None:
    strike(ground, "pause", "rmq3")
    with ground.journal.path.open("ab") as handle:
        handle.write(
            b'{"fault_id": "flood-1", "name": "flood", "target": "rmq1", "phase": "injecting", '
            b'"at": "2026-01-02T03:04:05Z"}\n'
        )
    with pytest.raises(BadInputError, match="flood"):
        heal(ground.context())
    assert ground.states() == ["running"] * 3


def test_journal_that_cannot_be_written_does_not_stop_the_healing(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    strike(ground)

    def full(*given: object, **named: object) -> None:
        raise NotReadyError("journal.jsonl", "No space left on device")

    monkeypatch.setattr(type(ground.journal), "append", full)
    heal(ground.context())
    assert ground.states() == ["running"] * 3
    assert any("No space left" in line for line in ground.said)


@pytest.mark.parametrize(("fault", "steady_s"), [("pause", STEADY_S), ("kill", 0.0), ("stop", 0.0)])
def test_after_silence_the_cluster_must_stay_whole_for_a_while(
    ground: Any, fault: str, steady_s: float
) -> None:
    strike(ground, fault)
    heal(ground.context())
    assert ground.gate.steady_s == steady_s


def test_leaders_are_spread_again_once_the_cluster_is_whole(ground: Any) -> None:
    """A failover gathers them on the nodes that stayed, and would leave `cluster verify` with a fault."""
    strike(ground)
    heal(ground.context())
    assert ground.spread_after == [1]


def test_leaders_stay_where_they_are_while_another_node_is_down_or_nothing_was_broken(ground: Any) -> None:
    heal(ground.context())
    strike(ground)
    strike(ground, "stop", "rmq3", majority_loss=True)
    heal(ground.context(), "rmq2")
    assert ground.spread_after == []


def test_leaders_that_cannot_be_spread_are_told_and_the_fault_is_healed(ground: Any) -> None:
    ground.spread_trouble = NotReadyError("queue leaders", "5, 7, 3")
    strike(ground)
    heal(ground.context())
    assert "queue leaders: 5, 7, 3" in ground.said
    assert ground.journal.open_faults() == ()


def test_fault_that_cannot_be_looked_for_keeps_no_other_from_being_healed(ground: Any) -> None:
    """Seen on a node whose network had been taken away and given back under another name."""
    inject(ground.context(), Order(fault="kill", target=Target(node="rmq2")))
    inject(ground.context(), Order(fault="disk-alarm", target=Target(node="rmq1")))
    lost = ground.journal.path.rename(ground.journal.path.with_name("lost"))
    ground.runtime.fail("in_network", what="Cannot find device", times=None)
    with pytest.raises(NotReadyError, match="Cannot find device"):
        heal(ground.context())
    assert ground.states() == ["running"] * 3
    assert ground.runtime.machine("rmq1")["alarms"] == []
    assert ground.journal.open_faults() == ()
    lost.rename(ground.journal.path)
    with pytest.raises(NotReadyError, match="Cannot find device"):
        heal(ground.context())
    assert ground.journal.open_faults() == (), "what was healed is closed"
