"""What `cluster.up` decides, on an engine that only remembers."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from warren import cluster, disk_faults, layout, node_settings, service_bundle
from warren.context import Context, open_context
from warren.errors import DeadlineError, NotReadyError, RefusedError
from warren.images import ImageRef
from warren.journal import Fault, Journal, Phase
from warren.pki import Pki
from warren.process import Completed
from warren.reader import plain
from warren.runtime.engine import Engine
from warren.runtime.protocol import NodeState
from warren.wait import Clock

ENGINE = Engine(
    docker="docker", compose=("docker", "compose"), server_version="20.10", compose_version="2.26"
)
NODES = ("rmq1", "rmq2", "rmq3")


@dataclass
class Docker:
    """Answers as an engine with one project would. ``log`` keeps what changed something."""

    name: str = "warren"
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    volumes: dict[str, dict[str, str]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    definitions: dict[str, list[Any]] = field(default_factory=dict)
    fail: dict[str, str] = field(default_factory=dict)
    interrupt: str = ""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        words = list(argv)[1:]
        kind = words[0] if words[0] != "compose" else f"compose {words[5]}"
        if kind == self.interrupt:
            self.interrupt = ""
            raise KeyboardInterrupt
        if kind in self.fail:
            return Completed(argv=tuple(argv), returncode=1, stdout="", stderr=self.fail[kind])
        method = getattr(self, f"_{kind.replace(' ', '_')}")
        if stdin is not None:
            self._keep_definitions(stdin)
        stdout = method(words, env or {})
        if isinstance(stdout, Completed):
            return stdout
        return Completed(argv=tuple(argv), returncode=0, stdout=stdout or "", stderr="")

    def _keep_definitions(self, archive: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for name in [each for each in tar.getnames() if each.endswith("/definitions.json")]:
                found = tar.extractfile(name)
                assert found is not None
                self.definitions.setdefault(name.partition("-")[0], []).append(json.loads(found.read()))

    def _container(self, words: list[str], env: Mapping[str, str]) -> str | Completed:
        if words[1] == "ls":
            wanted = [each.removeprefix("status=") for each in words if each.startswith("status=")]
            every = wanted or ["running", "paused", "exited", "created", "dead"]
            shown = every if "--all" in words or wanted else ["running"]
            return "\n".join(n for n, each in self.containers.items() if each["State"]["Status"] in shown)
        if "--format" in words:
            if words[-1] not in self.containers:
                return Completed(argv=(), returncode=1, stdout="", stderr="No such container")
            return json.dumps(self.containers[words[-1]]["State"])
        return json.dumps([self.containers[name] for name in words[2:]])

    def _volume(self, words: list[str], env: Mapping[str, str]) -> str:
        if words[1] == "ls":
            return "\n".join(self.volumes)
        if words[1] == "rm":
            for name in words[2:]:
                del self.volumes[name]
            return ""
        return json.dumps([{"Labels": self.volumes[name]} for name in words[2:]])

    def _network(self, words: list[str], env: Mapping[str, str]) -> str:
        return ""

    def _run(self, words: list[str], env: Mapping[str, str]) -> str:
        if words[-1] == "ulimit -H -n":
            return "1048576"
        filled = [w.partition("/out/")[2] for w in words if w.startswith("--mount")]
        emptied = words[words.index("fill") + 1 :]
        self.log.append(f"fill {' '.join(filled)}; emptied {' '.join(emptied)}")
        return ""

    def _exec(self, words: list[str], env: Mapping[str, str]) -> str:
        self.log.append(f"exec {words[1]} {words[-1]}")
        return "ok"

    def _logs(self, words: list[str], env: Mapping[str, str]) -> str:
        return f"last words of {words[-1]}\n"

    def _restart(self, words: list[str], env: Mapping[str, str]) -> str:
        self.log.append(f"restart {words[-1]}")
        return ""

    def _stop(self, words: list[str], env: Mapping[str, str]) -> str:
        for name in words[3:]:
            self._put(name, "exited")
        return ""

    def _rm(self, words: list[str], env: Mapping[str, str]) -> str:
        for name in words[2:]:
            del self.containers[name]
        return ""

    def _compose_create(self, words: list[str], env: Mapping[str, str]) -> str:
        document = plain(Path(words[4]).read_text())
        owner = {"warren.state": env["WARREN_STATE_DIR"], "warren.state-id": env["WARREN_STATE_ID"]}
        for volume in document["volumes"]:
            self.volumes.setdefault(f"{self.name}_{volume}", owner)
        keep = "--no-recreate" in words
        for service in [word for word in words[6:] if word in document["services"]]:
            name, spec = f"{self.name}-{service}", document["services"][service]
            old = self.containers.get(name)
            if old is None or (old["spec"] != spec and not keep):
                self.log.append(f"create {service}")
                labels = {k: v for k, v in spec["labels"].items() if not v.startswith("${")}
                self.containers[name] = {
                    "Name": f"/{name}", "Config": {"Labels": labels}, "State": {}, "spec": spec,
                }  # fmt: skip
                self._put(name, "created")
        if "--remove-orphans" in words:
            known = {f"{self.name}-{service}" for service in document["services"]}
            self.containers = {name: each for name, each in self.containers.items() if name in known}
        return ""

    def _compose_up(self, words: list[str], env: Mapping[str, str]) -> str:
        assert "--no-recreate" in words
        named = {f"{self.name}-{service}" for service in words[words.index("never") + 1 :]}
        for name, each in self.containers.items():
            if (not named or name in named) and each["State"]["Status"] in ("created", "exited"):
                self.log.append(f"start {name.removeprefix(self.name + '-')}")
                self._put(name, "running")
        return ""

    def _put(self, name: str, status: str) -> None:
        state = {"Status": status, "Running": status == "running", "Pid": 1, "ExitCode": 1}
        self.containers[name]["State"] = state


def target(job: str, health: str) -> SimpleNamespace:
    """A scrape target as it was asked once."""
    error = "refused" if health == "down" else ""
    return SimpleNamespace(job=job, instance="rmq1:1", health=health, error=error, scraped_at="0")


class World:
    """One machine: an engine, a state folder, a topology that tests may edit, and a cluster that is whole."""

    def __init__(self, folder: Path, topology: str) -> None:
        self.docker = Docker()
        self.path = folder / "topology.yml"
        self.path.write_text(topology)
        self.env = {"WARREN_STATE": str(folder / "state")}
        self.said: list[str] = []
        self.time = 0.0
        self.problem = ""
        self.targets = [target("prometheus", "up")]
        self.leaders = ["rabbit@rmq1"]
        self.posts: list[tuple[str, ...]] = []

    def find_targets(self) -> list[SimpleNamespace]:
        return self.targets

    def say(self, line: str) -> None:
        self.said.append(line)

    def edit(self, old: str, new: str) -> None:
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))

    def context(self) -> Context:
        found = open_context(self.say, topology_path=self.path, env=self.env)
        clock = Clock(now=lambda: self.time, sleep=self._sleep)
        opened = Context(
            topology=found.topology,
            topology_path=self.path,
            state=found.state,
            say=self.say,
            run=self.docker,
            clock=clock,
        )
        opened.use_engine(ENGINE)
        return opened

    def _sleep(self, duration_s: float) -> None:
        self.time += max(duration_s, 0.01)

    def up(self, *, with_disk_faults: bool | None = None) -> list[str]:
        """What `up` changed on the engine."""
        self.docker.log.clear()
        cluster.up(self.context(), with_disk_faults=with_disk_faults)
        return list(self.docker.log)

    @property
    def root(self) -> Path:
        return Path(self.env["WARREN_STATE"]) / "warren"

    def contents(self) -> dict[str, bytes]:
        found = (path for path in self.root.rglob("*") if path.is_file() and path.name != "lock")
        return {str(path): path.read_bytes() for path in found}

    # What the context's clients are replaced by

    def check(self) -> None:
        if self.problem:
            raise NotReadyError("rmq1", self.problem)

    def queues(self) -> tuple[Any, ...]:
        return tuple(SimpleNamespace(type="quorum", leader=leader) for leader in self.leaders)

    def post(self, *path: str) -> None:
        self.posts.append(path)


@pytest.fixture
def world(tmp_path: Path, checkout_root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, (checkout_root / "deploy" / "topology.yml").read_text())

    def images(wanted: Mapping[str, str], **_: Any) -> dict[str, ImageRef]:
        names = {**wanted, "warren": "warren"}
        names.pop("grafana")
        return {
            name: ImageRef(name=name, reference=ref, origin="built", digest=None, note="")
            for name, ref in names.items()
        }

    # Slow on purpose, and not what is tried here: hashing, and waiting for the disk.
    hashing = SimpleNamespace(hashpw=lambda word, salt: b"#" + word, gensalt=lambda rounds: b"")
    hashing.checkpw = lambda word, hashed: hashed == b"#" + word
    monkeypatch.setattr(service_bundle, "bcrypt", hashing)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(cluster, "ensure_engine", lambda **_: ENGINE)
    monkeypatch.setattr(layout, "ensure_images", images)
    monkeypatch.setattr(disk_faults, "add_library", lambda context, broker: replace(broker, reference="own"))
    monkeypatch.setattr(cluster, "read_actual", lambda management: None)
    monkeypatch.setattr(cluster, "plan", lambda *_: None)
    monkeypatch.setattr(cluster, "apply", lambda *_, **__: None)
    monkeypatch.setattr(Context, "gate", SimpleNamespace(check=made.check))
    monkeypatch.setattr(Context, "management", SimpleNamespace(queues=made.queues, post=made.post))
    monkeypatch.setattr(Context, "prometheus", SimpleNamespace(targets=lambda: made.find_targets()))  # noqa: PLW0108 - a test may put another there
    return made


def test_first_up_makes_fills_and_starts_everything(world: World) -> None:
    log = world.up()
    assert {f"create {node}" for node in NODES} <= set(log)
    assert {f"start {node}" for node in NODES} <= set(log)
    fill = next(line for line in log if line.startswith("fill"))
    for name in ("rmq1-config", "rmq3-data", "prometheus-config", "prometheus-data", "view-config"):
        assert name in fill
    assert log.index(fill) < log.index("start rmq1"), "a node must not start before its files are there"


def test_second_up_changes_nothing(world: World) -> None:
    world.up()
    before = world.contents()
    assert world.up() == []
    assert world.contents() == before
    assert "the nodes run already" in world.said


def test_data_are_never_emptied(world: World) -> None:
    world.up()
    cluster.down(world.context())
    (world.root / "applied.json").unlink()
    fills = [line for line in world.up() if line.startswith("fill")]
    emptied = [line.partition("; emptied ")[2].split() for line in fills]
    assert emptied
    assert all(name.endswith("-config") for names in emptied for name in names)


def test_cookie_of_running_nodes_is_not_replaced_under_them(world: World) -> None:
    world.up()
    (world.root / "secrets" / "erlang-cookie").write_text("another")
    assert world.up() == []


def test_stopped_node_is_started_again_and_the_others_are_left_alone(world: World) -> None:
    world.up()
    world.docker._put("warren-rmq2", "exited")
    assert world.up() == ["start rmq2"]


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("channel_max: 256", "channel_max: 128", "max_channels_per_connection = 128"),
        ("memory_limit_mib: 1024", "memory_limit_mib: 900", "mem_limit: 900m"),
        ("4.3.6", "4.3.7", "+rabbitmq:4.3.7"),
    ],
)
def test_changed_settings_of_running_nodes_are_shown_and_refused_before_anything_is_written(
    world: World, old: str, new: str, shown: str
) -> None:
    world.up()
    before = world.contents()
    world.edit(old, new)
    world.edit("  - {name: users-support, max", "  - {name: users-added}\n  - {name: users-support, max")
    with pytest.raises(RefusedError, match="would change") as caught:
        world.up()
    assert shown in caught.value.what
    assert "make cluster-down cluster-up" in caught.value.remedy
    assert caught.value.exit_code == 2
    assert world.contents() == before
    assert world.docker.log == []


def test_one_running_node_is_enough_to_refuse(world: World) -> None:
    world.up()
    for node in ("rmq1", "rmq2"):
        world.docker._put(f"warren-{node}", "exited")
    world.edit("channel_max: 256", "channel_max: 128")
    with pytest.raises(RefusedError):
        world.up()


def test_changed_settings_are_taken_after_down(world: World) -> None:
    world.up()
    world.edit("channel_max: 256", "channel_max: 128")
    cluster.down(world.context())
    assert "start rmq1" in world.up()
    assert world.up() == []


def preloads(world: World) -> set[bool]:
    """Whether the nodes' containers were made with the library of disk faults, by what there is."""
    nodes = [world.docker.containers[f"warren-{node}"]["spec"] for node in NODES]
    return {"LD_PRELOAD" in node["environment"] for node in nodes}


