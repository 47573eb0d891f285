"""Nodes as services of hosts. The ssh on PATH is ours: it runs each command here, beside a systemctl that
keeps services in files, so that what is tested are the very words that a host's shell would be told."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from warren import process
from warren.errors import DeadlineError, NotReadyError
from warren.runtime import shipped, ssh, ssh_login, units
from warren.runtime.host_login import Login
from warren.runtime.protocol import Ability, Joined, MemoryLimit, NodeState
from warren.runtime.ssh import SshRuntime
from warren.runtime.ssh_login import Ssh
from warren.topology import Topology
from warren.wait import Clock

PROGRAMS = Path(__file__).parent / "host_programs"
SECRET = "a-password-that-nobody-may-see"
ADDRESSES = {"rmq1": "192.0.2.11", "rmq2": "192.0.2.12", "rmq3": "192.0.2.13"}


class Hosts:
    """Three hosts whose brokers run, each a folder of files that the programs read and write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for address in ADDRESSES.values():
            group = folder / address / "group"
            group.mkdir(parents=True)
            (group / "cgroup.events").write_text("populated 1\nfrozen 0\n")
            self.set(address, units.BROKER, **self.running(address))

    def running(self, address: str) -> dict[str, str]:
        return {
            "LoadState": "loaded",
            "ActiveState": "active",
            "SubState": "running",
            "MainPID": "100",
            "ControlGroup": f"/../../..{self.folder / address / 'group'}",
            "CPUQuotaPerSecUSec": "infinity",
            "MemoryMax": "1073741824",
            "MemorySwapMax": "infinity",
        }

    def file(self, node: str, name: str) -> Path:
        return self.folder / ADDRESSES[node] / name

    def units(self, node: str) -> dict[str, dict[str, str]]:
        return {
            unit.name: {each.name: each.read_text().removesuffix("\n") for each in unit.iterdir()}
            for unit in self.file(node, "units").iterdir()
        }

    def set(self, address: str, unit: str, **properties: str) -> None:
        folder = self.folder / address / "units" / unit
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in properties.items():
            (folder / key).write_text(f"{value}\n")

    def broker(self, node: str, **properties: str) -> None:
        self.set(ADDRESSES[node], units.BROKER, **properties)

    def said(self, node: str, name: str = "systemctl") -> list[str]:
        path = self.file(node, name)
        return path.read_text().splitlines() if path.exists() else []

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    folder = tmp_path / "hosts"
    monkeypatch.setenv("FAKE_HOSTS", str(folder))
    monkeypatch.setenv("PATH", f"{PROGRAMS}:{os.environ['PATH']}")
    return Hosts(folder)


@pytest.fixture
def logins() -> dict[str, Login]:
    return {name: Login(name=name, address=address, user="deploy") for name, address in ADDRESSES.items()}


@pytest.fixture
def runtime(deployed: Topology, hosts: Hosts, logins: dict[str, Login]) -> SshRuntime:
    time = [0.0]

    def sleep(duration_s: float) -> None:
        time[0] += duration_s

    caller = Ssh(logins=logins, sockets=Path("/run/warren-test"), run=process.run)
    return SshRuntime(ssh=caller, topology=deployed, clock=Clock(now=lambda: time[0], sleep=sleep))


def test_states_are_systemds_and_the_kernels_words(runtime: SshRuntime, hosts: Hosts) -> None:
    hosts.file("rmq1", "group/cgroup.events").write_text("populated 1\nfrozen 1\n")
    hosts.broker("rmq2", ActiveState="failed", MainPID="0", ControlGroup="")
    hosts.broker("rmq3", LoadState="not-found", ActiveState="inactive", MainPID="0", ControlGroup="")
    assert runtime.states() == {
        "rmq1": NodeState.PAUSED,
        "rmq2": NodeState.STOPPED,
        "rmq3": NodeState.ABSENT,
    }


