"""Every operation on three hosts that the collection has provisioned, while load runs on the third of them.

Nothing confirmed is lost, ever; where the operation promises it, no publish fails. The tests go on from each
other, in their order; the last plays site.yml again, which must find nothing to change: operations leave
hosts as Ansible would have them. Times and figures go into operations-on-hosts.json, in the folder that
WARREN_TEST_RECORDS names, if it does (docs/figures; then ``make docs`` puts them into docs/operations.md). It
takes half an hour.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.provisioning import NAME, NODES, Fleet
from warren.console import silent
from warren.context import Context, open_context
from warren.errors import NotReadyError
from warren.operating import catalogue, certificates, record, wiring
from warren.operating.model import Site
from warren.runtime.protocol import NodeState
from warren.secrets import COOKIE
from warren.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.full, pytest.mark.timeout(2400)]
#: Where load runs: see PLACES of `tests.hosts.provisioning`.
_LOADER, _RUNS = "rmq3", "/var/lib/warren"
_RATE_PER_S = 50
_LONGEST, _AROUND_S, _JUDGED_S, _OPERATION_S = "40m", 5.0, 240.0, 1800.0
#: A busy machine is no fault of an operation's.
_CALM = ("--set", "tolerances.self_lag_p99_s=2", "--set", "tolerances.failed_publishes=1000000")
#: Prints its own process first, by which it is interrupted.
_LOAD = f'echo $$ > {_RUNS}/load.pid; exec warren-load work "$@"'
RECORDED: dict[str, Any] = {}


def _let_load_in(data: dict[str, Any]) -> None:
    """Load on hosts runs as one account: that one may do what the profile's accounts do."""
    (orders,) = [vhost for vhost in data["vhosts"] if vhost["name"] == "/orders"]
    orders["permissions"].append({"user": "load", "write": "^orders\\.direct$", "read": "^orders\\."})


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The hosts, provisioned, and removed in the end whatever happened."""
    made = Fleet(folder=tmp_path_factory.mktemp("operate"))
    try:
        made.prepare(_let_load_in)
        first = made.play()
        assert first.returncode == 0, first.text[-6000:]
        yield made
    finally:
        made.warren("hosts", "down")
        if folder := os.environ.get("WARREN_TEST_RECORDS"):
            path = Path(folder, "operations-on-hosts.json")
            content = {"schema": 1, "operations": dict(sorted(RECORDED.items()))}
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def hosts(fleet: Fleet) -> Path:
    return fleet.one_inventory()


@pytest.fixture
def context(fleet: Fleet, hosts: Path) -> Context:
    """What a command with ``--hosts`` works with, opened anew for each test."""
    env = {**fleet.env, "WARREN_HOSTS": str(hosts)}
    return open_context(silent, topology_path=fleet.folder / "topology.yml", env=env)


@pytest.fixture
def site(context: Context) -> Site:
    return wiring.site_of(context)


def operate(fleet: Fleet, hosts: Path, *words: str) -> dict[str, Any]:
    """Run one operation to its end as a user types it, and give its result."""
    path = fleet.folder / f"{words[0]}.json"
    more = ("--hosts", str(hosts), "--yes", "--json", str(path))
    fleet.warren("cluster", *words, *more, timeout_s=_OPERATION_S)
    assert not (fleet.state / "operation.json").exists()
    return dict(json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def load(fleet: Fleet) -> Iterator[dict[str, Any]]:
    """The work profile on its host while the block runs; what it yields has the result afterwards."""
    result: dict[str, Any] = {}
    path = f"{_RUNS}/result.json"
    fleet.inside(_LOADER, "rm", "-f", path)
    arguments = ["--rate", str(_RATE_PER_S), "--duration", _LONGEST, "--json", path, *_CALM]
    container = f"{NAME}-hosts-{_LOADER}"
    command = ["docker", "exec", "--user", "warren", container, "sh", "-c", _LOAD, "load", *arguments]
    output = fleet.folder / "load.out"
    with output.open("w") as out:
        run = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:

        def publishes() -> None:
            assert run.poll() is None, output.read_text()
            if "publish  published" not in output.read_text():
                raise NotReadyError("the run", "does not publish yet")

        until(publishes, what="the run to publish", deadline_s=120)
        time.sleep(_AROUND_S)
        yield result
        time.sleep(_AROUND_S)
        assert run.poll() is None, output.read_text()[-3000:]
    finally:
        fleet.inside(_LOADER, "sh", "-c", f"kill -INT $(cat {_RUNS}/load.pid)")
        run.wait(timeout=_JUDGED_S)
    done = fleet.inside(_LOADER, "cat", path)
    assert done.returncode == 0, output.read_text()[-3000:]
    result.update(json.loads(done.stdout))


def under_load(fleet: Fleet, hosts: Path, *words: str, may_fail: bool = False) -> dict[str, Any]:
    """Run an operation under load; nothing is lost, and unless it ``may_fail`` no publish fails. Returns the
    load's result."""
    with load(fleet) as result:
        operation = operate(fleet, hosts, *words)
    note(" ".join(words[:1]), operation, result)
    assert result["ledger"]["lost"] == result["ledger"]["unexpected"] == 0, result["reasons"]
    assert result["ledger"]["published"] > _RATE_PER_S * _AROUND_S
    if not may_fail:
        assert result["availability"]["failed_publishes"] == 0
    return result