def test_nodes_preload_the_library_of_disk_faults_only_where_it_is_asked_for(world: World) -> None:
    world.up()
    assert preloads(world) == {False}
    assert "disk-faults" not in {path.name for path in world.root.iterdir()}


def test_cluster_made_for_disk_faults_stays_so_until_it_is_asked_for_otherwise(world: World) -> None:
    world.up(with_disk_faults=True)
    assert preloads(world) == {True}
    assert world.up() == world.up(with_disk_faults=True) == []
    cluster.down(world.context())
    world.up()
    assert preloads(world) == {True}, "a node is not made anew in silence, by a flag that was left out"
    cluster.down(world.context())
    world.up(with_disk_faults=False)
    assert preloads(world) == {False}
    cluster.down(world.context())
    world.up()
    assert preloads(world) == {False}


@pytest.mark.parametrize(("first", "then", "flag"), [(False, True, "--with-"), (True, False, "--without-")])
@pytest.mark.parametrize("left", NODES)
def test_nodes_that_run_otherwise_are_not_replaced_but_refused(
    world: World, first: bool, then: bool, flag: str, left: str
) -> None:
    world.up(with_disk_faults=first)
    for node in set(NODES) - {left}:
        world.docker._put(f"warren-{node}", "exited")
    before = world.contents()
    with pytest.raises(RefusedError, match="nothing was touched") as caught:
        world.up(with_disk_faults=then)
    assert caught.value.where == left
    assert f"warren cluster down, then warren cluster up {flag}disk-faults" in caught.value.remedy
    assert world.contents() == before
    assert world.docker.log == []