def test_state_of_one_node_is_asked_of_its_own_host(runtime: SshRuntime, hosts: Hosts) -> None:
    """Unless that is not reached: then an answer of another says that the network is not to blame."""
    refused = "ssh: connect to host 192.0.2.12 port 22: No route to host\n"
    hosts.file("rmq2", "refuses").write_text(refused)
    assert runtime.state_of("rmq1") is NodeState.RUNNING
    assert runtime.state_of("rmq2") is NodeState.ABSENT
    assert runtime.state_of("rmq9") is NodeState.ABSENT
    hosts.file("rmq3", "refuses").write_text(refused)
    assert runtime.state_of("rmq1") is NodeState.RUNNING
    hosts.file("rmq1", "refuses").write_text(refused)
    with pytest.raises(NotReadyError, match="No route to host"):
        runtime.state_of("rmq1")


def test_service_that_died_frozen_is_stopped(runtime: SshRuntime, hosts: Hosts) -> None:
    hosts.file("rmq1", "group/cgroup.events").write_text("populated 0\nfrozen 1\n")
    hosts.broker("rmq1", ActiveState="failed", MainPID="0")
    assert runtime.states()["rmq1"] is NodeState.STOPPED


def test_host_that_is_not_reached_hides_no_other(runtime: SshRuntime, hosts: Hosts) -> None:
    hosts.file("rmq2", "refuses").write_text("ssh: connect to host 192.0.2.12 port 22: No route to host\n")
    assert runtime.states()["rmq2"] is NodeState.ABSENT
    assert runtime.states()["rmq3"] is NodeState.RUNNING
    with pytest.raises(NotReadyError, match="No route to host"):
        runtime.process_id("rmq2")


def test_hosts_of_which_none_is_reached_are_no_empty_cluster(runtime: SshRuntime, hosts: Hosts) -> None:
    for node in ADDRESSES:
        hosts.file(node, "refuses").write_text("Host key verification failed.\r\n")
    with pytest.raises(NotReadyError, match="its key is not the one that is known") as caught:
        runtime.states()
    assert "known_hosts" in caught.value.remedy


@pytest.mark.parametrize("frozen", [0, 1])
def test_killed_service_stays_down(runtime: SshRuntime, hosts: Hosts, frozen: int) -> None:
    """systemd starts a broker anew that was killed, unless it is told that this was meant; and it kills none
    that is frozen."""
    hosts.file("rmq1", "group/cgroup.events").write_text(f"populated 1\nfrozen {frozen}\n")
    runtime.kill("rmq1")
    assert hosts.units("rmq1")[units.BROKER]["ActiveState"] == "inactive"
    assert runtime.states()["rmq1"] is NodeState.STOPPED
    acts = [line.split()[0] for line in hosts.said("rmq1") if not line.startswith("show")]
    assert acts == [*(["thaw"] if frozen else []), "kill", "stop"]
    assert "--kill-whom=all --signal=SIGKILL" in "".join(hosts.said("rmq1"))


def test_kill_of_what_does_not_run_does_nothing(runtime: SshRuntime, hosts: Hosts) -> None:
    hosts.broker("rmq1", ActiveState="inactive", MainPID="0", ControlGroup="")
    runtime.kill("rmq1")
    assert all(line.startswith("show") for line in hosts.said("rmq1"))


def test_pause_is_seen_to_hold_and_is_undone(runtime: SshRuntime, hosts: Hosts) -> None:
    for _ in range(2):
        runtime.pause("rmq1")
        assert runtime.states()["rmq1"] is NodeState.PAUSED
    for _ in range(2):
        runtime.unpause("rmq1")
        assert runtime.states()["rmq1"] is NodeState.RUNNING
    acts = [line.split()[0] for line in hosts.said("rmq1") if not line.startswith("show")]
    assert acts == ["freeze", "thaw"]


def test_pause_that_freezes_nothing_is_no_pause(runtime: SshRuntime, hosts: Hosts) -> None:
    hosts.file("rmq1", "freezes-nothing").touch()
    with pytest.raises(NotReadyError, match="rmq1: was not frozen: it is running"):
        runtime.pause("rmq1")


def test_start_returns_with_a_process_before_the_broker_is_ready(runtime: SshRuntime, hosts: Hosts) -> None:
    runtime.kill("rmq1")
    runtime.start("rmq1")
    assert runtime.process_id("rmq1") == 4711
    assert hosts.units("rmq1")[units.BROKER]["ActiveState"] == "activating"
    runtime.start("rmq1")
    assert sum("start --no-block" in line for line in hosts.said("rmq1")) == 1


