from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chaos import fault as catalogue
from chaos.engine import Order, Target, heal, inject
from warren.errors import BadInputError, NotReadyError, RefusedError
from warren.runtime.protocol import NodeState

from .conftest import AT_ONCE, STEPS, aimed
from .fake_management import begin_run

FAULTS = ("kill", "pause", "stop")


def order(fault: str, node: str, *, majority_loss: bool = False) -> Order:
    return Order(fault=fault, target=Target(node=node), majority_loss=majority_loss)


def assert_untouched(ground: Any) -> None:
    assert ground.runtime.calls == []
    assert ground.journal.read().faults == ()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("first", [NodeState.STOPPED, NodeState.PAUSED, NodeState.ABSENT])
def test_second_node_of_three_is_refused_whatever_the_first_suffers(
    ground: Any, fault: str, first: NodeState
) -> None:
    ground.runtime.put("rmq1", first)
    with pytest.raises(RefusedError, match="rmq1 is down") as caught:
        inject(ground.context(), order(fault, "rmq2"))
    assert caught.value.exit_code == 2
    assert "--majority-loss" in caught.value.remedy
    assert_untouched(ground)


@pytest.mark.parametrize("fault", FAULTS)
def test_second_node_is_struck_when_majority_loss_is_asked_for(ground: Any, fault: str) -> None:
    ground.runtime.put("rmq1", NodeState.STOPPED)
    inject(ground.context(), order(fault, "rmq2", majority_loss=True))
    assert ground.runtime.states()["rmq2"] is not NodeState.RUNNING


@pytest.mark.parametrize(("count", "bearable"), [(1, 0), (3, 1), (5, 2), (7, 3)])
def test_exactly_a_minority_may_be_down(make_ground: Callable[..., Any], count: int, bearable: int) -> None:
    ground = make_ground(count)
    for place in range(1, bearable + 1):
        inject(ground.context(), order("kill", f"rmq{place}"))
    with pytest.raises(RefusedError):
        inject(ground.context(), order("kill", f"rmq{bearable + 1}"))
    assert ground.states().count("stopped") == bearable


def test_only_node_is_told_as_such(make_ground: Callable[..., Any]) -> None:
    with pytest.raises(RefusedError, match="rmq1: is the only node") as caught:
        inject(make_ground(1).context(), order("kill", "rmq1"))
    assert "heal first" not in caught.value.remedy


def test_fault_that_the_journal_still_has_open_counts_as_down(ground: Any) -> None:
    inject(ground.context(), order("kill", "rmq1"))
    ground.runtime.put("rmq1", NodeState.RUNNING)  # somebody started it; nobody knows whether it is whole
    with pytest.raises(RefusedError, match="under a fault already"):
        inject(ground.context(), order("kill", "rmq2"))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("majority_loss", [False, True])
def test_quorum_critical_node_is_refused_unless_majority_loss_is_asked_for(
    ground: Any, fault: str, majority_loss: bool
) -> None:
    ground.broker.critical = {"rmq2"}
    if majority_loss:
        inject(ground.context(), order(fault, "rmq2", majority_loss=True))
        return
    with pytest.raises(RefusedError, match=r"no majority of queue orders\.work in /orders \(quorum critical"):
        inject(ground.context(), order(fault, "rmq2"))
    assert_untouched(ground)


def test_broker_that_cannot_be_asked_is_no_leave_to_strike(ground: Any) -> None:
    ground.broker.unreachable = True
    with pytest.raises(NotReadyError, match="does not answer"):
        inject(ground.context(), order("kill", "rmq2"))
    assert_untouched(ground)


@pytest.mark.parametrize("majority_loss", [False, True])
@pytest.mark.parametrize("state", [NodeState.STOPPED, NodeState.PAUSED])
def test_node_that_is_down_already_is_refused(ground: Any, state: NodeState, majority_loss: bool) -> None:
    ground.runtime.put("rmq2", state)
    with pytest.raises(RefusedError, match=f"is {state.value} already"):
        inject(ground.context(), order("kill", "rmq2", majority_loss=majority_loss))
    assert_untouched(ground)


def test_node_that_a_fault_took_down_is_not_struck_again(ground: Any) -> None:
    inject(ground.context(), order("pause", "rmq2"))
    with pytest.raises(RefusedError, match="under the fault pause-"):
        inject(ground.context(), order("kill", "rmq2", majority_loss=True))