def test_only_the_service_whose_files_changed_is_restarted(world: World) -> None:
    world.up()
    world.edit("lag_s: 30}", "lag_s: 31}")
    assert world.up() == ["fill prometheus-config; emptied prometheus-config", "restart warren-prometheus"]


def test_renewed_certificates_reach_running_nodes_without_a_restart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.up()
    later = datetime.now(UTC) + timedelta(days=380)
    monkeypatch.setattr(Context, "pki", property(lambda self: Pki(self.state.pki, later)))
    log = world.up()
    assert [line for line in log if line.startswith("exec")] == [
        f"exec warren-{node} ssl:clear_pem_cache()." for node in NODES
    ]
    services = ("prometheus", "alertmanager", "exporter", "probe", "view")  # read theirs once, as they start
    assert {f"restart warren-{service}" for service in services} <= set(log)
    assert not [line for line in log if line.startswith(("create", "start"))]
    (fill,) = [line for line in log if line.startswith("fill")]
    assert "-data" not in fill
    assert "rmq" not in fill.partition("; emptied ")[2]


def test_volume_that_was_removed_by_hand_is_filled_again(world: World) -> None:
    world.up()
    del world.docker.volumes["warren_prometheus-config"]
    assert "fill prometheus-config; emptied prometheus-config" in world.up()