def note(name: str, operation: dict[str, Any], result: dict[str, Any]) -> None:
    ledger, availability = result["ledger"], result["availability"]
    RECORDED[name] = {
        "seconds": operation["seconds"],
        "steps": len(operation["steps"]),
        "confirmed": ledger["confirmed"],
        "lost": ledger["lost"],
        "failed_publishes": availability["failed_publishes"],
        "confirm_gap_max_s": availability["confirm_gap_max_s"],
        "delivery_gap_max_s": availability["delivery_gap_max_s"],
        "links_lost": result["traffic"]["links_lost"],
    }
    print(f"{name}: {RECORDED[name]}")  # noqa: T201 - shown by pytest -rA


def processes(site: Site) -> dict[str, int | None]:
    return {node: site.runtime.process_id(node) for node in site.nodes}


def modes(fleet: Fleet) -> dict[str, str]:
    """Owner and mode of everything that operations give a node, by host."""
    look = "stat -c '%n %U:%G %a' /etc/rabbitmq/tls/* /etc/rabbitmq/*.conf /var/lib/rabbitmq/.erlang.cookie"
    return {node: fleet.inside(node, "sh", "-c", look).stdout for node in NODES}


def test_rebalance(fleet: Fleet, hosts: Path) -> None:
    assert under_load(fleet, hosts, "rebalance")["traffic"]["links_lost"] == 0


def test_playbook_drains_and_revives(fleet: Fleet, hosts: Path, context: Context) -> None:
    """With check mode first, which changes nothing."""
    node = ("-e", "operation_node=rmq2")
    shown = fleet.play("--check", *node, playbook="playbooks/drain.yml")
    assert (shown.returncode, sum(shown.changed.values())) == (0, 1), shown.text[-3000:]
    assert "rmq2: draining it" in shown.text
    context.gate.check()
    with load(fleet) as result:
        drained = fleet.play(*node, playbook="playbooks/drain.yml")
        assert (drained.returncode, sum(drained.changed.values())) == (0, 1), drained.text[-3000:]
        again = fleet.play(*node, playbook="playbooks/drain.yml")
        assert (again.returncode, sum(again.changed.values())) == (0, 0), again.text[-3000:]
        assert fleet.play(*node, playbook="playbooks/revive.yml").returncode == 0
    assert result["ledger"]["lost"] == result["availability"]["failed_publishes"] == 0, result["reasons"]
    context.gate.check()
    under_load(fleet, hosts, "drain", "rmq2")
    under_load(fleet, hosts, "revive", "rmq2")


def test_enable_feature_flags(fleet: Fleet, hosts: Path) -> None:
    assert operate(fleet, hosts, "enable-feature-flags")["steps"] == []


def test_rotate_certificates(fleet: Fleet, hosts: Path, site: Site) -> None:
    before, running, owners = certificates.serials(site, "cluster"), processes(site), modes(fleet)
    found = under_load(fleet, hosts, "rotate-certificates")
    for node in site.nodes:
        shown = {certificates.shown(site, node, port) for port in site.topology.node_ports}
        assert shown == {site.pki.serial("cluster", node)}
        assert str(shown.pop()) != before[node]
    assert processes(site) == running, "no node was restarted"
    assert modes(fleet) == owners
    assert found["traffic"]["links_lost"] == 0