def test_start_that_starts_nothing_says_what_the_service_said(
    runtime: SshRuntime, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "_STARTS_S", 1.0)
    runtime.kill("rmq1")
    hosts.file("rmq1", "starts-nothing").touch()
    with pytest.raises(DeadlineError, match="has no process; it says: what it said last"):
        runtime.start("rmq1")


def test_stop_is_asked_for_and_after_its_grace_forced(runtime: SshRuntime, hosts: Hosts) -> None:
    runtime.stop("rmq2", grace_s=5)
    assert not any("SIGKILL" in line for line in hosts.said("rmq2"))
    hosts.file("rmq1", "stop-hangs").touch()
    runtime.stop("rmq1", grace_s=1)
    assert runtime.states()["rmq1"] is runtime.states()["rmq2"] is NodeState.STOPPED
    assert any("SIGKILL" in line for line in hosts.said("rmq1"))


def test_stop_lets_a_frozen_service_go_on_first(runtime: SshRuntime, hosts: Hosts) -> None:
    runtime.pause("rmq1")
    runtime.stop("rmq1", grace_s=5)
    acts = [line.split()[0] for line in hosts.said("rmq1") if not line.startswith("show")]
    assert acts == ["freeze", "thaw", "stop"]


def test_command_runs_as_the_broker_with_its_arguments_whole(runtime: SshRuntime, hosts: Hosts) -> None:
    argv = ["printf", "%s|", "a b", "$HOME;", "'\"`x`", "", "-n"]
    done = runtime.execute("rmq1", argv, timeout_s=5)
    assert done.stdout == "a b|$HOME;|'\"`x`||-n|"
    assert done.argv == tuple(argv)
    assert hosts.said("rmq1", "became") == ["rabbitmq in /"]


def test_command_says_how_it_ended(runtime: SshRuntime) -> None:
    done = runtime.execute("rmq1", ["sh", "-c", "echo no >&2; exit 65"], timeout_s=5)
    assert (done.returncode, done.reason()) == (65, "no")


def test_tools_of_the_network_are_roots(runtime: SshRuntime, hosts: Hosts) -> None:
    done = runtime.in_network("rmq1", ["cat"], timeout_s=5, stdin=b"table inet t {}")
    assert done.stdout == "table inet t {}"
    assert hosts.said("rmq1", "became") == ["root in /"]


def test_secret_goes_by_standard_input_and_is_in_no_argument(runtime: SshRuntime, hosts: Hosts) -> None:
    runtime.execute("rmq1", ["cat"], timeout_s=5, stdin=SECRET.encode())
    assert SECRET not in "\n".join(hosts.calls)


def test_command_that_does_not_end_is_ended_on_the_host(runtime: SshRuntime, tmp_path: Path) -> None:
    late = tmp_path / "late"
    with pytest.raises(DeadlineError, match="rmq1: sh: did not end within 1 s"):
        runtime.execute("rmq1", ["sh", "-c", f"sleep 2; touch {late}"], timeout_s=1)
    process.run(["sleep", "1.5"], timeout_s=5)
    assert not late.exists()


def test_host_that_says_nothing_has_a_deadline(
    runtime: SshRuntime, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_login, "_SLACK_S", 0.2)
    hosts.file("rmq1", "hangs").touch()
    with pytest.raises(DeadlineError, match="rmq1: ssh: no answer within"):
        runtime.execute("rmq1", ["true"], timeout_s=1)


@pytest.mark.parametrize(
    ("said", "what", "remedy"),
    [
        ("deploy@192.0.2.11: Permission denied (publickey).", "lets nobody in", "private_key_file"),
        ("ssh: connect to host 192.0.2.11 port 22: Connection refused", "Connection refused", "is up"),
        ("something new", "ssh: something new", ""),
    ],
)
def test_why_a_host_is_not_reached_is_told(
    runtime: SshRuntime, hosts: Hosts, said: str, what: str, remedy: str
) -> None:
    hosts.file("rmq1", "refuses").write_text(said)
    with pytest.raises(NotReadyError) as caught:
        runtime.execute("rmq1", ["true"], timeout_s=5)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_account_that_may_not_become_another_is_told(runtime: SshRuntime, hosts: Hosts) -> None:
    hosts.file("rmq1", "no-sudo").touch()
    with pytest.raises(NotReadyError, match="rmq1: deploy may not act as others there") as caught:
        runtime.pause("rmq1")
    assert "NOPASSWD" in caught.value.remedy


