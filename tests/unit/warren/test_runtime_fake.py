from __future__ import annotations

from pathlib import Path

import pytest

from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime.fake import FakeRuntime
from warren.runtime.protocol import NodeState, Runtime

NODES = ("rmq1", "rmq2", "rmq3")


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime(NODES)


def test_it_fulfils_the_protocol(runtime: FakeRuntime) -> None:
    seen: Runtime = runtime
    assert list(seen.states().values()) == [NodeState.RUNNING] * 3


def test_killed_node_comes_back_as_another_process(runtime: FakeRuntime) -> None:
    before = runtime.process_id("rmq2")
    runtime.kill("rmq2")
    assert runtime.states()["rmq2"] is NodeState.STOPPED
    assert runtime.process_id("rmq2") is None
    runtime.start("rmq2")
    assert runtime.process_id("rmq2") not in (None, before)


def test_paused_node_keeps_its_process(runtime: FakeRuntime) -> None:
    before = runtime.process_id("rmq2")
    runtime.pause("rmq2")
    assert runtime.states()["rmq2"] is NodeState.PAUSED
    runtime.unpause("rmq2")
    assert runtime.process_id("rmq2") == before


def test_every_act_can_be_repeated(runtime: FakeRuntime) -> None:
    for _ in range(2):
        runtime.pause("rmq1")
    for _ in range(2):
        runtime.unpause("rmq1")
        runtime.stop("rmq2", grace_s=1)
        runtime.kill("rmq3")
    for node in NODES:
        runtime.start(node)
        process = runtime.process_id(node)
        runtime.start(node)
        assert runtime.process_id(node) == process
    assert set(runtime.states().values()) == {NodeState.RUNNING}


@pytest.mark.parametrize(("moment", "state"), [("before", NodeState.RUNNING), ("after", NodeState.STOPPED)])
def test_scripted_failure_happens_once_before_or_after_the_act(
    runtime: FakeRuntime, moment: str, state: NodeState
) -> None:
    runtime.fail("kill", moment=moment)  # type: ignore[arg-type]
    with pytest.raises(NotReadyError, match="does not answer"):
        runtime.kill("rmq1")
    assert runtime.states()["rmq1"] is state
    runtime.kill("rmq1")
    assert runtime.states()["rmq1"] is NodeState.STOPPED


def test_failure_can_be_meant_for_one_node_and_for_good(runtime: FakeRuntime) -> None:
    runtime.fail("start", node="rmq2", times=None)
    runtime.start("rmq1")
    for _ in range(2):
        with pytest.raises(NotReadyError):
            runtime.start("rmq2")


def test_absent_container_cannot_be_started(runtime: FakeRuntime) -> None:
    runtime.put("rmq2", NodeState.ABSENT)
    with pytest.raises(NotReadyError, match="no such container"):
        runtime.start("rmq2")


def test_commands_answer_as_told_and_only_in_running_nodes(runtime: FakeRuntime) -> None:
    answer = Completed(argv=("id",), returncode=0, stdout="999\n", stderr="")
    runtime.replies[("id",)] = answer
    assert runtime.execute("rmq1", ["id"], timeout_s=1) == answer
    assert runtime.execute("rmq1", ["true"], timeout_s=1).ok
    runtime.kill("rmq1")
    with pytest.raises(NotReadyError, match="not running"):
        runtime.execute("rmq1", ["id"], timeout_s=1)


def test_stored_states_are_those_of_every_process(tmp_path: Path) -> None:
    store = tmp_path / "nodes.json"
    first, second = FakeRuntime(NODES, store=store), FakeRuntime(NODES, store=store)
    first.kill("rmq2")
    assert second.states()["rmq2"] is NodeState.STOPPED
    second.start("rmq2")
    assert first.process_id("rmq2") == second.process_id("rmq2")
