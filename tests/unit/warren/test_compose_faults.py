"""What chaos asks the engine for a node's network, in the engine's words."""

from __future__ import annotations

import json

import pytest

from warren.errors import NotReadyError
from warren.runtime.compose import ComposeRuntime
from warren.runtime.protocol import Joined
from warren.state import State, open_state
from warren.topology import Topology

from .test_compose_runtime import ENGINE, Recorder, container

NETWORKS = ("inspect", "--format", "{{json .NetworkSettings.Networks}}")


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return open_state("warren", {"WARREN_STATE": str(tmp_path_factory.mktemp("state"))})


@pytest.fixture
def runtime(deployed: Topology, state: State, run: Recorder) -> ComposeRuntime:
    return ComposeRuntime(engine=ENGINE, topology=deployed, state=state, run=run)


def on(network: str = "warren", address: str = "10.0.0.3") -> str:
    return json.dumps({network: {"IPAddress": address}})


def test_address_is_that_on_the_clusters_own_network(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer(*NETWORKS, stdout=on())
    assert runtime.network_address("rmq2") == "10.0.0.3"
    assert not runtime.is_detached("rmq2")


@pytest.mark.parametrize("networks", ["{}", on("another")])
def test_node_that_is_not_on_it_is_detached_and_has_no_address(
    runtime: ComposeRuntime, run: Recorder, networks: str
) -> None:
    run.answer(*NETWORKS, stdout=networks)
    assert runtime.is_detached("rmq2")
    with pytest.raises(NotReadyError, match="has no address"):
        runtime.network_address("rmq2")


def test_detaching_and_attaching_twice_is_doing_so_once(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer(*NETWORKS, stdout="{}")
    runtime.detach("rmq2")
    assert run.after("network") == []
    run.answer(*NETWORKS, stdout=on(), once=True)
    runtime.attach("rmq2", "10.0.0.3")
    assert run.after("network") == []


def test_node_comes_back_under_its_names_and_its_address(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer(*NETWORKS, stdout=on(), once=True)
    runtime.detach("rmq2")
    assert run.after("network", "disconnect") == [("warren", "warren-rmq2")]
    run.answer(*NETWORKS, stdout="{}")
    runtime.attach("rmq2", "10.0.0.3")
    names = ("--alias", "rmq2", "--alias", "warren-rmq2")
    assert run.after("network", "connect") == [(*names, "--ip", "10.0.0.3", "warren", "warren-rmq2")]


def test_address_that_somebody_else_has_by_now_gives_way_to_a_free_one(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer(*NETWORKS, stdout="{}")
    taken = "Error response from daemon: Address already in use"
    run.answer("network", "connect", stderr=taken, returncode=1, once=True)
    runtime.attach("rmq2", "10.0.0.3")
    first, second = run.after("network", "connect")
    assert "--ip" in first
    assert "--ip" not in second


def test_attaching_that_fails_otherwise_is_told(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer(*NETWORKS, stdout="{}")
    run.answer("network", "connect", stderr="Error response from daemon: no route", returncode=1)
    with pytest.raises(NotReadyError, match="no route"):
        runtime.attach("rmq2", "10.0.0.3")
    assert len(run.after("network", "connect")) == 1


def test_helper_joins_the_nodes_network_with_one_right_and_says_whose_it_is(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("inspect", "--format", "{{.Image}}", stdout="sha256:abc")
    run.answer("rm", stderr="Error response from daemon: No such container: x", returncode=1)
    runtime.join("rmq2", "latency-ab12", ["python3", "-m", "chaos.delay", "{}"])
    (given,) = run.after("run")
    text = " ".join(given)
    assert "--rm" not in given, "what it said last must outlive it"
    assert "--detach --name warren-fault-latency-ab12" in text
    assert "--network container:warren-rmq2" in text
    assert text.count("--cap-add") == 1
    assert "--cap-drop ALL --cap-add NET_ADMIN" in text
    for label in ("cluster=warren", "role=joined", "node=rmq2", "fault=latency-ab12"):
        assert f"--label warren.{label}" in text
    assert text.endswith("--entrypoint python3 sha256:abc -m chaos.delay {}")


def test_joined_helpers_are_found_by_their_labels_alone(runtime: ComposeRuntime, run: Recorder) -> None:
    seen = [container("rmq1", "running"), container("x", "exited"), container("y", "running")]
    for each, fault in zip(seen[1:], ("latency-1", "latency-2"), strict=True):
        each["Config"]["Labels"] = {
            "warren.role": "joined",
            "warren.node": "rmq1",
            "warren.fault": fault,
        }
    run.answer("container", "ls", stdout="a b c")
    run.answer("container", "inspect", stdout=json.dumps(seen))
    assert runtime.joined() == (
        Joined(fault="latency-1", node="rmq1", is_running=False),
        Joined(fault="latency-2", node="rmq1", is_running=True),
    )


def test_last_word_of_a_helper_is_its_error_where_it_has_one(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("logs", stdout="", once=True)
    assert runtime.joined_said("f") == ""
    run.answer("logs", stdout='{"held": 1}\n', stderr="OSError: no\n", once=True)
    assert runtime.joined_said("f") == "OSError: no"


@pytest.mark.parametrize(
    "stderr",
    ["", "Error: No such container: x", "removal of container x is already in progress"],
)
def test_helper_may_leave_in_order_before_it_is_removed_and_may_be_gone(
    runtime: ComposeRuntime, run: Recorder, stderr: str
) -> None:
    run.answer("stop", stderr=stderr, returncode=1 if stderr else 0)
    run.answer("rm", stderr=stderr, returncode=1 if stderr else 0)
    runtime.part("latency-1")
    assert [call[1] for call in run.calls] == ["stop", "rm"]
    assert all(call[-1] == "warren-fault-latency-1" for call in run.calls)


def test_helper_that_cannot_be_removed_is_told(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("rm", stderr="Cannot connect to the Docker daemon", returncode=1)
    with pytest.raises(NotReadyError, match="gone away"):
        runtime.part("latency-1")


PINNED = {"IPAddress": "", "IPAMConfig": {"IPv4Address": "10.0.0.3"}}


def there(run: Recorder, status: str, network: object) -> None:
    """One container, rmq2's."""
    seen = container("rmq2", status)
    seen["NetworkSettings"] = {"Networks": {"warren": network} if network else {}}
    run.answer("container", "ls", stdout="a")
    run.answer("container", "inspect", stdout=json.dumps([seen]))
    run.answer(*NETWORKS, stdout="{}")
    run.answer(*NETWORKS, stdout=json.dumps(seen["NetworkSettings"]["Networks"]), once=True)


def test_node_that_is_down_does_not_insist_on_an_address_that_others_may_have_by_now(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    there(run, "exited", PINNED)
    runtime.start("rmq2")
    (connected,) = run.after("network", "connect")
    assert "--ip" not in connected
    acts = [call[1:3] for call in run.calls if call[1] in ("network", "start")]
    assert acts == [("network", "disconnect"), ("network", "connect"), ("start", "warren-rmq2")]


def test_cluster_that_comes_up_again_insists_on_no_address_either(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    there(run, "exited", PINNED)
    runtime.up({})
    acts = [call[1] for call in run.calls if call[1] in ("network", "compose")]
    assert acts == ["network", "network", "compose"]


@pytest.mark.parametrize(
    ("status", "network"), [("running", PINNED), ("exited", {"IPAMConfig": None}), ("exited", None)]
)
def test_node_that_runs_or_insists_on_nothing_is_left_as_it_is(
    runtime: ComposeRuntime, run: Recorder, status: str, network: object
) -> None:
    there(run, status, network)
    runtime.unpin(["rmq2"])
    assert run.after("network") == []