def test_keys_are_checked_and_connections_kept(runtime: SshRuntime, hosts: Hosts) -> None:
    runtime.process_id("rmq1")
    call = hosts.calls[0]
    for option in ("StrictHostKeyChecking=yes", "BatchMode=yes", "ControlPath=/run/warren-test/%C"):
        assert f"-o {option} " in call
    assert "-p 22 -l deploy -- 192.0.2.11" in call


def test_options_of_the_inventory_come_after_ours_so_that_ours_hold(
    deployed: Topology, hosts: Hosts, tmp_path: Path
) -> None:
    """ssh takes the first value that it gets for an option."""
    login = Login(
        name="rmq1",
        address="192.0.2.11",
        port=2222,
        key="/k",
        options=("-o", "StrictHostKeyChecking=ask", "-J", "jump"),
    )
    deep = tmp_path / ("x" * 80)
    runtime = SshRuntime(ssh=Ssh(logins={"rmq1": login}, sockets=deep, run=process.run), topology=deployed)
    runtime.process_id("rmq1")
    (call, *_) = hosts.calls
    assert call.index("StrictHostKeyChecking=yes") < call.index("StrictHostKeyChecking=ask")
    assert "-J jump -p 2222 -i /k -- 192.0.2.11" in call
    assert "ControlPath" not in call


def test_what_is_joined_goes_on_and_is_parted_from(runtime: SshRuntime, hosts: Hosts) -> None:
    for _ in range(2):  # the second in place of the first
        runtime.join("rmq2", "latency-1/a", ["python3", "-m", "chaos.delay", '{"delay_ms": 5}'])
    assert runtime.joined() == (Joined(fault="latency-1/a", node="rmq2", is_running=True),)
    assert runtime.joined_said("latency-1/a") == "what it said last"
    (name,) = (each for each in hosts.units("rmq2") if each != units.BROKER)
    assert hosts.said("rmq2", "journalctl.arguments") == [
        f"--quiet --output=cat --lines=1 _SYSTEMD_UNIT={name}"
    ]
    argv = hosts.units("rmq2")[name]["argv"].split("\n")
    assert argv[-4:] == ["python3", "-m", "chaos.delay", '{"delay_ms": 5}']
    assert "--setenv=PYTHONPATH=/run/warren/latency-1/a" in argv
    hosts.set(ADDRESSES["rmq2"], name, SubState="exited")
    assert not runtime.joined()[0].is_running
    for _ in range(2):
        runtime.part("latency-1/a")
    assert runtime.joined() == ()
    assert "-rf /run/warren/latency-1/a" in hosts.said("rmq2", "removed")
    with pytest.raises(NotReadyError, match="nothing is joined"):
        runtime.joined_said("latency-1/a")


def test_package_is_sent_with_all_that_it_needs_of_ours() -> None:
    with tarfile.open(fileobj=io.BytesIO(shipped.archive("chaos.delay"))) as archive:
        names = set(archive.getnames())
    assert {"chaos/__init__.py", "chaos/delay/__init__.py", "chaos/delay/__main__.py"} <= names
    assert not any("faults" in name for name in names)


def test_sent_package_runs_with_nothing_else(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(shipped.archive("chaos.delay"))) as archive:
        archive.extractall(tmp_path, filter="data")
    script = "import chaos.delay.table, chaos.delay.line, chaos.delay.queue, chaos; print(chaos.__file__)"
    done = process.run(["env", f"PYTHONPATH={tmp_path}", "python3", "-SPc", script], timeout_s=20)
    assert done.stdout.strip() == str(tmp_path / "chaos/__init__.py"), done.stderr


@pytest.mark.parametrize("fault", ["kill-1a2b", "latency-1/a", "x y@z", "\\x41"])
def test_faults_name_survives_systemds_quoting(fault: str) -> None:
    assert units.fault_of(units.joined_unit(fault)) == fault


