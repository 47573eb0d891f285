"""Every operation under load: it runs as a user types it while the work profile publishes at a steady rate.

Nothing confirmed is lost, ever; where the operation promises it, no publish fails. How long nothing was
confirmed or delivered is measured. Figures go to ``operations.json`` beside the state of the test cluster:
`cp` it to docs/figures/operations.json and run ``make docs``: docs/operations.md shows them.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from warren import leaders, maintenance
from warren.errors import NotReadyError
from warren.operating import accounts, catalogue, certificates, record, wiring
from warren.operating.model import Site
from warren.pki import Pair
from warren.secrets import COOKIE
from warren.state import write_atomically

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

_RATE_PER_S = 50
#: Longer than any operation: the run is ended once the operation has.
_LONGEST = "20m"
_OPERATION_S, _JUDGED_S = 900.0, 240.0
#: Publishing goes on so long before and after.
_AROUND_S = 5.0
#: The publishers' account.
_USER = "orders-shop"


@dataclass(frozen=True)
class Outcome:
    """What an operation said of itself (``--json``), and the load's result."""

    operation: dict[str, Any]
    load: dict[str, Any]


@pytest.fixture
def site(cluster: ClusterUnderTest) -> Site:
    return wiring.site_of(cluster.context)


def operate(cluster: ClusterUnderTest, folder: Path, *words: str) -> dict[str, Any]:
    """Run one operation to its end, and give its result."""
    path = folder / f"{words[0]}.json"
    done = cluster.warren(["cluster", *words, "--yes", "--json", str(path)], timeout_s=_OPERATION_S)
    assert done.returncode == 0, done.stderr + done.stdout
    assert record.read(cluster.state) is None
    return dict(json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def load(cluster: ClusterUnderTest, folder: Path) -> Iterator[dict[str, Any]]:
    """The work profile while the block runs; what it yields has the result afterwards."""
    result: dict[str, Any] = {}
    arguments = ["work", "--rate", str(_RATE_PER_S), "--duration", _LONGEST, "--purge"]
    run, path = cluster.begin_load(arguments, folder)
    _publish_on(cluster, run)
    yield result
    _publish_on(cluster, run)
    run.send_signal(signal.SIGINT)
    run.wait(timeout=_JUDGED_S)
    assert path.exists(), (folder / "load.out").read_text(encoding="utf-8")
    result.update(json.loads(path.read_text(encoding="utf-8")))


def _publish_on(cluster: ClusterUnderTest, run: Any) -> None:
    began = datetime.now(UTC)
    cluster.wait_for(
        lambda: (datetime.now(UTC) - began).total_seconds() > _AROUND_S and run.poll() is None,
        "the run to go on",
        2 * _AROUND_S,
    )


def under_load(
    cluster: ClusterUnderTest, folder: Path, *words: str, may_fail: bool = False, way: str = ""
) -> Outcome:
    """Run an operation under load; nothing is lost, and unless it ``may_fail`` no publish fails. ``way``
    tells the figures of one operation from each other that is measured in several ways."""
    with load(cluster, folder) as result:
        operation = operate(cluster, folder, *words)
    ledger = result["ledger"]
    assert ledger["lost"] == ledger["unexpected"] == 0, result["reasons"]
    assert ledger["published"] > _RATE_PER_S * _AROUND_S
    if not may_fail:
        assert result["availability"]["failed_publishes"] == 0
    note(cluster, f"{words[0]} ({way})" if way else words[0], operation, result)
    return Outcome(operation, result)


def note(
    cluster: ClusterUnderTest, name: str, operation: dict[str, Any], result: dict[str, Any] | None = None
) -> None:
    """Into the file that earlier tests have written to; the state's own folder goes with the cluster."""
    path = cluster.state.root.parent / "operations.json"
    known = json.loads(path.read_text(encoding="utf-8"))["operations"] if path.is_file() else {}
    known[name] = {
        "seconds": operation["seconds"],
        "steps": len(operation["steps"]),
        **(_of_load(result) if result else {}),
        "measured_on": datetime.now(UTC).date().isoformat(),
    }
    content = {"schema": 1, "operations": dict(sorted(known.items()))}
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode(), mode=0o644)