def test_fault_does_not_strike_the_same_node_twice(ground: Any) -> None:
    inject(ground.context(), order("cpu", "rmq2"))
    with pytest.raises(RefusedError, match="under the fault cpu-"):
        inject(ground.context(), order("cpu", "rmq2", majority_loss=True))


#: On a disk that takes no write there is no sync that a second fault could delay.
NOTHING_TO_DELAY = (("full-disk", "slow-disk"), ("failing-disk", "slow-disk"))
OF_A_NODE = tuple(name for name in STEPS if not catalogue.load(name).is_wide)
#: A node that is taken off its network has none in which a helper could do anything.
RUNS_ON = tuple(name for name in OF_A_NODE if name not in (*FAULTS, "detach"))


@pytest.mark.parametrize("second", [*STEPS, *AT_ONCE, "consumer-crash"])
@pytest.mark.parametrize("first", RUNS_ON)
def test_two_faults_of_one_node_compose_and_are_both_healed(ground: Any, first: str, second: str) -> None:
    """And one of a node with one of the cluster's clients."""
    if first == second or (first, second) in NOTHING_TO_DELAY:
        return
    begin_run(ground.runtime, ground.topology.cluster)
    inject(ground.context(), order(first, "rmq2"))
    inject(ground.context(), Order(fault=second, target=aimed(second)))
    assert [fault.name for fault in ground.journal.open_faults()] == [first, second]
    report = heal(ground.context())
    assert [fault.name for fault in report.healed] == [second, first]
    assert report.found == ()
    assert not ground.is_broken("rmq2")


@pytest.mark.parametrize("second", ["partition", "loss", "bandwidth", "latency", "slow-close"])
def test_fault_of_a_network_on_which_the_node_is_not_is_refused(ground: Any, second: str) -> None:
    inject(ground.context(), order("detach", "rmq2"))
    with pytest.raises(NotReadyError, match="on no network"):
        inject(ground.context(), order(second, "rmq2"))
    assert [fault.name for fault in ground.journal.open_faults()] == ["detach"]


@pytest.mark.parametrize("first", RUNS_ON)
def test_second_node_is_refused_while_another_suffers_what_takes_it_down(ground: Any, first: str) -> None:
    inject(ground.context(), order(first, "rmq1"))
    if catalogue.load(first).takes_down:
        with pytest.raises(RefusedError, match="under a fault already"):
            inject(ground.context(), order("kill", "rmq2"))
    else:
        inject(ground.context(), order("kill", "rmq2"))


def test_absent_container_means_not_ready_and_not_refused(ground: Any) -> None:
    ground.runtime.put("rmq2", NodeState.ABSENT)
    with pytest.raises(NotReadyError, match="no such container") as caught:
        inject(ground.context(), order("kill", "rmq2"))
    assert "cluster-up" in caught.value.remedy
    assert_untouched(ground)


@pytest.mark.parametrize(
    "bad",
    [
        Order(fault="klil", target=Target(node="rmq2")),
        Order(fault="kill", target=Target(node="rmq9")),
        Order(fault="kill", target=Target()),
        Order(fault="kill", target=Target(node="rmq2", leader_of="orders.work")),
        Order(fault="kill", target=Target(node="rmq2", vhost="/orders")),
        Order(fault="kill", target=Target(leader_of="no.such.queue")),
        Order(fault="kill", target=Target(leader_of="orders.work", vhost="/nowhere")),
        Order(fault="kill", target=Target(node="rmq2"), args={"grace_s": "1"}),
    ],
)
def test_bad_order_is_refused_whole(ground: Any, bad: Order) -> None:
    with pytest.raises(BadInputError) as caught:
        inject(ground.context(), bad)
    assert caught.value.exit_code == 2
    assert_untouched(ground)


def test_node_that_breaks_between_look_and_act_is_seen_under_the_lock(ground: Any) -> None:
    """Two commands at once: the second looks only after the first has acted."""
    with ground.journal.exclusive(), pytest.raises(NotReadyError, match="another chaos command"):
        inject(ground.context(), order("kill", "rmq2"))
    assert_untouched(ground)