def test_rotate_inter_node_certificates(fleet: Fleet, hosts: Path, site: Site) -> None:
    before, running = certificates.serials(site, "inter-node"), processes(site)
    under_load(fleet, hosts, "rotate-inter-node-certificates")
    for node in site.nodes:
        assert str(certificates.shown_inside(site, node)) != before[node]
    assert processes(site) == running, "no node was restarted"


def test_rotate_cookie(fleet: Fleet, hosts: Path, site: Site) -> None:
    before, running, owners = site.secrets.read(COOKIE), processes(site), modes(fleet)
    under_load(fleet, hosts, "rotate-cookie")
    assert site.secrets.read(COOKIE) != before
    assert processes(site) == running, "no node was restarted"
    assert modes(fleet) == owners
    for node in NODES:
        there = fleet.inside(node, "cat", "/var/lib/rabbitmq/.erlang.cookie").stdout.strip()
        assert there == site.secrets.read(COOKIE)


def test_restart(fleet: Fleet, hosts: Path, site: Site) -> None:
    """Nodes link anew, with the cookie and the certificates that were rotated before."""
    before = processes(site)
    under_load(fleet, hosts, "restart")
    assert all(now not in (None, before[node]) for node, now in processes(site).items())


def test_grace_beyond_the_units_is_refused(fleet: Fleet, hosts: Path, site: Site) -> None:
    before = processes(site)
    done = fleet.try_warren("cluster", "restart", "--grace", "1800", "--hosts", str(hosts), "--yes")
    assert done.returncode == 2, done.stderr
    assert "is killed by systemd 600 s after SIGTERM" in done.stderr
    assert processes(site) == before


def test_rotate_passwords(fleet: Fleet, hosts: Path, site: Site, context: Context) -> None:
    before = site.secrets.read("orders-shop")
    under_load(fleet, hosts, "rotate-password", "orders-shop")
    assert site.secrets.read("orders-shop") != before
    under_load(fleet, hosts, "rotate-password", site.topology.account("monitoring").name)
    scraped(context)


def scraped(context: Context) -> None:
    """Every target of Prometheus, which has what it was given."""

    def all_up() -> None:
        targets = [each for each in context.prometheus.targets() if each.job != "load"]
        if down := [f"{each.job}: {each.error}" for each in targets if each.health != "up"]:
            raise NotReadyError("Prometheus", "; ".join(down))

    until(all_up, what="every scrape", deadline_s=120, every_s=3)


def test_rotate_authority(fleet: Fleet, hosts: Path, context: Context, site: Site, tmp_path: Path) -> None:
    former = tmp_path / "former.pem"
    former.write_bytes(site.pki.authority("cluster").certificate.read_bytes())
    running = processes(site)
    operate(fleet, hosts, "rotate-authority")
    under_load(fleet, hosts, "rotate-authority", "--phase", "sign")
    operate(fleet, hosts, "rotate-authority", "--phase", "drop")
    with pytest.raises(NotReadyError, match="refused"):
        site.serial(former, *site.runtime.address("rmq1", "amqps"), "rmq1")
    assert processes(site) == running, "no node was restarted"
    scraped(open_again(fleet, hosts))


def open_again(fleet: Fleet, hosts: Path) -> Context:
    env = {**fleet.env, "WARREN_HOSTS": str(hosts)}
    return open_context(silent, topology_path=fleet.folder / "topology.yml", env=env)


def test_backup_and_restore_of_definitions(fleet: Fleet, hosts: Path, context: Context) -> None:
    file = fleet.folder / "definitions.json"
    under_load(fleet, hosts, "backup-definitions", str(file))
    context.management.delete("exchanges", "/users", "users.dlx")
    under_load(fleet, hosts, "restore-definitions", str(file))
    assert context.management.get("exchanges", "/users", "users.dlx")["type"] == "fanout"


def test_stop_all_and_start_all(fleet: Fleet, hosts: Path, site: Site) -> None:
    with load(fleet) as result:
        stopped = operate(fleet, hosts, "stop-all")
        assert set(site.runtime.states().values()) == {NodeState.STOPPED}
        started = operate(fleet, hosts, "start-all")
    note("stop-all", stopped, result)
    note("start-all", started, result)
    assert result["ledger"]["lost"] == result["ledger"]["unexpected"] == 0, result["reasons"]