@pytest.mark.parametrize(
    ("shown", "cores"), [("infinity", 0.0), ("100ms", 0.1), ("1s 500ms", 1.5), ("2s", 2.0), ("5min", 300.0)]
)
def test_share_of_the_processor_is_read(runtime: SshRuntime, hosts: Hosts, shown: str, cores: float) -> None:
    hosts.broker("rmq1", CPUQuotaPerSecUSec=shown)
    assert runtime.cpu_limit("rmq1") == cores


@pytest.mark.parametrize(("cores", "quota"), [(0.1, "10%"), (1.5, "150%"), (0.0, "")])
def test_share_of_the_processor_is_set(runtime: SshRuntime, hosts: Hosts, cores: float, quota: str) -> None:
    runtime.limit_cpu("rmq1", cores)
    assert f"set-property --runtime {units.BROKER} CPUQuota={quota}" in hosts.said("rmq1")


@pytest.mark.parametrize(
    ("limit", "memory", "swap"),
    [
        ((300, 300), "300", "0"),
        ((300, 500), "300", "200"),
        ((300, 0), "300", "infinity"),
        ((0, 0), *["infinity"] * 2),
    ],
)
def test_memory_limit_is_set_and_read_back(
    runtime: SshRuntime, hosts: Hosts, limit: tuple[int, int], memory: str, swap: str
) -> None:
    wanted = MemoryLimit(memory_bytes=limit[0], with_swap_bytes=limit[1])
    runtime.limit_memory("rmq1", wanted)
    found = hosts.units("rmq1")[units.BROKER]
    assert (found["MemoryMax"], found["MemorySwapMax"]) == (memory, swap)
    assert runtime.memory_limit("rmq1") == wanted


def test_limit_that_no_kernel_would_enforce_is_lacking(runtime: SshRuntime, hosts: Hosts) -> None:
    for node in ADDRESSES:
        hosts.file(node, "group/memory.max").touch()
    assert not runtime.lacks(Ability.LIMIT_MEMORY)
    hosts.file("rmq1", "group/cpu.max").touch()
    assert "of rmq2, rmq3 have no processor controller" in runtime.lacks(Ability.LIMIT_CPU)


@pytest.mark.parametrize("ability", [Ability.DETACH, Ability.HELPERS, Ability.DISK])
def test_what_hosts_do_not_have_is_said(runtime: SshRuntime, ability: Ability) -> None:
    assert "hosts" in runtime.lacks(ability) or "a host" in runtime.lacks(ability)


def test_acts_that_hosts_do_not_have_are_refused(runtime: SshRuntime, hosts: Hosts) -> None:
    with pytest.raises(NotReadyError, match="taken from its network"):
        runtime.detach("rmq1")
    with pytest.raises(NotReadyError, match="no place"):
        runtime.start_helper("poison-1", ["-m", "x"], stdin=b"{}")
    assert (runtime.helpers("fault"), runtime.is_detached("rmq1")) == ((), False)
    runtime.attach("rmq1", "")
    runtime.remove_helper("poison-1")
    assert not (hosts.folder / "calls").exists()


def test_addresses_are_the_inventorys_for_us_and_the_others_for_nodes(
    runtime: SshRuntime, hosts: Hosts
) -> None:
    hosts.file("rmq1", "names").write_text("10.9.8.7 STREAM rmq2\n10.9.8.7 DGRAM rmq2\n")
    assert runtime.address("rmq2", "amqps") == ("192.0.2.12", 5671)
    assert runtime.network_address("rmq2") == "10.9.8.7"
    with pytest.raises(NotReadyError, match="rmq1 knows no address"):
        runtime.network_address("rmq3")
    assert runtime.control_ports("rmq1") == (22,)


def test_last_lines_are_the_journals(runtime: SshRuntime, hosts: Hosts) -> None:
    assert runtime.logs("rmq1", lines=7) == "what it said last\n"
    (arguments,) = hosts.said("rmq1", "journalctl.arguments")
    assert {"--lines=7", f"--unit={units.BROKER}"} <= set(arguments.split())


def test_look_takes_one_command_a_host(runtime: SshRuntime, hosts: Hosts) -> None:
    states: Mapping[str, NodeState] = runtime.states()
    assert set(states.values()) == {NodeState.RUNNING}
    assert len([line for line in hosts.calls if " -- 192.0.2." in line]) == 3
