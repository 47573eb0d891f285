"""What stands between a user and an engine, case by case, on machines that are only described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from warren.errors import EXIT_NOT_READY, DeadlineError, NotReadyError
from warren.process import Completed
from warren.runtime.engine import EngineFaultError, Fault, ensure_engine, find_engine
from warren.runtime.enginesetup import Host
from warren.wait import Clock

DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
DENIED = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
)
TOO_NEW = "Error response from daemon: client version 1.50 is too new. Maximum supported API version is 1.41"
SERVER = '{"Version":"20.10.24+dfsg1","ApiVersion":"1.41"}\n'

Answer = tuple[int, str, str]


class Machine:
    """A `Runner` and a `Host` that change as packages are installed and daemons started."""

    def __init__(self, tmp_path: Path, **facts: object) -> None:
        described: dict[str, object] = {
            "uid": 0,
            "user": "root",
            "distribution": "debian",
            "codename": "trixie",
            "service_manager": False,
            "has_daemon": True,
            "clients": ("/usr/bin/docker",),
            "remote": False,
            "needs_apparmor": False,
            "plugin_folder": tmp_path / "plugins",
            "root": tmp_path,
        }
        self.host = Host(**(described | facts))  # type: ignore[arg-type]
        self.daemon: Answer = (0, SERVER, "")
        self.by_client: dict[str, Answer] = {}
        self.compose: Answer = (0, "2.26.1-4\n", "")
        self.standalone: Answer = (127, "", "docker-compose: this program is not installed")
        self.candidate = "2.26.1-4"
        self.calls: list[str] = []
        self.spawned: list[Sequence[str]] = []
        self.said: list[str] = []
        self.starts = True
        for folder in ("run/docker/containerd", "var/log", "proc"):
            (tmp_path / folder).mkdir(parents=True)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        line = " ".join(argv)
        self.calls.append(line)
        code, out, err = self.answer(line)
        return Completed(argv=tuple(argv), returncode=code, stdout=out, stderr=err)

    def answer(self, line: str) -> Answer:
        client = line.split(" ", 1)[0]
        if " version --format" in line:
            return self.by_client.get(client, self.daemon)
        if line.endswith("docker compose version --short"):
            return self.compose
        if line == "docker-compose version --short":
            return self.standalone
        if line.startswith("apt-cache"):
            return 0, f"  Candidate: {self.candidate}\n", ""
        if "install --yes" in line:
            if "docker.io" in line:
                self.host = replace(self.host, has_daemon=True, clients=("/usr/bin/docker",))
                self.daemon = (1, "", DOWN)
            if "docker-compose" in line:
                self.compose = (0, "2.26.1-4\n", "")
        if line == "systemctl start docker":
            self.daemon = (0, SERVER, "")
        return 0, "", ""

    def spawn(self, argv: Sequence[str], *, log: Path) -> None:
        self.spawned.append(argv)
        log.write_text("level=info starting\nfailed to start daemon: no iptables\n")
        if self.starts:
            self.daemon = (0, SERVER, "")

    def ensure(self) -> object:
        now = [0.0]
        clock = Clock(now=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + max(s, 0.1)))
        return ensure_engine(
            run=self.run, say=self.said.append, look=lambda: self.host, spawn=self.spawn, clock=clock
        )


def test_engine_that_is_there_is_used_as_it_is(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    engine = find_engine(run=machine.run, host=machine.host)
    assert engine.docker == "/usr/bin/docker"
    assert engine.compose == ("/usr/bin/docker", "compose")
    assert (engine.server_version, engine.compose_version) == ("20.10.24+dfsg1", "2.26.1-4")
    machine.ensure()
    assert not machine.said
    assert not machine.spawned


def test_stand_alone_compose_v2_is_used_where_the_plugin_is_missing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.compose, machine.standalone = (
        (1, "", "docker: 'compose' is not a docker command"),
        (0, "v2.30.0", ""),
    )
    assert find_engine(run=machine.run, host=machine.host).compose == ("docker-compose",)


def test_no_client_names_the_packages_and_the_exit_code(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=1000, user="ann", clients=(), has_daemon=False)
    with pytest.raises(EngineFaultError) as caught:
        machine.ensure()
    assert caught.value.fault is Fault.NO_CLIENT
    assert caught.value.exit_code == EXIT_NOT_READY
    assert "sudo apt-get install --no-install-recommends docker.io docker-cli iptables" in caught.value.remedy
    assert "sudo usermod --append --groups docker ann" in caught.value.remedy
    assert not any("apt-get" in call for call in machine.calls)


def test_root_on_debian_gets_the_engine_installed_started_and_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path, clients=(), has_daemon=False)
    machine.ensure()
    assert machine.spawned == [["dockerd"]]
    assert "installing docker.io, docker-cli, iptables with apt-get" in machine.said[0]
    assert any("starting dockerd by hand" in line for line in machine.said)


def test_daemon_without_a_client_gets_the_client(tmp_path: Path) -> None:
    machine = Machine(tmp_path, clients=())
    machine.ensure()
    assert any(call.endswith("docker.io docker-cli iptables") for call in machine.calls)


@pytest.mark.parametrize(("distribution", "codename"), [("debian", "bookworm"), ("ubuntu", "noble")])
def test_client_is_no_package_of_its_own_where_the_engines_package_has_it(
    tmp_path: Path, distribution: str, codename: str
) -> None:
    machine = Machine(tmp_path, clients=(), has_daemon=False, distribution=distribution, codename=codename)
    machine.ensure()
    assert any(call.endswith("docker.io iptables") for call in machine.calls)


def test_stray_client_without_an_engine_counts_as_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path, clients=("/usr/local/bin/docker",), has_daemon=False)
    machine.daemon = (1, "", DOWN)
    machine.ensure()
    assert any("install --yes --no-install-recommends docker.io" in call for call in machine.calls)


def test_apparmor_parser_is_installed_where_the_kernel_enforces(tmp_path: Path) -> None:
    machine = Machine(tmp_path, clients=(), has_daemon=False, needs_apparmor=True)
    machine.ensure()
    assert any(call.endswith("docker.io docker-cli iptables apparmor") for call in machine.calls)


def test_daemon_that_is_down_is_started_by_the_service_manager_where_there_is_one(tmp_path: Path) -> None:
    machine = Machine(tmp_path, service_manager=True)
    machine.daemon = (1, "", DOWN)
    machine.ensure()
    assert "systemctl start docker" in machine.calls
    assert not machine.spawned


def test_user_without_root_is_told_how_to_start_the_daemon(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=1000, user="ann", service_manager=True)
    machine.daemon = (1, "", DOWN)
    with pytest.raises(EngineFaultError) as caught:
        machine.ensure()
    assert caught.value.remedy == "sudo systemctl start docker"


def test_user_without_the_right_is_told_the_group(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=1000, user="ann")
    machine.daemon = (1, "", DENIED)
    with pytest.raises(EngineFaultError) as caught:
        machine.ensure()
    assert caught.value.fault is Fault.NO_RIGHT
    assert caught.value.remedy.startswith("sudo usermod --append --groups docker ann\nnewgrp docker")


def test_pid_file_of_a_killed_daemon_is_removed_when_its_pid_is_another_program(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.daemon = (1, "", DOWN)
    for name, pid in (("run/docker.pid", 77), ("run/docker/containerd/containerd.pid", 78)):
        (tmp_path / name).write_text(str(pid))
        (tmp_path / f"proc/{pid}").mkdir()
        (tmp_path / f"proc/{pid}/status").write_text("Name:\tsshd\nState:\tS (sleeping)\n")
    machine.ensure()
    assert not (tmp_path / "run/docker.pid").exists()
    assert not (tmp_path / "run/docker/containerd/containerd.pid").exists()
    assert machine.spawned == [["dockerd"]]


def test_pid_file_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.daemon = (1, "", DOWN)
    (tmp_path / "run/docker.pid").write_text("4194303")
    machine.ensure()
    assert not (tmp_path / "run/docker.pid").exists()


def test_living_daemon_that_does_not_answer_is_waited_for_and_not_started_twice(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.daemon = (1, "", DOWN)
    (tmp_path / "run/docker.pid").write_text("77")
    (tmp_path / "proc/77").mkdir()
    (tmp_path / "proc/77/status").write_text("Name:\tdockerd\nState:\tS (sleeping)\n")
    with pytest.raises(DeadlineError, match="waited 90 s for the engine's daemon"):
        machine.ensure()
    assert not machine.spawned
    assert (tmp_path / "run/docker.pid").exists()


def test_killed_daemon_that_nobody_collected_counts_as_dead(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.daemon = (1, "", DOWN)
    (tmp_path / "run/docker.pid").write_text("77")
    (tmp_path / "proc/77").mkdir()
    (tmp_path / "proc/77/status").write_text("Name:\tdockerd\nState:\tZ (zombie)\n")
    machine.ensure()
    assert machine.spawned == [["dockerd"]]


def test_daemon_that_ends_while_it_is_waited_for_is_started_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.daemon = (1, "", DOWN)
    (tmp_path / "run/docker.pid").write_text("77")
    status = tmp_path / "proc/77/status"
    status.parent.mkdir()
    status.write_text("Name:\tdockerd\nState:\tS (sleeping)\n")
    answer, asked = machine.answer, []

    def dies_later(line: str) -> Answer:
        asked.append(line)
        if len(asked) == 5:
            status.unlink()
        return answer(line)

    machine.answer = dies_later  # type: ignore[method-assign]
    machine.ensure()
    assert machine.spawned == [["dockerd"]]


def test_daemon_that_does_not_come_up_is_reported_with_its_log(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.daemon = (1, "", DOWN)
    machine.starts = False
    with pytest.raises(DeadlineError) as caught:
        machine.ensure()
    assert "failed to start daemon: no iptables" in caught.value.what
    assert "dockerd.log" in caught.value.remedy


def test_daemon_that_hangs_is_one_that_does_not_answer(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=1000, user="ann")

    def hang(argv: Sequence[str], **_: object) -> Completed:
        raise DeadlineError(argv[0], "did not end within 15 s")

    with pytest.raises(EngineFaultError) as caught:
        find_engine(run=hang, host=machine.host)
    assert caught.value.fault is Fault.NO_DAEMON


def test_engine_elsewhere_is_never_started_here(tmp_path: Path) -> None:
    machine = Machine(tmp_path, remote=True)
    machine.daemon = (1, "", DOWN)
    with pytest.raises(EngineFaultError, match="DOCKER_HOST"):
        machine.ensure()
    assert not machine.spawned


def test_client_that_does_not_fit_the_engine_gives_way_to_the_next(tmp_path: Path) -> None:
    machine = Machine(tmp_path, clients=("/usr/local/bin/docker", "/usr/bin/docker"))
    machine.by_client["/usr/local/bin/docker"] = (1, "", TOO_NEW)
    assert find_engine(run=machine.run, host=machine.host).docker == "/usr/bin/docker"
    machine.by_client["/usr/bin/docker"] = (1, "", TOO_NEW)
    with pytest.raises(EngineFaultError) as caught:
        machine.ensure()
    assert caught.value.fault is Fault.MISMATCH


def test_compose_v1_is_not_accepted_and_v2_is_installed(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.compose, machine.standalone = (1, "", "not a docker command"), (0, "1.29.2\n", "")
    machine.ensure()
    assert any("install --yes --no-install-recommends docker-compose" in call for call in machine.calls)
    assert "installing docker-compose 2.26.1-4" in machine.said[0]


def test_ubuntu_gets_its_own_compose_package(tmp_path: Path) -> None:
    machine = Machine(tmp_path, distribution="ubuntu", codename="noble")
    machine.compose = (1, "", "not a docker command")
    machine.ensure()
    assert any(
        call.endswith("install --yes --no-install-recommends docker-compose-v2") for call in machine.calls
    )


def test_compose_missing_on_another_system_is_the_users_to_install(tmp_path: Path) -> None:
    machine = Machine(tmp_path, distribution="fedora")
    machine.compose = (1, "", "not a docker command")
    with pytest.raises(EngineFaultError) as caught:
        machine.ensure()
    assert caught.value.fault is Fault.NO_COMPOSE


@pytest.mark.parametrize(("uid", "user"), [(0, "root"), (1000, "ann")])
def test_compose_of_the_next_release_is_fetched_where_this_one_has_v1(
    tmp_path: Path, uid: int, user: str
) -> None:
    machine = Machine(tmp_path, codename="bookworm", uid=uid, user=user)
    machine.compose, machine.candidate = (1, "", "not a docker command"), "1.29.2-3"
    answer = machine.answer

    def fetching(line: str) -> Answer:
        if "indextargets" in line:
            return 0, "mirror://here/|bookworm|main|Debian\n", ""
        if "download docker-compose" in line:
            folder = Path(line.split(" sh ", 1)[1].split(maxsplit=1)[0])
            (folder / "docker-compose_2.26.1-4_amd64.deb").write_text("")
        if line.startswith("dpkg-deb --extract"):
            program = Path(line.rsplit(maxsplit=1)[-1]) / "usr/libexec/docker/cli-plugins/docker-compose"
            program.parent.mkdir(parents=True)
            program.write_text("compose v2")
            machine.compose = (0, "2.26.1-4", "")
        return answer(line)

    machine.answer = fetching  # type: ignore[method-assign]
    machine.ensure()
    installed = tmp_path / "plugins/docker-compose"
    assert installed.read_text() == "compose v2"
    assert installed.stat().st_mode & 0o777 == 0o755
    assert str(installed) in machine.said[0]


def test_package_manager_that_fails_ends_it_with_its_own_words(tmp_path: Path) -> None:
    machine = Machine(tmp_path, clients=(), has_daemon=False)
    machine.answer = lambda line: (100, "", "E: Unable to locate package docker.io")  # type: ignore[method-assign]
    with pytest.raises(NotReadyError, match="Unable to locate package"):
        machine.ensure()
