"""Test hosts for real: they come up, let Ansible in, are broken and healed by SSH, and leave nothing behind.

The broker is stood for by a service of its name, which takes no minute to install: what is proven here is
what systemd, the kernel and ssh do.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from warren import process
from warren.console import silent
from warren.context import Context, open_context
from warren.errors import DeadlineError, NotReadyError
from warren.hosts import inventory, upkeep
from warren.hosts.place import of_hosts, places
from warren.runtime import host_inventory
from warren.runtime.engine import find_engine
from warren.runtime.protocol import Ability, NodeState, Runtime
from warren.topology import Topology
from warren.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.full]
_UNIT = """\
[Service]
User=rabbitmq
ExecStart=/bin/sh -c 'echo it runs; while sleep 0.2; do :; done'
Restart=on-failure
RestartSec=1
"""
_INSTALL = """\
id rabbitmq 2>/dev/null || useradd --system rabbitmq
mkdir -p /etc/rabbitmq/tls
cat > /etc/systemd/system/rabbitmq-server.service
systemctl daemon-reload && systemctl start rabbitmq-server"""
_GROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
_TABLE = b"table inet warren_t {\n  chain in {\n    type filter hook input priority 0;\n    counter\n  }\n}\n"


def _apart(topology: Topology) -> Topology:
    """Under a name of the tests' own."""
    return of_hosts(replace(topology, cluster="warren-test"))


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """Three hosts, removed in the end whatever happens."""
    try:
        find_engine(run=process.run)
    except NotReadyError as error:
        pytest.skip(f"no engine: {error.what}")
    if not any((folder / "cgroup.procs").exists() for folder in _GROUPS):
        pytest.skip("this machine has no control groups of version 2")
    env = {"WARREN_STATE": str(tmp_path_factory.mktemp("s"))}
    opened = open_context(silent, named=_apart, env=env)
    try:
        upkeep.up(opened)
        yield opened
    finally:
        upkeep.down(opened)


@pytest.fixture(scope="module")
def runtime(context: Context) -> Runtime:
    """The hosts with a service that stands for the broker."""
    nodes = replace(context, inventory=host_inventory.read(inventory.path(context.state))).nodes
    for node in context.topology.nodes:
        done = nodes.in_network(node.name, ["sh", "-c", _INSTALL], timeout_s=30, stdin=_UNIT.encode())
        assert done.ok, done.stderr
    return nodes


@pytest.fixture(autouse=True)
def _all_run(runtime: Runtime) -> None:
    """Before each test, whatever the one before it left."""
    for node in runtime.states():
        runtime.unpause(node)
        runtime.start(node)
    assert set(runtime.states().values()) == {NodeState.RUNNING}


def test_ansible_gets_in_by_the_inventory_and_may_become_root(context: Context, runtime: Runtime) -> None:
    program = shutil.which("ansible", path=f"{Path(sys.executable).parent}:/usr/bin")
    if program is None:
        pytest.skip("ansible is not installed: make setup-dev")
    where = ["-i", str(inventory.path(context.state)), "rabbitmq", "--become"]
    done = process.run([program, *where, "-m", "ansible.builtin.command", "-a", "id -u"], timeout_s=120)
    assert done.stdout.count("| rc=0 >>\n0") == 3, done.stdout + done.stderr


def test_hosts_find_each_other_by_name(context: Context, runtime: Runtime) -> None:
    for place in places(context.topology):
        assert runtime.network_address(place.name) == place.address


def test_second_up_leaves_hosts_alone(context: Context, runtime: Runtime) -> None:
    before = {node: runtime.process_id(node) for node in runtime.states()}
    assert upkeep.up(context).made == ()
    assert {node: runtime.process_id(node) for node in runtime.states()} == before


def test_host_with_another_key_is_not_talked_to(context: Context, runtime: Runtime) -> None:
    known = context.state.root / "ssh/known_hosts"
    text = known.read_text()
    lines = text.splitlines()
    swapped = lines[0].split()[:1] + lines[1].split()[1:]
    told = replace(context, inventory=host_inventory.read(inventory.path(context.state)))
    apart = replace(told.nodes, ssh=replace(told.nodes.ssh, sockets=Path("/nowhere/" + "x" * 80)))  # type: ignore[type-var,attr-defined]
    try:
        known.write_text(" ".join(swapped) + "\n")
        with pytest.raises(NotReadyError, match="its key is not the one that is known"):
            apart.process_id("rmq1")
    finally:
        known.write_text(text)