def test_backup_of_data_and_its_restore(fleet: Fleet, hosts: Path, context: Context) -> None:
    """Messages of the time of the copy are there again, and those that came after it are not."""
    folder, queue = fleet.folder / "copy", ("/orders", "orders.audit")
    context.management.delete("queues", *queue, "contents")
    publish(context, *queue, count=7)
    owners = modes(fleet)
    operate(fleet, hosts, "backup-data", str(folder))
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    publish(context, *queue, count=5)
    operate(fleet, hosts, "restore-data", str(folder))
    assert modes(fleet) == owners

    def as_then() -> None:
        if (count := context.management.queue(*queue).messages) != 7:
            raise NotReadyError("orders.audit", f"has {count} messages")

    until(as_then, what="the messages of then", deadline_s=60)


def publish(context: Context, vhost: str, queue: str, *, count: int) -> None:
    for number in range(count):
        body = {"properties": {"delivery_mode": 2}, "routing_key": queue, "payload": f"{number}"}
        path = ("exchanges", vhost, "amq.default", "publish")
        assert context.management.post(*path, body={**body, "payload_encoding": "string"})["routed"]


def test_replace_node(fleet: Fleet, hosts: Path, context: Context, site: Site) -> None:
    before = processes(site)
    under_load(fleet, hosts, "replace-node", "rmq2")
    now = processes(site)
    assert (now["rmq1"], now["rmq3"]) == (before["rmq1"], before["rmq3"])
    context.gate.check()


def test_forget_a_dead_node_and_make_it_anew(fleet: Fleet, hosts: Path, context: Context, site: Site) -> None:
    running = fleet.try_warren("cluster", "forget-node", "rmq1", "--hosts", str(hosts), "--yes")
    assert running.returncode == 2
    assert "is seen running" in running.stderr
    site.runtime.kill("rmq2")
    under_load(fleet, hosts, "forget-node", "rmq2")
    assert {each.name for each in context.management.nodes()} == {"rabbit@rmq1", "rabbit@rmq3"}
    operate(fleet, hosts, "replace-node", "rmq2")
    context.gate.check()


def test_upgrade(fleet: Fleet, hosts: Path, site: Site) -> None:
    """The same version installed again on each: no step between versions can be had here."""
    look = ("stat", "-c", "%Y", "/var/lib/dpkg/info/rabbitmq-server.list")
    before = {node: int(fleet.inside(node, *look).stdout) for node in NODES}
    running = processes(site)
    under_load(fleet, hosts, "upgrade")
    for node in NODES:
        assert int(fleet.inside(node, *look).stdout) > before[node]
        assert fleet.inside(node, "test", "-e", "/usr/sbin/policy-rc.d").returncode != 0
    assert all(now not in (None, running[node]) for node, now in processes(site).items())


def test_dead_host_stops_what_needs_it_before_anything_is_changed(
    fleet: Fleet, hosts: Path, site: Site
) -> None:
    fleet.engine("kill", "rmq2")
    try:
        done = fleet.try_warren("cluster", "stop-all", "--hosts", str(hosts), "--yes")
        assert done.returncode == 3, done.stderr
        assert "rmq2: ssh: " in done.stderr
        assert record.read(site.state) is None
        assert site.runtime.states()["rmq1"] is NodeState.RUNNING
    finally:
        fleet.engine("start", "rmq2")
        time.sleep(10)
    assert fleet.play("--tags", "rabbitmq").returncode == 0


def test_ansible_finds_nothing_to_change_after_all_that(fleet: Fleet) -> None:
    run = fleet.play()
    changed = [line for line in run.text.splitlines() if line.startswith(("TASK [", "changed:"))]
    assert (run.returncode, sum(run.changed.values())) == (0, 0), "\n".join(changed)[-4000:]


@pytest.mark.parametrize("operation", ["add-node", "remove-node"])
def test_other_nodes_are_ansibles(fleet: Fleet, hosts: Path, site: Site, operation: str) -> None:
    done = fleet.try_warren("cluster", operation, "rmq2,rmq3", "--hosts", str(hosts), "--yes")
    assert done.returncode == 2, done.stderr
    assert "made and taken away by Ansible" in done.stderr
    assert record.read(site.state) is None


#: Carried out on fakes of hosts only (tests/unit/operations/test_on_hosts.py); docs/operations.md says so.
NOT_YET = {"recover-majority", "replace-user"}


def test_every_operation_is_tested_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    missing = {name for name in catalogue.names() if f'"{name}"' not in here}
    assert missing - NOT_YET == set()