def _of_load(result: dict[str, Any]) -> dict[str, Any]:
    availability, ledger = result["availability"], result["ledger"]
    return {
        "rate_per_s": _RATE_PER_S,
        "published": ledger["published"],
        "confirmed": ledger["confirmed"],
        "lost": ledger["lost"],
        "in_doubt": ledger["in_doubt"],
        "duplicates": ledger["duplicates_redelivered"] + ledger["duplicates_unflagged"],
        "failed_publishes": availability["failed_publishes"],
        "confirm_gap_max_s": availability["confirm_gap_max_s"],
        "delivery_gap_max_s": availability["delivery_gap_max_s"],
        "links_lost": result["traffic"]["links_lost"],
    }


def gather_leaders(cluster: ClusterUnderTest, node: str) -> None:
    name = cluster.topology.node(node).erlang_name
    for vhost in cluster.topology.vhosts:
        for queue in vhost.queues:
            leaders.transfer(cluster.runtime, vhost.name, queue.name, node=node, name=name)


def processes(site: Site, nodes: Sequence[str] = ()) -> dict[str, int | None]:
    return {node: site.runtime.process_id(node) for node in nodes or site.nodes}


def test_rebalance(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    gather_leaders(cluster, "rmq1")
    found = under_load(cluster, tmp_path, "rebalance")
    assert found.operation["facts"]["leaders"] != found.operation["facts"]["leaders_before"]
    assert found.load["traffic"]["links_lost"] == 0


@pytest.mark.full
def test_restart(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    before = processes(site)
    under_load(cluster, tmp_path, "restart")
    after = processes(site)
    assert all(after[node] not in (None, before[node]) for node in before)


@pytest.mark.full
def test_drain_and_revive(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    under_load(cluster, tmp_path, "drain", "rmq2")
    led = [queue.name for queue in cluster.management.queues() if queue.leader == "rabbit@rmq2"]
    assert not [name for name in led if not name.startswith("warren.")]
    under_load(cluster, tmp_path, "revive", "rmq2")
    assert "rabbit@rmq2" in {queue.leader for queue in cluster.management.queues()}


@pytest.mark.full
def test_drain_that_was_broken_off_is_put_right(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """Another node dies while queues are given away. What the broker's own revive leaves down is served again
    while that node is dead still, and nothing is stopped any more when it is back."""
    gather_leaders(cluster, "rmq1")
    # Frozen, it is asked to lead and never answers; a dead one may be known to be so.
    cluster.runtime.pause("rmq2")
    drain = ["timeout", "20", "rabbitmq-upgrade", "drain"]
    done = cluster.runtime.execute("rmq1", drain, timeout_s=60)
    cluster.runtime.kill("rmq2")
    assert done.returncode == 124, f"the drain was over before: {done}"
    assert _down(cluster)
    revive = cluster.start(["cluster", "revive", "rmq1", "--yes"], output=tmp_path / "revive.out")
    cluster.wait_for(lambda: not _down(cluster), "every queue to be served again", 60)
    cluster.runtime.start("rmq2")
    assert revive.wait(timeout=_OPERATION_S) == 0, (tmp_path / "revive.out").read_text(encoding="utf-8")
    assert not maintenance.is_left_out(cluster.runtime, "rmq1")


def _down(cluster: ClusterUnderTest) -> list[str]:
    """The queues that a node calls so. The management API goes on to call them running."""
    argv = ["rabbitmqctl", "--silent", "list_queues", "-p", "/orders", "name", "state"]
    done = cluster.runtime.execute("rmq3", argv, timeout_s=60)
    assert done.ok, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines() if line.split()[1:] == ["down"]]


@pytest.mark.full
def test_stop_all_and_start_all(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """Nobody is served meanwhile; what was confirmed before is there afterwards."""
    with load(cluster, tmp_path) as result:
        stopped = operate(cluster, tmp_path, "stop-all")
        started = operate(cluster, tmp_path, "start-all")
    assert result["ledger"]["lost"] == result["ledger"]["unexpected"] == 0, result["reasons"]
    assert result["availability"]["confirm_gap_max_s"] > 1.0, "somebody was served"
    note(cluster, "stop-all", stopped, result)
    note(cluster, "start-all", started, result)


@pytest.mark.full
def test_rotate_certificates(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    before, running = certificates.serials(site, "cluster"), processes(site)
    found = under_load(cluster, tmp_path, "rotate-certificates")
    for node in site.nodes:
        shown = {certificates.shown(site, node, port) for port in site.topology.node_ports}
        assert shown == {site.pki.serial("cluster", node)}
        assert str(shown.pop()) != before[node]
    assert processes(site) == running, "no node was restarted"
    assert found.load["traffic"]["links_lost"] == 0


@pytest.mark.full
def test_rotate_inter_node_certificates(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    before, running = certificates.serials(site, "inter-node"), processes(site)
    found = under_load(cluster, tmp_path, "rotate-inter-node-certificates")
    for node in site.nodes:
        assert str(certificates.shown_inside(site, node)) != before[node]
    assert processes(site) == running, "no node was restarted"
    assert found.load["traffic"]["links_lost"] == 0
    operate(cluster, tmp_path, "restart", "--node", "rmq3")  # it links anew, with the new one


@pytest.mark.full
def test_rotate_password(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    before = cluster.context.secrets.read(_USER)
    found = under_load(cluster, tmp_path, "rotate-password", _USER)
    assert cluster.context.secrets.read(_USER) != before
    assert found.load["traffic"]["links_lost"] == 0, "connections of the former password stay"
    with load(cluster, tmp_path) as again:  # its clients read the new one
        pass
    assert again["ledger"]["lost"] == 0
    plan = cluster.warren(["topology", "plan"])
    assert "the broker has what the topology asks for" in plan.stdout, "nothing would be reverted"


@pytest.mark.full
def test_rotate_password_of_a_service(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    user = cluster.topology.account("monitoring").name
    under_load(cluster, tmp_path, "rotate-password", user, way="the account of a service")
    cluster.wait_for(
        lambda: all(
            each.health == "up" for each in cluster.context.prometheus.targets() if each.job != "load"
        ),
        "every scrape to be let in",
        90,
    )


@pytest.mark.full
def test_replace_user(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    """The publishers' own account gets a second beside it, and nobody sees it; one that nobody is connected
    as is replaced to the end, as the topology is changed for it. All of it put back afterwards."""
    path = Path(cluster.env["WARREN_TOPOLOGY"])
    text = path.read_text(encoding="utf-8")
    idle, second = "users-billing", "users-billing-2"
    found = under_load(cluster, tmp_path, "replace-user", _USER, f"{_USER}-2", way="add")
    assert found.load["traffic"]["links_lost"] == 0
    assert accounts.rights(site, _USER) == accounts.rights(site, f"{_USER}-2")
    cluster.management.delete("users", f"{_USER}-2")
    operate(cluster, tmp_path, "replace-user", idle, second)
    try:
        path.write_text(text.replace(f"{idle},", f"{second},"), encoding="utf-8")
        found = under_load(cluster, tmp_path, "replace-user", idle, second, "--phase", "drop", way="drop")
        assert found.load["traffic"]["links_lost"] == 0
        assert not accounts.is_there(site, idle)
        plan = cluster.warren(["topology", "plan"])
        assert "the broker has what the topology asks for" in plan.stdout, plan.stdout
    finally:
        path.write_text(text, encoding="utf-8")
    cluster.management.delete("users", second)
    done = cluster.warren(["cluster", "up"], timeout_s=300)  # it has the first one again
    assert done.returncode == 0, done.stderr


@pytest.mark.full
def test_rotate_cookie(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    before, running = cluster.context.secrets.read(COOKIE), processes(site)
    found = under_load(cluster, tmp_path, "rotate-cookie")
    assert cluster.context.secrets.read(COOKIE) != before
    assert processes(site) == running, "no node was restarted"
    assert found.load["traffic"]["links_lost"] == 0
    read = ["sh", "-c", "cat /var/lib/rabbitmq/.erlang.cookie"]
    for node in site.nodes:
        done = site.runtime.execute(node, read, timeout_s=30)
        assert done.stdout.strip() == cluster.context.secrets.read(COOKIE)
    operate(cluster, tmp_path, "restart", "--node", "rmq3")  # it links anew, with the new one


@pytest.mark.full
def test_backup_and_restore_of_definitions(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """A queue and an exchange are gone, and a policy differs: all of it comes back."""
    file = tmp_path / "definitions.json"
    under_load(cluster, tmp_path, "backup-definitions", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    management = cluster.management
    management.delete("queues", "/users", "users.report")
    management.delete("exchanges", "/users", "users.dlx")
    policy = {"pattern": "^nothing$", "definition": {"max-length": 1}, "apply-to": "quorum_queues"}
    management.put("policies", "/users", "users-work", body=policy)
    found = under_load(cluster, tmp_path, "restore-definitions", str(file))
    assert found.load["traffic"]["links_lost"] == 0
    plan = cluster.warren(["topology", "plan"])
    assert "the broker has what the topology asks for" in plan.stdout


@pytest.mark.full
def test_replace_node(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    """One that lives, drained first; it has a member of every queue again, all in step."""
    before = processes(site)
    under_load(cluster, tmp_path, "replace-node", "rmq3")
    assert processes(site, ["rmq1", "rmq2"]) == {node: before[node] for node in ("rmq1", "rmq2")}
    names = {node.erlang_name for node in cluster.topology.nodes}
    ours = {queue.name for vhost in cluster.topology.vhosts for queue in vhost.queues}
    for queue in cluster.management.queues():
        assert queue.name not in ours or set(queue.online) == names


@pytest.mark.full
def test_forget_a_dead_node_and_make_it_anew(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    cluster.runtime.kill("rmq3")
    found = under_load(cluster, tmp_path, "forget-node", "rmq3")
    assert found.operation["steps"]
    assert {each.name for each in cluster.management.nodes()} == {"rabbit@rmq1", "rabbit@rmq2"}
    operate(cluster, tmp_path, "replace-node", "rmq3")
    cluster.wait_ready()


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_add_node_and_remove_node(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """From three nodes to five and back, as the topology is changed; the services around follow, and a
    password that was rotated since the first boot stays rotated."""
    operate(cluster, tmp_path, "rotate-password", "users-billing")
    path = Path(cluster.env["WARREN_TOPOLOGY"])
    three = path.read_text(encoding="utf-8")
    last = "    - name: rmq3\n"
    five = three.replace(last, f"{last}    - name: rmq4\n    - name: rmq5\n", 1)
    assert five != three
    try:
        path.write_text(five, encoding="utf-8")
        under_load(cluster, tmp_path, "add-node", "rmq4,rmq5")
        names = {f"rabbit@rmq{number}" for number in range(1, 6)}
        _nodes_are(cluster, names)
        plan = cluster.warren(["topology", "plan"])
        assert "the broker has what the topology asks for" in plan.stdout, plan.stdout
        for queue in cluster.management.queues():
            assert not queue.name.startswith(("orders.", "users.")) or set(queue.online) == names
        path.write_text(three, encoding="utf-8")
        under_load(cluster, tmp_path, "remove-node", "rmq4,rmq5")
        _nodes_are(cluster, {node.erlang_name for node in cluster.topology.nodes})
        assert not [name for name in cluster.runtime.volumes() if name.startswith(("rmq4", "rmq5"))]
        done = cluster.warren(["cluster", "up"], timeout_s=300)
        assert done.returncode == 0, done.stderr
        plan = cluster.warren(["topology", "plan"])
        assert "the broker has what the topology asks for" in plan.stdout
    finally:
        path.write_text(three, encoding="utf-8")


def _nodes_are(cluster: ClusterUnderTest, names: set[str]) -> None:
    """In the cluster, to Prometheus, and in every node's own settings."""
    assert {each.name for each in cluster.management.nodes() if each.running} == names
    hosts = {name.partition("@")[2] for name in names}

    def scraped() -> bool:
        found = [each for each in cluster.context.prometheus.targets() if each.job.startswith("rabbitmq")]
        seen = {each.instance.partition(":")[0] for each in found}
        return hosts == seen & {f"rmq{number}" for number in range(1, 10)} and all(
            each.health == "up" for each in found
        )

    cluster.wait_for(scraped, "every node to be scraped", 120)
    for node in ("rmq1", "rmq2", "rmq3"):
        ask = ["sh", "-c", "grep -c classic_config.nodes /etc/rabbitmq/rabbitmq.conf"]
        assert int(cluster.runtime.execute(node, ask, timeout_s=30).stdout) == len(names)


@pytest.mark.full
def test_recover_majority(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    """Two nodes die under load and their disks are empty. What all members had is there afterwards; of what
    was confirmed in the moment of their death some may be lost, which is why it is asked for by name."""
    quiet = ("/orders", "orders.audit")
    cluster.purge()
    before = cluster.context.secrets.read(_USER)
    operate(cluster, tmp_path, "rotate-password", _USER)
    publish(cluster, *quiet, count=7)
    cluster.wait_for(lambda: cluster.management.queue(*quiet).messages == 7, "the quiet queue's messages", 60)
    with load(cluster, tmp_path) as result:
        _lose(cluster, site, "rmq2", "rmq3")
        found = operate(cluster, tmp_path, "recover-majority", "rmq1", "--lost", "rmq2,rmq3")
    assert found["facts"]["did_not_start"] == {"rmq2": "has no data", "rmq3": "has no data"}
    assert found["facts"]["queues_given_up"] == []
    assert result["availability"]["confirm_gap_max_s"] > 1.0, "somebody was served"
    assert result["ledger"]["unexpected"] == 0, result["reasons"]
    note(cluster, "recover-majority", found, result)
    cluster.wait_ready()
    assert cluster.management.queue(*quiet).messages == 7
    plan = cluster.warren(["topology", "plan"])
    assert "the broker has what the topology asks for" in plan.stdout, "the password of before is back"
    assert cluster.context.secrets.read(_USER) != before


@pytest.mark.full
@pytest.mark.parametrize("leader", ["rmq1", "rmq2"])
def test_stream_outlives_the_loss_of_a_majority(
    cluster: ClusterUnderTest, site: Site, tmp_path: Path, leader: str
) -> None:
    """Whether its leader was on the node that is left or on one that was lost: see
    https://github.com/rabbitmq/rabbitmq-server/issues/16822 for what must not be done to it."""
    name = ("/orders", "warren.recovered-stream")
    arguments = {"x-queue-type": "stream", "x-queue-leader-locator": "client-local"}
    body = {"durable": True, "arguments": arguments, "node": f"rabbit@{leader}"}
    cluster.management.put("queues", *name, body=body)
    try:
        publish(cluster, *name, count=9)
        cluster.wait_for(lambda: cluster.management.queue(*name).messages == 9, "the stream's messages", 60)
        _lose(cluster, site, "rmq2", "rmq3")
        operate(cluster, tmp_path, "recover-majority", "rmq1", "--lost", "rmq2,rmq3")
        cluster.wait_for(lambda: cluster.management.queue(*name).messages == 9, "what it held", 120)
        publish(cluster, *name, count=1)
    finally:
        cluster.management.delete("queues", *name)


def _lose(cluster: ClusterUnderTest, site: Site, *nodes: str) -> None:
    """Killed, with nothing on their disks."""
    for node in nodes:
        cluster.runtime.kill(node)
    for node in nodes:
        site.empty_data(node)


@pytest.mark.full
def test_rotate_authority(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    """In three phases; a client that has read the file with both before the second sees no difference."""
    path = site.pki.authority("cluster").certificate
    former = tmp_path / "former.pem"
    former.write_bytes(path.read_bytes())
    running = processes(site)
    operate(cluster, tmp_path, "rotate-authority")
    found = under_load(cluster, tmp_path, "rotate-authority", "--phase", "sign", way="servers, sign")
    assert found.load["traffic"]["links_lost"] == 0
    both = certificates.shown(site, "rmq1", "amqps")
    operate(cluster, tmp_path, "rotate-authority", "--phase", "drop")
    assert certificates.shown(site, "rmq1", "amqps") == both
    with pytest.raises(NotReadyError, match="refused"):
        site.serial(former, *site.runtime.address("rmq1", "amqps"), "rmq1")
    assert processes(site) == running, "no node was restarted"
    cluster.wait_for(
        lambda: all(
            each.health == "up" for each in cluster.context.prometheus.targets() if each.job != "load"
        ),
        "every scrape to trust the new authority",
        90,
    )


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("of", ["clients", "inter-node"])
def test_rotate_authority_that_nodes_trust(
    cluster: ClusterUnderTest, site: Site, tmp_path: Path, of: str
) -> None:
    """Each phase under load, none with a restart; the operation shows each node a certificate of the other
    authority and waits until it is taken, and refused. Nodes link anew afterwards, by the new one."""
    running = processes(site)
    former = tmp_path / "former"
    former.mkdir()
    names = [_USER] if of == "clients" else list(site.nodes)
    before = {name: site.pki.serial(of, name) for name in names}
    old = Pair(former / "leaf.pem", former / "leaf.key")
    for kept, now in zip((old.certificate, old.key), _files(site.pki.leaf(of, names[0])), strict=True):
        kept.write_bytes(now.read_bytes())
    for phase in ("trust", "sign", "drop"):
        words = ("rotate-authority", "--phase", phase, "--of", of)
        found = under_load(cluster, tmp_path, *words, way=f"{of}, {phase}")
        assert found.load["traffic"]["links_lost"] == 0
        if phase == "sign":
            assert _is_taken(site, of, old), "both are trusted"
    assert all(site.pki.serial(of, name) != before[name] for name in names)
    assert not _is_taken(site, of, old)
    assert _is_taken(site, of, site.pki.leaf(of, names[0]))
    assert processes(site) == running, "no node was restarted"
    if of == "inter-node":
        operate(cluster, tmp_path, "restart", "--node", "rmq3")  # it links anew, by the new one


def _files(pair: Pair) -> tuple[Path, Path]:
    return pair.certificate, pair.key


def _is_taken(site: Site, of: str, pair: Pair) -> bool:
    if of == "inter-node":
        return certificates.takes_inside(site, "rmq2", pair)
    ca = site.pki.authority("cluster").certificate
    return site.takes(ca, *site.runtime.address("rmq2", "amqps"), "rmq2", pair)


@pytest.mark.full
def test_upgrade(cluster: ClusterUnderTest, site: Site, tmp_path: Path) -> None:
    """The same version in containers made anew: no step between versions can be had in the lab."""
    before = {node: container(cluster, node) for node in site.nodes}
    under_load(cluster, tmp_path, "upgrade")
    assert all(container(cluster, node) != before[node] for node in site.nodes)
    done = cluster.warren(["cluster", "up"], timeout_s=300)
    assert done.returncode == 0, done.stderr


def container(cluster: ClusterUnderTest, node: str) -> str:
    """The engine's id of a node's container."""
    name = cluster.runtime.container(node)
    return next(each["Id"] for each in cluster.runtime.containers() if each["Name"] == f"/{name}")


@pytest.mark.full
def test_backup_of_data_and_its_restore(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """Messages of the time of the copy are there again, and those that came after it are not."""
    folder, queue = tmp_path / "copy", ("/orders", "orders.audit")
    cluster.purge()
    publish(cluster, *queue, count=7)
    with load(cluster, tmp_path) as result:
        saved = operate(cluster, tmp_path, "backup-data", str(folder))
    assert result["ledger"]["lost"] == result["ledger"]["unexpected"] == 0, result["reasons"]
    note(cluster, "backup-data", saved, result)
    publish(cluster, *queue, count=5)
    note(cluster, "restore-data", operate(cluster, tmp_path, "restore-data", str(folder)))
    cluster.wait_for(lambda: cluster.management.queue(*queue).messages == 7, "the messages of then", 60)
    cluster.purge()


def publish(cluster: ClusterUnderTest, vhost: str, queue: str, *, count: int) -> None:
    for number in range(count):
        body = {"properties": {"delivery_mode": 2}, "routing_key": queue, "payload": f"{number}"}
        path = ("exchanges", vhost, "amq.default", "publish")
        answer = cluster.management.post(*path, body={**body, "payload_encoding": "string"})
        assert answer["routed"]


@pytest.mark.full
def test_driver_killed_between_two_nodes_is_gone_on_with(
    cluster: ClusterUnderTest, site: Site, tmp_path: Path
) -> None:
    before = processes(site)
    child = cluster.start(["cluster", "restart", "--yes"], output=tmp_path / "driver.txt")
    cluster.wait_for(lambda: processes(site, ["rmq2"])["rmq2"] != before["rmq2"], "rmq2 to be stopped", 240)
    child.kill()
    child.wait(timeout=30)
    kept = processes(site, ["rmq1"])
    found = operate(cluster, tmp_path, "restart")
    assert found["resumed"]
    assert processes(site, ["rmq1"]) == kept, "a node that is done is not restarted again"
    assert all(now != before[node] for node, now in processes(site).items())


def test_every_operation_is_tested_under_load() -> None:
    """Here, or where a cluster of its own is needed for it."""
    files = (Path(__file__), Path(__file__).with_name("test_feature_flags.py"))
    here = "".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name in catalogue.names() if f'"{name}"' not in here] == []