def test_killed_service_stays_down_until_it_is_started(runtime: Runtime) -> None:
    before = runtime.process_id("rmq2")
    runtime.kill("rmq2")
    runtime.in_network("rmq2", ["sleep", "2"], timeout_s=10)  # twice as long as systemd waits
    assert runtime.states() == {
        "rmq1": NodeState.RUNNING,
        "rmq2": NodeState.STOPPED,
        "rmq3": NodeState.RUNNING,
    }
    runtime.start("rmq2")
    assert runtime.process_id("rmq2") not in (None, before)


def test_service_that_dies_by_itself_comes_back(runtime: Runtime) -> None:
    """Which shows that the test above proves something."""
    before = runtime.process_id("rmq2")
    runtime.in_network("rmq2", ["kill", "-9", str(before)], timeout_s=10)

    def back() -> None:
        if runtime.process_id("rmq2") in (None, before):
            raise NotReadyError("rmq2", "is not back")

    until(back, what="systemd to start it anew", deadline_s=20)


def test_frozen_service_uses_no_time_until_it_may_go_on(runtime: Runtime) -> None:
    runtime.pause("rmq1")
    assert runtime.states()["rmq1"] is NodeState.PAUSED
    used = [_used(runtime, "rmq1") for _ in range(2)]
    assert used[0] == used[1]
    runtime.unpause("rmq1")
    assert runtime.states()["rmq1"] is NodeState.RUNNING
    assert _used(runtime, "rmq1") > used[1]


def _used(runtime: Runtime, node: str) -> int:
    """Processor time of a node's service in µs, a second from now."""
    stat = f"sleep 1; sed -n 's/^usage_usec //p' {runtime.control_group(node)}/cpu.stat"
    return int(runtime.in_network(node, ["sh", "-c", stat], timeout_s=20).stdout)


def test_frozen_service_can_be_killed(runtime: Runtime) -> None:
    runtime.pause("rmq3")
    runtime.kill("rmq3")
    assert runtime.states()["rmq3"] is NodeState.STOPPED
    runtime.start("rmq3")
    assert runtime.states()["rmq3"] is NodeState.RUNNING


def test_command_runs_as_the_broker_and_late_ones_are_ended(runtime: Runtime) -> None:
    assert runtime.execute("rmq1", ["id", "-un"], timeout_s=10).stdout == "rabbitmq\n"
    with pytest.raises(DeadlineError):
        runtime.execute("rmq1", ["sleep", "77"], timeout_s=1)
    assert not runtime.in_network("rmq1", ["pgrep", "-f", "slee[p] 77"], timeout_s=10).stdout


def test_files_are_the_brokers_alone(runtime: Runtime) -> None:
    runtime.put_files("rmq1", {"tls/server.key": b"k"})
    done = runtime.in_network("rmq1", ["stat", "-c", "%U %a", "/etc/rabbitmq/tls/server.key"], timeout_s=10)
    assert done.stdout == "rabbitmq 400\n"


def test_filter_outlives_the_service_and_is_taken_away(runtime: Runtime) -> None:
    assert runtime.in_network("rmq2", ["nft", "-f", "-"], timeout_s=10, stdin=_TABLE).ok
    runtime.kill("rmq2")
    listed = runtime.in_network("rmq2", ["nft", "list", "tables"], timeout_s=10).stdout
    assert "inet warren_t" in listed
    assert not runtime.network_ends_with_node
    assert runtime.in_network("rmq2", ["nft", "delete", "table", "inet", "warren_t"], timeout_s=10).ok


def test_what_is_joined_goes_on_says_something_and_is_parted_from(runtime: Runtime) -> None:
    runtime.join("rmq1", "t-1", ["sh", "-c", "echo here; exec sleep 600"])
    until(lambda: _said(runtime, "here"), what="its word", deadline_s=20)
    assert [(each.fault, each.node, each.is_running) for each in runtime.joined()] == [("t-1", "rmq1", True)]
    runtime.part("t-1")
    runtime.part("t-1")
    assert runtime.joined() == ()


def _said(runtime: Runtime, wanted: str) -> None:
    if (said := runtime.joined_said("t-1")) != wanted:
        raise NotReadyError("t-1", f"says {said!r}")


def test_limit_is_lacking_exactly_where_the_kernel_has_no_controller(runtime: Runtime) -> None:
    for ability, name in ((Ability.LIMIT_CPU, "cpu.max"), (Ability.LIMIT_MEMORY, "memory.max")):
        path = f"{runtime.control_group('rmq1')}/{name}"
        is_there = runtime.in_network("rmq1", ["test", "-e", path], timeout_s=10).ok
        assert bool(runtime.lacks(ability)) is not is_there


def test_last_lines_are_the_services(runtime: Runtime) -> None:
    assert "it runs" in runtime.logs("rmq1", lines=50)