def test_cluster_of_another_state_is_refused_and_nothing_is_asked_to_start(
    world: World, tmp_path: Path
) -> None:
    world.up()
    world.env = {"WARREN_STATE": str(tmp_path / "second")}
    with pytest.raises(RefusedError, match="belongs to the state folder"):
        world.up()
    assert world.docker.log == []


def test_lost_state_folder_is_refused_and_destroy_frees_the_name(world: World) -> None:
    world.up()
    for path in sorted(world.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(RefusedError, match="passwords and certificates are gone"):
        world.up()
    cluster.destroy(world.context())
    assert (world.docker.containers, world.docker.volumes) == ({}, {})
    assert not world.root.exists()
    assert "start rmq1" in world.up()


def test_paused_node_is_told_with_the_way_to_heal_it(world: World) -> None:
    world.up()
    world.docker._put("warren-rmq2", "paused")
    with pytest.raises(NotReadyError, match="make chaos-heal") as caught:
        world.up()
    assert caught.value.where == "rmq2"
    assert world.docker.log == []


@pytest.mark.parametrize("moment", ["run", "compose create", "compose up"])
def test_up_that_was_interrupted_is_finished_by_the_next(world: World, moment: str) -> None:
    world.docker.interrupt = moment
    with pytest.raises(KeyboardInterrupt):
        world.up()
    world.up()
    assert {each["State"]["Status"] for each in world.docker.containers.values()} == {"running"}
    assert world.up() == []


def test_changed_settings_and_an_interrupt_after_the_start_do_not_end_in_a_refusal(world: World) -> None:
    world.up()
    cluster.down(world.context())
    world.edit("channel_max: 256", "channel_max: 128")
    world.problem = "interrupted here"
    with pytest.raises(DeadlineError):
        world.up()
    world.problem = ""
    assert world.up() == []


def test_definitions_of_the_first_boot_are_put_away_once_the_cluster_is_formed(world: World) -> None:
    """A node that joins later would import them again, and with them passwords that were rotated since."""
    world.up()
    for node in NODES:
        first, later = world.docker.definitions[node]
        assert len(first["users"]) == len(world.context().topology.users)
        assert later == {}
    fills = [line for line in world.docker.log if line.startswith("fill")]
    assert fills[1:] == ["fill rmq1-config rmq2-config rmq3-config; emptied "], (
        "a node reads its certificates"
    )
    assert not any("clear_pem_cache" in line for line in world.docker.log)
    (world.root / "applied.json").unlink()
    cluster.down(world.context())
    world.up()
    assert all(found[2:] == [{}] for found in world.docker.definitions.values())


def test_definitions_stay_until_the_cluster_is_formed(world: World) -> None:
    world.problem = "does not see rabbit@rmq3 running"
    with pytest.raises(DeadlineError):
        world.up()
    world.problem = ""
    world.up()
    assert [bool(each) for each in world.docker.definitions["rmq2"]] == [True, False]


def test_definitions_of_the_first_boot_are_made_anew_once_all_data_are_gone(world: World) -> None:
    world.up()
    cluster.down(world.context())
    world.edit("description: Orders, payments", "description: Payments, orders")
    world.docker.volumes.clear()
    world.up()
    once, _, anew, away = world.docker.definitions["rmq1"]
    assert away == {}
    assert anew != once


def test_node_that_ends_while_it_boots_is_told_at_once_with_its_last_lines(world: World) -> None:
    real = world.docker._compose_up

    def up_and_die(words: list[str], env: Mapping[str, str]) -> str:
        real(words, env)
        world.docker._put("warren-rmq2", "exited")
        return ""

    world.docker._compose_up = up_and_die  # type: ignore[method-assign]
    world.problem = "not whole"
    with pytest.raises(NotReadyError, match="last words of warren-rmq2") as caught:
        world.up()
    assert caught.value.where == "rmq2"
    assert world.time < 5


def test_cluster_that_does_not_become_whole_is_told_with_the_last_reason(world: World) -> None:
    world.problem = "does not see rabbit@rmq3 running"
    with pytest.raises(DeadlineError, match=r"waited 180 s .* does not see rabbit@rmq3 running"):
        world.up()


def test_service_that_ended_or_a_target_that_is_down_keeps_up_from_ending(world: World) -> None:
    world.targets = [target("rabbitmq", "down")]
    with pytest.raises(DeadlineError, match=r"target rabbitmq rmq1:1: waited 60 s .*refused"):
        world.up()


@pytest.mark.parametrize("health", ["unknown", "down"])
def test_target_that_is_asked_once_a_minute_is_not_waited_for(world: World, health: str) -> None:
    """It may have been asked while its node booted, and then it is said to be down for the whole minute."""
    world.targets.append(target("rabbitmq-memory", health))
    world.up()
    assert world.time < 5


def test_target_that_was_not_asked_is_waited_for(world: World) -> None:
    world.targets.append(target("rabbitmq", "unknown"))
    with pytest.raises(DeadlineError, match="target rabbitmq rmq1:1"):
        world.up()


def test_target_that_is_asked_seldom_and_does_not_answer_a_whole_cluster_is_told(world: World) -> None:
    asked_again = iter(range(1000))
    seldom = target("rabbitmq-memory", "down")
    other = target("rabbitmq", "down")

    def found() -> list[SimpleNamespace]:
        seldom.scraped_at = str(next(asked_again))
        other.health = "up" if int(seldom.scraped_at) > 3 else "down"
        return [other, seldom]

    world.find_targets = found  # type: ignore[method-assign]
    with pytest.raises(DeadlineError, match="target rabbitmq-memory rmq1:1"):
        world.up()


def test_target_of_a_load_run_that_has_just_ended_is_no_fault(world: World) -> None:
    world.targets.append(target("load", "down"))
    world.up()


def test_leaders_are_spread_and_a_spread_that_does_not_come_is_told_and_no_failure(world: World) -> None:
    world.leaders = ["rabbit@rmq1"] * 6
    world.up()
    assert len(world.posts) > 2
    assert set(world.posts) == {("rebalance", "queues")}
    assert [line for line in world.said if "cluster rebalance" in line and "0 to 6 on a node" in line]


def test_second_up_at_once_is_told_who_holds_the_cluster(world: World) -> None:
    with (
        world.context().state.lock("warren cluster up"),
        pytest.raises(NotReadyError, match="in use by warren cluster up"),
    ):
        world.up()


@pytest.mark.parametrize("moment", ["compose create", "compose up"])
def test_port_in_use_is_told_by_number(world: World, moment: str) -> None:
    world.docker.fail[moment] = "listen tcp4 127.0.0.1:15610: bind: address already in use"
    with pytest.raises(NotReadyError, match=r"port 15610 on 127.0.0.1: is in use"):
        world.up()
    world.docker.fail.clear()
    world.up()


def test_down_keeps_volumes_and_state(world: World) -> None:
    world.up()
    volumes = dict(world.docker.volumes)
    cluster.down(world.context())
    assert world.docker.containers == {}
    assert world.docker.volumes == volumes
    assert (world.root / "secrets" / "operator").exists()


def test_down_of_another_states_cluster_is_refused(world: World, tmp_path: Path) -> None:
    world.up()
    world.env = {"WARREN_STATE": str(tmp_path / "second")}
    with pytest.raises(RefusedError):
        cluster.down(world.context())
    assert world.docker.containers


def test_gate_that_falls_again_has_not_held() -> None:
    """Whole, broken, then whole for good: only the last stretch counts."""
    now = 0.0
    answers = iter([None, NotReadyError("queue", "has 2 of 3 members online")])

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def check() -> None:
        if error := next(answers, None):
            raise error

    context: Any = SimpleNamespace(
        gate=SimpleNamespace(check=check), clock=Clock(now=lambda: now, sleep=sleep)
    )
    cluster.wait_ready(context, deadline_s=60, steady_s=5)
    assert now == 7  # broken at 1 s, whole from 2 s to 7 s
    with pytest.raises(DeadlineError, match="whole for"):
        cluster.wait_ready(context, deadline_s=3, steady_s=5)


def _fault(world: World, node: str) -> tuple[Journal, Fault]:
    journal = Journal(world.root / "journal.jsonl", lambda: datetime.now(UTC))
    return journal, Fault(fault_id=f"kill-{node}", name="kill", target=node)


def test_faults_of_before_are_closed_once_the_gate_holds(world: World) -> None:
    world.up()
    journal, fault = _fault(world, "rmq2")
    journal.append(fault, Phase.INJECTING, evidence={"process_id": 7})
    world.up()
    assert journal.open_faults() == ()
    assert "rmq2: back from the fault kill-rmq2" in world.said


@pytest.mark.parametrize("name", ["cpu", "bandwidth", "slow-disk"])
def test_fault_of_a_node_that_ran_all_the_while_stays_open_and_is_told(world: World, name: str) -> None:
    """The gate sees no node that is only slow: closed, the fault would be in force and nobody would know."""
    world.up()
    journal = Journal(world.root / "journal.jsonl", lambda: datetime.now(UTC))
    journal.append(Fault(fault_id="f-1", name=name, target="rmq2"), Phase.INJECTING)
    world.up()
    assert [each.fault_id for each in journal.open_faults()] == ["f-1"]
    assert "rmq2: still under the fault f-1; to end it: make chaos-heal" in world.said


@pytest.mark.parametrize("outlives", [False, True])
def test_fault_of_a_node_that_was_started_anew_is_over_unless_it_outlives_a_process(
    world: World, outlives: bool
) -> None:
    world.up()
    journal = Journal(world.root / "journal.jsonl", lambda: datetime.now(UTC))
    evidence = {"outlives_process": True} if outlives else {}
    journal.append(Fault(fault_id="f-1", name="any", target="rmq2"), Phase.INJECTING, evidence=evidence)
    world.docker.containers["warren-rmq2"]["State"]["Status"] = "exited"
    world.up()
    assert bool(journal.open_faults()) is outlives


def test_fault_that_strikes_right_after_the_last_look_stays_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.up()
    journal, fault = _fault(world, "rmq3")
    look = world.check

    def struck_afterwards() -> None:
        look()
        if not journal.open_faults():
            journal.append(fault, Phase.INJECTING)

    monkeypatch.setattr(Context, "gate", SimpleNamespace(check=struck_afterwards))
    world.up()
    assert [each.target for each in journal.open_faults()] == ["rmq3"]


def test_up_waits_for_a_fault_that_is_being_injected(world: World) -> None:
    """Its node still runs, so the gate would hold, and the fault would be closed before it bites."""
    world.up()
    journal, fault = _fault(world, "rmq3")
    with journal.exclusive():
        journal.append(fault, Phase.INJECTING)
        with pytest.raises(DeadlineError, match="another chaos command"):
            world.up()
    assert len(journal.open_faults()) == 1


MORE = "    - name: rmq3\n"


def test_more_nodes_are_made_beside_those_that_run(world: World) -> None:
    world.up()
    world.edit(MORE, f"{MORE}    - name: rmq4\n    - name: rmq5\n")
    assert node_settings.nodes(world.context().state) == NODES
    world.docker.log.clear()
    layout.lay_out(world.context(), ())
    log = world.docker.log
    assert {"create rmq4", "create rmq5"} <= set(log)
    assert not {f"{verb} {node}" for verb in ("create", "restart") for node in NODES} & set(log)
    (fill,) = [line for line in log if line.startswith("fill") and "rmq4-data" in line]
    assert fill.endswith("emptied rmq4-config rmq4-data")
    assert "start rmq4" not in log
    assert world.context().runtime.states()["rmq4"] is NodeState.STOPPED
    assert "start exporter" in log, "it was made anew, to ask the new nodes too"
    pki = Pki(world.root / "pki", datetime.now(UTC))
    assert pki.leaf("inter-node", "rmq5").key.exists()
    compose = plain((world.context().state.compose_file).read_text())
    assert "--node=rmq5" in compose["services"]["exporter"]["command"]


def test_nodes_settings_are_those_of_the_last_start_until_one_is_made_anew(world: World) -> None:
    world.up()
    world.edit(MORE, f"{MORE}    - name: rmq4\n    - name: rmq5\n")
    layout.lay_out(world.context(), ())
    with pytest.raises(RefusedError, match=r"classic_config\.nodes\.5"):
        world.up()
    world.docker._put("warren-rmq1", "exited")
    layout.make_anew(world.context(), "rmq1")
    assert node_settings.nodes(world.context().state) == (*NODES, "rmq4", "rmq5")


def test_nodes_that_are_gone_leave_nothing(world: World) -> None:
    world.edit(MORE, f"{MORE}    - name: rmq4\n    - name: rmq5\n")
    world.up()
    world.edit("    - name: rmq4\n    - name: rmq5\n", "")
    for node in ("rmq4", "rmq5"):
        world.docker._put(f"warren-{node}", "exited")
    world.docker.log.clear()
    for _ in range(2):  # it may have broken off
        layout.lay_out(world.context(), ("rmq4", "rmq5"))
        assert not [name for name in (*world.docker.containers, *world.docker.volumes) if "rmq4" in name]
    assert {name for name in world.docker.volumes if "-data" in name} >= {
        f"warren_{node}-data" for node in NODES
    }
    assert "start exporter" in world.docker.log
    assert not [line for line in world.docker.log if line.split()[-1] in NODES]
