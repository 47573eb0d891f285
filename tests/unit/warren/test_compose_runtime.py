from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from warren.bundle import Volume
from warren.errors import DeadlineError, NotReadyError, RefusedError
from warren.process import Completed
from warren.runtime.compose import WANTED_OPEN_FILES, ComposeRuntime
from warren.runtime.engine import Engine
from warren.runtime.protocol import Helper, MemoryLimit, NodeState
from warren.runtime.reasons import engine_error
from warren.state import State, open_state
from warren.topology import Topology
from warren.wait import Clock

SECRET = "a-password-that-nobody-may-see"
ENGINE = Engine(
    docker="docker", compose=("docker", "compose"), server_version="20.10", compose_version="2.26"
)


class Recorder:
    """A `Runner` that answers by the words a command begins with, and keeps every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.stdins: list[bytes | None] = []
        self.envs: list[Mapping[str, str] | None] = []
        self.answers: list[tuple[tuple[str, ...], list[Completed]]] = []

    def answer(
        self, *words: str, stdout: str = "", stderr: str = "", returncode: int = 0, once: bool = False
    ) -> None:
        done = Completed(argv=words, returncode=returncode, stdout=stdout, stderr=stderr)
        if once:
            self.answers.insert(0, (words, [done]))
        else:
            self.answers.append((words, [done] * 1000))

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        assert timeout_s > 0
        self.calls.append(tuple(argv))
        self.stdins.append(stdin)
        self.envs.append(env)
        for words, left in self.answers:
            if tuple(argv[1 : 1 + len(words)]) == words and left:
                done = left.pop()
                return Completed(
                    argv=tuple(argv), returncode=done.returncode, stdout=done.stdout, stderr=done.stderr
                )
        return Completed(argv=tuple(argv), returncode=0, stdout="", stderr="")

    def after(self, *words: str) -> list[tuple[str, ...]]:
        """The calls that begin with ``words``, without these."""
        return [call[1 + len(words) :] for call in self.calls if call[1 : 1 + len(words)] == words]


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state("warren", {"WARREN_STATE": str(tmp_path)})


@pytest.fixture
def runtime(deployed: Topology, state: State, run: Recorder) -> ComposeRuntime:
    time = [0.0]

    def sleep(duration_s: float) -> None:
        time[0] += duration_s

    clock = Clock(now=lambda: time[0], sleep=sleep)
    return ComposeRuntime(engine=ENGINE, topology=deployed, state=state, run=run, clock=clock)


def container(name: str, status: str, **state: Any) -> dict[str, Any]:
    node = name.startswith("rmq")
    return {
        "Name": f"/warren-{name}",
        "Config": {
            "Labels": {
                "warren.role": "node" if node else "service",
                **({"warren.node": name} if node else {}),
            }
        },
        "State": {"Status": status, "ExitCode": 0, "Pid": 7, "Running": status == "running", **state},
    }


UNFROZEN = "Error response from daemon: cannot pause container abc: unable to freeze: unknown"


def test_node_that_does_not_stand_still_at_once_is_frozen_by_another_try(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("container", "ls", stdout="a")
    run.answer("container", "inspect", stdout=json.dumps([container("rmq2", "running")]))
    run.answer("pause", stderr=UNFROZEN, returncode=1, once=True)
    runtime.pause("rmq2")
    assert len(run.after("pause")) == 2


def test_node_that_never_stands_still_is_told_after_a_while(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("container", "ls", stdout="a")
    run.answer("container", "inspect", stdout=json.dumps([container("rmq2", "running")]))
    run.answer("pause", stderr=UNFROZEN, returncode=1)
    with pytest.raises(DeadlineError, match=r"15 s for rmq2 to freeze; last: .*stand still[\s\S]*too busy"):
        runtime.pause("rmq2")


def test_other_refusals_to_freeze_are_told_at_once(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("container", "ls", stdout="a")
    run.answer("container", "inspect", stdout=json.dumps([container("rmq2", "running")]))
    run.answer("pause", stderr="Error: No such container: warren-rmq2", returncode=1)
    with pytest.raises(NotReadyError, match="not there"):
        runtime.pause("rmq2")
    assert len(run.after("pause")) == 1


def test_states_follow_the_engines_words_and_a_node_without_container_is_absent(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("container", "ls", stdout="a b c")
    seen = [container("rmq1", "paused"), container("rmq2", "dead"), container("prometheus", "running")]
    run.answer("container", "inspect", stdout=json.dumps(seen))
    assert runtime.states() == {
        "rmq1": NodeState.PAUSED,
        "rmq2": NodeState.STOPPED,
        "rmq3": NodeState.ABSENT,
    }


def test_container_that_vanishes_between_two_questions_is_no_failure(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("container", "ls", stdout="a helper")
    run.answer(
        "container",
        "inspect",
        stdout=json.dumps([container("rmq1", "running")]),
        stderr="Error response from daemon: No such container: helper",
        returncode=1,
    )
    assert runtime.states()["rmq1"] is NodeState.RUNNING


def test_engine_that_does_not_answer_is_no_empty_cluster(runtime: ComposeRuntime, run: Recorder) -> None:
    gone = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    run.answer("container", stderr=gone, returncode=1)
    for ask in (runtime.states, lambda: runtime.process_id("rmq1"), lambda: runtime.runs("prometheus")):
        with pytest.raises(NotReadyError, match="has gone away"):
            ask()


def test_process_id_is_none_where_nothing_runs_or_is(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("container", "inspect", stdout='{"Pid": 0, "Running": false}', once=True)
    assert runtime.process_id("rmq1") is None
    run.answer("container", "inspect", stderr="Error: No such container: warren-rmq1", returncode=1)
    assert runtime.process_id("rmq1") is None
    assert runtime.runs("rmq1") is False


def test_acts_are_asked_of_the_named_container(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("container", "ls", stdout="a")
    run.answer("container", "inspect", stdout=json.dumps([container("rmq1", "running")]))
    runtime.start("rmq1")
    runtime.stop("rmq1", grace_s=30)
    runtime.kill("rmq1")
    runtime.pause("rmq1")
    runtime.unpause("rmq1")  # it runs: nothing to do
    acts = [call[1:] for call in run.calls if call[1] not in ("container",)]
    assert acts == [
        ("start", "warren-rmq1"),
        ("stop", "-t", "30", "warren-rmq1"),
        ("kill", "--signal", "KILL", "warren-rmq1"),
        ("pause", "warren-rmq1"),
    ]


def test_act_on_a_container_that_is_not_there_says_how_to_get_it(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("start", stderr="Error response from daemon: No such container: warren-rmq1", returncode=1)
    with pytest.raises(NotReadyError, match="make cluster-up"):
        runtime.start("rmq1")


def test_files_reach_volumes_on_standard_input_and_no_secret_stands_in_an_argument(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    files = {"secrets/x.password": (SECRET.encode(), 0o400)}
    volume = Volume(name="prometheus-config", uid=65534, gid=65534, files=files)
    runtime.fill([volume], image="some:image", emptied=["prometheus-config"])
    (call,) = run.calls
    assert not [word for word in call if SECRET in word]
    assert run.envs == [None]
    stdin = run.stdins[0]
    assert stdin is not None
    with tarfile.open(fileobj=io.BytesIO(stdin)) as tar:
        assert tar.getnames() == [
            "prometheus-config",
            "prometheus-config/secrets",
            "prometheus-config/secrets/x.password",
        ]
    assert "--mount=type=volume,source=warren_prometheus-config,target=/out/prometheus-config" in call
    assert call[call.index("--network") + 1] == "none"
    assert call[call.index("--cap-drop") + 1] == "ALL"
    assert call[call.index("--pull") + 1] == "never"
    assert "--read-only" in call
    assert "--touch" in call[-3], "a renewed inter-node certificate is known by its file's time alone"
    assert call[-1] == "prometheus-config"


def test_put_files_uses_the_nodes_own_image_and_empties_nothing(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("inspect", stdout="sha256:abc\n")
    runtime.put_files("rmq1", {"tls/server.key": SECRET.encode()})
    call = run.calls[-1]
    assert call[call.index("--entrypoint") + 2] == "sha256:abc"
    assert call[-1] == "fill"
    assert not [word for each in run.calls for word in each if SECRET in word]


def test_failed_filling_is_told(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("run", stderr="tar: write error: No space left on device", returncode=2)
    with pytest.raises(NotReadyError, match="is full"):
        runtime.fill([Volume(name="a-config", uid=1, gid=1, files={})], image="x")


def test_compose_gets_the_project_and_the_owner_and_none_of_the_users_compose_settings(
    runtime: ComposeRuntime, run: Recorder, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "theirs")
    monkeypatch.setenv("COMPOSE_FILE", "theirs.yml")
    monkeypatch.setenv("DOCKER_HOST", "unix:///somewhere")
    runtime.up({"WARREN_IMAGE_RABBITMQ": "some:image"})
    call, env = run.calls[-1], run.envs[-1]
    assert call[:6] == (
        "docker",
        "compose",
        "--project-name",
        "warren",
        "--file",
        str(state.compose_file),
    )
    assert call[6:] == ("up", "--detach", "--no-recreate", "--no-build", "--pull", "never")
    assert env is not None
    assert not [name for name in env if name.startswith("COMPOSE_")]
    assert env["DOCKER_HOST"] == "unix:///somewhere"
    assert env["WARREN_IMAGE_RABBITMQ"] == "some:image"
    assert (env["WARREN_STATE_DIR"], env["WARREN_STATE_ID"]) == (str(state.root), state.id)


def test_running_nodes_are_never_made_anew(runtime: ComposeRuntime, run: Recorder) -> None:
    nodes = ["rmq1", "rmq2", "rmq3"]
    runtime.create({}, services=[*nodes, "prometheus"], keep=nodes)
    kept, others = (call[6:] for call in run.calls)
    assert kept == ("create", "--pull", "never", "--no-build", "--no-recreate", *nodes)
    assert others == ("create", "--pull", "never", "--no-build", "--remove-orphans", "prometheus")


def test_what_stands_still_is_made_anew_where_it_changed(runtime: ComposeRuntime, run: Recorder) -> None:
    runtime.create({}, services=["rmq1", "prometheus"])
    (call,) = run.calls
    assert "--no-recreate" not in call
    assert call[-2:] == ("rmq1", "prometheus")


def test_cluster_of_another_state_folder_is_refused_with_the_way_to_it(
    runtime: ComposeRuntime, run: Recorder, state: State
) -> None:
    def owner(path: str, identity: str) -> None:
        run.answers.clear()
        run.answer("volume", "ls", stdout="warren_rmq1-data warren_x")
        ours = {"Labels": {"warren.state": str(state.root), "warren.state-id": state.id}}
        theirs = {"Labels": {"warren.state": path, "warren.state-id": identity}}
        run.answer("volume", "inspect", stdout=json.dumps([ours, theirs]))

    owner(str(state.root), state.id)
    runtime.refuse_foreign()
    owner("/home/ann/state/warren", "hers")
    with pytest.raises(RefusedError, match="WARREN_STATE=/home/ann/state ") as caught:
        runtime.refuse_foreign()
    assert "/home/ann/state/warren" in caught.value.what
    owner(str(state.root), "an earlier one's")
    with pytest.raises(RefusedError, match="whose passwords and certificates are gone"):
        runtime.refuse_foreign()
    owner("/moved/from/warren", state.id)
    with pytest.raises(RefusedError, match="move the folder back"):
        runtime.refuse_foreign()


def test_cluster_that_was_never_made_is_nobodys(runtime: ComposeRuntime) -> None:
    runtime.refuse_foreign()
    assert not runtime.has_data()


def test_data_are_seen_by_the_nodes_volumes_only(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("volume", "ls", stdout="warren_prometheus-data\nwarren_rmq1-config", once=True)
    assert not runtime.has_data()
    run.answer("volume", "ls", stdout="warren_rmq2-data")
    assert runtime.has_data()


def test_store_on_a_nodes_disk_is_looked_for_without_its_container(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("run", stdout="/data/mnesia/rabbit@rmq2/coordination/rabbit@rmq2/0000001.wal", once=True)
    assert runtime.keeps_data("rmq2", image="broker:1")
    (command,) = [call for call in run.calls if "run" in call]
    assert "--mount=type=volume,source=warren_rmq2-data,target=/data,readonly" in command
    assert "broker:1" in command
    run.answer("run", stdout="")
    assert not runtime.keeps_data("rmq2", image="broker:1")


def test_removal_needs_no_compose_file_and_keeps_the_volumes_unless_told(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("container", "ls", stdout="", once=True)
    run.answer("container", "ls", stdout="a b", once=True)
    run.answer("container", "ls", stdout="a b", once=True)
    run.answer("network", "ls", stdout="net")
    run.answer("volume", "ls", stdout="warren_rmq1-data")
    runtime.remove(volumes=False)
    assert run.after("stop") == [("-t", "60", "a", "b")]
    assert run.after("rm") == [("--force", "a", "b")]
    assert run.after("network", "rm") == [("net",)]
    assert run.after("volume", "rm") == []
    assert not [call for call in run.calls if "compose" in call]
    assert all("label=warren.cluster=warren" in call for call in run.calls if "ls" in call)
    runtime.remove(volumes=True)
    assert run.after("volume", "rm") == [("warren_rmq1-data",)]


def test_container_that_removes_itself_meanwhile_does_not_stop_the_removal(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    for left in ("", "a", "a b"):
        run.answer("container", "ls", stdout=left, once=True)
    run.answer("stop", stderr="Error response from daemon: No such container: b", returncode=1)
    busy = "Error response from daemon: removal of container b is already in progress"
    run.answer("rm", stderr=busy, returncode=1)
    runtime.remove(volumes=False)


def test_container_that_cannot_be_removed_is_told_after_a_while(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("container", "ls", stdout="a")
    run.answer("rm", stderr="Error response from daemon: device or resource busy", returncode=1)
    with pytest.raises(NotReadyError, match="device or resource busy") as caught:
        runtime.remove(volumes=False)
    assert "restart the engine" in caught.value.remedy


def test_half_removed_containers_of_a_killed_engine_are_removed(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("container", "ls", stdout="corpse", once=True)
    runtime.remove_dead()
    assert run.after("rm") == [("--force", "corpse")]


def test_container_that_ended_says_why(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("container", "ls", stdout="a b c d")
    seen = [
        container("rmq1", "exited", ExitCode=137, OOMKilled=True),
        container("rmq2", "running"),
        container("prometheus", "exited", ExitCode=2),
        container("view", "created"),
    ]
    run.answer("container", "inspect", stdout=json.dumps(seen))
    assert runtime.ended("node") == {"rmq1": "was killed: it needed more than its memory limit"}
    assert runtime.ended("service") == {"prometheus": "ended with status 2"}


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("1048576", WANTED_OPEN_FILES), ("1024", 1024), ("unlimited", WANTED_OPEN_FILES)],
)
def test_open_files_are_what_is_wanted_or_what_the_engine_allows(
    runtime: ComposeRuntime, run: Recorder, printed: str, expected: int
) -> None:
    run.answer("run", stdout=f"{printed}\n")
    assert runtime.open_files_limit("some:image") == expected


@pytest.mark.parametrize(
    ("stderr", "where", "remedy"),
    [
        # 20.10
        (
            "driver failed programming external connectivity on endpoint warren-rmq1 (ab): Error starting"
            " userland proxy: listen tcp4 127.0.0.1:15610: bind: address already in use",
            "port 15610 on 127.0.0.1",
            "ss -ltnp 'sport = :15610'",
        ),
        (
            "Bind for 127.0.0.1:15611 failed: port is already allocated",
            "port 15611 on 127.0.0.1",
            "published.base_port",
        ),
        # 28
        (
            "failed to bind host port for 127.0.0.1:15612:10.213.1.2:5671/tcp: address already in use",
            "port 15612 on 127.0.0.1",
            "published.base_port",
        ),
        (
            "invalid pool request: Pool overlaps with other one on this address space",
            "network 'warren'",
            "docker network ls",
        ),
        ("write /var/lib/docker/x: no space left on device", "the engine's disk", "docker system df"),
        ("error while removing network: has active endpoints", "network 'warren'", "inspect warren"),
        ("remove x: volume is in use - [ab]", "cluster 'warren'", "volume=warren_NAME"),
        ("Error response from daemon: something new", "docker compose", "docker ps --all"),
    ],
)
def test_engines_words_become_a_place_and_a_remedy(stderr: str, where: str, remedy: str) -> None:
    done = Completed(argv=("docker", "compose", "up"), returncode=1, stdout="", stderr=f"noise\n{stderr}\n")
    error = engine_error(done, "warren")
    assert error.where == where
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ("1073741824 2147483648", (1073741824, 2147483648)),
        ("0 0", (0, 0)),
        ("1073741824 -1", (1073741824, 0)),
    ],
)
def test_memory_limit_is_what_the_engine_holds_the_container_to(
    runtime: ComposeRuntime, run: Recorder, shown: str, found: tuple[int, int]
) -> None:
    run.answer("inspect", "--format", stdout=f"{shown}\n")
    memory, with_swap = found
    assert runtime.memory_limit("rmq2") == MemoryLimit(memory_bytes=memory, with_swap_bytes=with_swap)


@pytest.mark.parametrize(
    ("limit", "said"), [((5, 5), ("5", "5")), ((0, 0), ("-1", "-1")), ((7, 0), ("7", "-1"))]
)
def test_memory_is_limited_with_its_swap_at_once(
    runtime: ComposeRuntime, run: Recorder, limit: tuple[int, int], said: tuple[str, str]
) -> None:
    runtime.limit_memory("rmq2", MemoryLimit(memory_bytes=limit[0], with_swap_bytes=limit[1]))
    assert run.after("update") == [("--memory", said[0], "--memory-swap", said[1], "warren-rmq2")]


def test_helper_is_hardened_labelled_limited_and_told_its_orders_by_no_argument(
    runtime: ComposeRuntime, run: Recorder
) -> None:
    run.answer("inspect", stdout="sha256:own\n")
    runtime.start_helper("poison", ["-m", "chaos.clients"], stdin=SECRET.encode())
    (created,) = run.after("create")
    line = " ".join(created)
    for wanted in (
        "--name warren-fault-poison", "--network warren", "--user 10001:10001", "--read-only",
        "--cap-drop ALL", "--security-opt no-new-privileges", "--memory 768m", "--pids-limit 256", "--cpus 1",
        "--label warren.cluster=warren", "--label warren.role=fault", "--label warren.fault=poison",
        "--entrypoint python3 sha256:own -m chaos.clients",
    ):  # fmt: skip
        assert wanted in line
    assert "--cap-add" not in created
    assert run.after("start") == [("warren-fault-poison",)]
    assert not [call for call in run.calls if SECRET in " ".join(call)]
    assert [stdin for stdin in run.stdins if stdin] == [SECRET.encode()]
    assert run.calls[-1][1:4] == ("exec", "--interactive", "warren-fault-poison")


def test_helper_that_does_not_take_its_orders_is_not_ready(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("exec", returncode=1, stderr="container is not running")
    with pytest.raises(NotReadyError, match="orders: container is not running"):
        runtime.start_helper("poison", ["-m", "chaos.clients"], stdin=b"x")


def test_helpers_are_found_by_cluster_and_role(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("container", "ls", stdout="warren-fault-poison\trunning\tpoison\nwarren-load-w-1\texited\t\n")
    assert runtime.helpers("fault") == (
        Helper(name="warren-fault-poison", fault="poison", is_running=True),
        Helper(name="warren-load-w-1", fault="", is_running=False),
    )
    (asked,) = run.after("container", "ls")
    assert "label=warren.cluster=warren" in asked
    assert "label=warren.role=fault" in asked


@pytest.mark.parametrize("gone", ["No such container: x", "removal of container x is already in progress"])
def test_helper_that_is_gone_is_removed(runtime: ComposeRuntime, run: Recorder, gone: str) -> None:
    run.answer("rm", returncode=1, stderr=f"Error: {gone}")
    runtime.remove_helper("x")


def test_helper_that_stays_is_told(runtime: ComposeRuntime, run: Recorder) -> None:
    run.answer("rm", returncode=1, stderr="Error: device is busy")
    with pytest.raises(NotReadyError, match="cannot be removed: Error: device is busy"):
        runtime.remove_helper("x")


@pytest.mark.parametrize(
    "why",
    [
        'failed to write "1": write /sys/fs/cgroup/x/memory.limit_in_bytes: device or resource busy',
        "runc did not terminate successfully: exit status 1: unable to set memory limit to 62914560 "
        "(current usage: 162365440, peak usage: 290979840)",
    ],
)
def test_limit_that_the_kernel_refuses_is_said_in_its_own_words(
    runtime: ComposeRuntime, run: Recorder, why: str
) -> None:
    """The engine's last line is ": unknown"; the reason stands before it."""
    run.answer(
        "update", stderr=f"Error response from daemon: Cannot update: {why}\n: unknown\n", returncode=1
    )
    with pytest.raises(NotReadyError, match="device or resource busy"):
        runtime.limit_memory("rmq2", MemoryLimit(memory_bytes=1, with_swap_bytes=1))
