"""Three empty Debian hosts become the cluster by the collection alone; then what may go wrong with it.

The tests of this file go on from each other, in their order: one provision is shared by all. A run that asks
about the broker alone is given its tags; that a whole second run changes nothing is seen once. Times and
counts go into provision.json, in the folder that WARREN_TEST_RECORDS names, if it does (docs/figures; then
``make docs`` puts them into docs/hosts.md), and are printed as a table in the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hosts import standing_in
from tests.hosts.provisioning import NODES, PLACES, ROOT, Fleet, Played, played
from warren.assertions import verify
from warren.assertions.facts import Facts
from warren.console import silent
from warren.context import open_context
from warren.errors import NotReadyError
from warren.gate import leader_spread
from warren.reference import provisioning
from warren.topology_reader import load
from warren.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.full, pytest.mark.timeout(2400)]
RECORDED: dict[str, Any] = {}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The hosts, removed in the end whatever happened."""
    made = Fleet(folder=tmp_path_factory.mktemp("provision"))
    try:
        made.prepare()
        yield made
    finally:
        made.warren("hosts", "down")
        print("\n".join(["", *provisioning.rows_of_runs(RECORDED)]))  # noqa: T201 - shown by pytest -rA
        if folder := os.environ.get("WARREN_TEST_RECORDS"):
            text = json.dumps({"schema": 1, "runs": RECORDED}, indent=1)
            Path(folder, "provision.json").write_text(f"{text}\n", encoding="utf-8")


def _record(name: str, run: Played) -> Played:
    RECORDED[name] = run.figures
    print(f"{name}: {run.figures}")  # noqa: T201 - shown by pytest -rA
    return run


def test_without_certificates_a_rehearsal_says_what_to_do_first(fleet: Fleet) -> None:
    """Test hosts come with most of them; rules and boards are made by the role."""
    run = fleet.play("--check")
    assert run.returncode != 0
    assert "--check makes none. Make them first; that touches no host" in " ".join(run.text.split())
    assert fleet.play("--tags", "pki").returncode == 0


def test_a_rehearsal_on_empty_hosts_is_true_and_changes_nothing(fleet: Fleet) -> None:
    run = _record("check on fresh hosts", fleet.play("--check", "--diff"))
    assert run.returncode == 0, run.text[-6000:]
    assert all(run.changed[host] > 0 for host in NODES)
    assert "+listeners.tcp = none" in run.text
    for host in NODES:
        assert fleet.inside(host, "test", "-e", "/etc/rabbitmq").returncode != 0
        assert fleet.inside(host, "test", "-e", "/etc/warren-firewall.nft").returncode != 0


def test_the_first_run_makes_the_cluster(fleet: Fleet) -> None:
    run = _record("first run", fleet.play())
    assert run.returncode == 0, run.text[-6000:]
    status = fleet.inside("rmq1", "rabbitmqctl", "--silent", "--formatter", "json", "cluster_status")
    assert sorted(json.loads(status.stdout)["running_nodes"]) == [f"rabbit@{node}" for node in NODES]


def test_nothing_is_imported_at_a_later_start(fleet: Fleet) -> None:
    """By no node, whether it was there first or joins in place of another."""
    for host in ("rmq1", "rmq2", "rmq3"):
        assert fleet.inside(host, "cat", "/etc/rabbitmq/definitions.json").stdout == "{}"


def test_the_second_run_changes_nothing(fleet: Fleet) -> None:
    run = _record("second run", fleet.play())
    assert (run.returncode, sum(run.changed.values())) == (0, 0), _changes(run)


def test_a_rehearsal_on_converged_hosts_sees_nothing_to_do(fleet: Fleet) -> None:
    run = _record("check on converged hosts", fleet.play("--check", "--diff"))
    assert (run.returncode, sum(run.changed.values())) == (0, 0), _changes(run)


def test_a_rehearsal_sees_what_was_changed_by_hand_and_a_run_mends_it(fleet: Fleet) -> None:
    conf = "/etc/rabbitmq/rabbitmq.conf"
    fleet.inside("rmq2", "sed", "-i", "s/^net_ticktime = 60/net_ticktime = 61/", conf)
    fleet.inside("rmq1", "rabbitmqctl", "delete_queue", "-p", "/orders", "orders.audit")
    shown = fleet.play("--check", "--diff", "--tags", "rabbitmq,topology")
    assert "-net_ticktime = 61" in shown.text
    assert "+queue orders.audit in /orders:" in shown.text
    assert "net_ticktime = 61" in fleet.inside("rmq2", "cat", conf).stdout
    mended = _record("run that mends a file and a queue", fleet.play("--tags", "rabbitmq,topology"))
    assert mended.returncode == 0, mended.text[-6000:]
    assert "net_ticktime = 60" in fleet.inside("rmq2", "cat", conf).stdout
    assert (
        "orders.audit"
        in fleet.inside("rmq1", "rabbitmqctl", "--silent", "list_queues", "-p", "/orders").stdout
    )
    assert sum(fleet.play("--tags", "rabbitmq,topology").changed.values()) == 0


@pytest.fixture(scope="module")
def facts(fleet: Fleet) -> Facts:
    """What the hosts say, read once, when leaders are spread as an operator would leave them."""
    env = {**fleet.env, "WARREN_HOSTS": str(fleet.state / "inventory.yml")}
    context = open_context(silent, topology_path=fleet.folder / "topology.yml", env=env)
    context.management.post("rebalance", "queues")
    nodes = [node.erlang_name for node in context.topology.nodes]

    def even() -> None:
        if not leader_spread(context.management.queues(), nodes).even:
            raise NotReadyError("leaders", "are not spread yet")

    until(even, what="leaders to spread", deadline_s=60, every_s=2)
    return verify.look(context)


@pytest.mark.parametrize("name", [each.id for each in verify.ASSERTIONS if each.on != "containers"])
def test_hosts_hold(facts: Facts, name: str) -> None:
    """The list that containers are judged by."""
    (result,) = verify.judge(facts, [each for each in verify.ASSERTIONS if each.id == name])
    if result.verdict == "waived":
        pytest.skip(f"waived: {result.reason} ({result.evidence})")
    assert result.verdict == "passed", f"{result.title}: {result.evidence}"


def test_everything_is_scraped_and_nobody_comes_in_without_a_password(fleet: Fleet) -> None:
    port, host = 9090, PLACES["prometheus"]

    def all_up() -> None:
        answer = _ask(fleet, host, f"https://{host}:{port}/api/v1/targets?state=active", "prometheus-web")
        targets = json.loads(answer)["data"]["activeTargets"]
        down = [f"{each['labels']['job']}: {each['lastError']}" for each in targets if each["health"] != "up"]
        jobs = {each["labels"]["job"] for each in targets}
        if down or len(targets) < 20 or not jobs >= {"exporter", "probe", "drift"}:
            raise NotReadyError("prometheus", f"{len(targets)} targets; {down}")

    until(all_up, what="every target", deadline_s=120, every_s=3)
    refused = fleet.inside(host, "python3", "-c", _GET, f"https://{host}:{port}/", "", "")
    assert "401" in refused.stdout + refused.stderr


_GET = """
import base64, ssl, sys, urllib.request
url, user, password = sys.argv[1:4]
request = urllib.request.Request(url)
if user:
    request.add_header("authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
context = ssl.create_default_context(cafile="/etc/prometheus/tls/ca.pem")
print(urllib.request.urlopen(request, context=context, timeout=10).read().decode())
"""


def _ask(fleet: Fleet, host: str, url: str, secret: str) -> str:
    password = (fleet.state / "secrets" / secret).read_text("utf-8").strip()
    done = fleet.inside(host, "python3", "-c", _GET, url, secret.removesuffix("-web"), password)
    if done.returncode:
        raise NotReadyError(url, done.stderr.strip().splitlines()[-1])
    return done.stdout


def test_ports_between_nodes_are_shut_to_others_and_the_brokers_port_is_not(fleet: Fleet) -> None:
    """This machine is neither a node nor scrapes: it is a client."""
    reach = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
    address = fleet.inside("rmq1", "hostname", "-i").stdout.split()[0]
    for port, opened in ((5671, True), (15671, True), (25672, False), (4369, False)):
        done = subprocess.run(["python3", "-c", reach, address, str(port)], capture_output=True, check=False)
        assert (done.returncode == 0) is opened, port
    assert fleet.inside("rmq2", "python3", "-c", reach, "rmq1", "25672").returncode == 0


@pytest.fixture(params=["guarded", "unguarded"])
def guarded(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the hosts have their firewall."""
    if request.param == "unguarded":
        for node in NODES:
            assert fleet.inside(node, "nft", "delete", "table", "inet", "warren").returncode == 0
    yield request.param == "guarded"
    for node in NODES:
        assert fleet.inside(node, "systemctl", "restart", "warren-firewall").returncode == 0


def test_attack_from_outside_finds_nothing(fleet: Fleet, guarded: bool) -> None:
    """As containers are attacked; without a firewall the ports between nodes have to hold by themselves."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "tests/cluster", "-k", "security", "-m", "not full"],
        env={
            **fleet.env,
            "WARREN_HOSTS": str(fleet.one_inventory()),
            "WARREN_ATTACK_TOPOLOGY": str(fleet.folder / "topology.yml"),
        },
        cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    print(done.stdout[-6000:])  # noqa: T201 - shown by pytest -rA
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    assert ("a firewall keeps the ports between nodes from this machine" in done.stdout) is guarded


def test_a_run_whose_host_died_is_finished_by_the_next(fleet: Fleet) -> None:
    """A change that wants restarts; the second node's host is killed while the first is restarted."""
    changed = ("--extra-vars", "rabbitmq_channel_max=255")
    waits = "rabbitmq_start_timeout_s=120 rabbitmq_drain_timeout_s=60"  # for a node that never comes
    wait = ("--extra-vars", waits)
    argv = fleet.command(*changed, *wait, "--tags", "rabbitmq")
    log = fleet.folder / "died.log"
    begun = time.monotonic()
    with log.open("w") as out:
        child = subprocess.Popen(
            argv, env=fleet.env, cwd=Path(__file__).parents[2] / "ansible", stdout=out, stderr=out
        )
        try:

            def restarting() -> None:
                if "Move clients and leaders" not in log.read_text("utf-8"):
                    raise NotReadyError("the run", "restarts no node yet")

            until(restarting, what="the first restart", deadline_s=600, every_s=0.5)
            fleet.engine("kill", "rmq2")
            code = child.wait(timeout=300)
            seconds = time.monotonic() - begun
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
                child.wait(timeout=60)
    broken = _record("run whose second host died", played(log.read_text("utf-8"), seconds, code))
    assert code != 0
    assert broken.lost
    fleet.engine("start", "rmq2")
    time.sleep(10)
    run = _record("run after that", fleet.play(*changed))
    assert run.returncode == 0, run.text[-6000:]
    for node in NODES:
        eff = fleet.inside(
            node, "rabbitmqctl", "--silent", "eval", "application:get_env(rabbit, channel_max)."
        )
        assert "255" in eff.stdout
    again = fleet.play(*changed, "--tags", "rabbitmq")
    assert sum(again.changed.values()) == 0, _changes(again)


def test_grafanas_role_brings_up_a_package_that_stands_in_for_it(fleet: Fleet) -> None:
    """With the very tasks; the package is ours, since Debian has none."""
    groups = {"grafana": {"hosts": {"rmq1": None}}}
    package = {
        "grafana_install_source": "file",
        "grafana_package_file": str(standing_in.grafana(fleet.folder)),
    }
    place = fleet.folder / "grafana.yml"
    place.write_text(yaml.safe_dump({"all": {"vars": package, "children": groups}}), encoding="utf-8")
    first = fleet.play("-i", str(place), "--tags", "pki,grafana")
    assert first.returncode == 0, first.text[-6000:]
    port = load(fleet.folder / "topology.yml").ports.grafana
    asked = fleet.inside(
        PLACES["prometheus"], "python3", "-c", _GET, f"https://rmq1:{port}/api/health", "", ""
    )
    health = json.loads(asked.stdout)
    assert health["home"] == "warren-cluster"
    assert health["boards"] > 1
    assert (health["provisioned"], health["secrets"]) == (2, 3)
    again = fleet.play("-i", str(place), "--tags", "pki,grafana")
    assert sum(again.changed.values()) == 0, _changes(again)


def test_no_secret_was_ever_printed(fleet: Fleet) -> None:
    """Most talkative, with diffs, from the beginning: on a cluster whose files are made anew."""
    for host in NODES:
        fleet.inside(host, "rm", "-rf", "/etc/warren", "/etc/prometheus/secrets", "/etc/alertmanager")
        fleet.inside(host, "rm", "-f", "/etc/rabbitmq/tls/server.key")
    run = _record("run that brings secrets anew", fleet.play("--diff", "-vvv"))
    assert run.returncode == 0, run.text[-6000:]
    assert sum(run.changed.values()) > 0
    assert [secret[:4] for secret in fleet.secrets() if secret in run.text] == []
    assert "PRIVATE KEY" not in run.text


def _changes(run: Played) -> str:
    """The tasks that changed something, for a person to see."""
    task, found = "", []
    for line in run.text.splitlines():
        if line.startswith("TASK ["):
            task = line
        elif line.startswith("changed:"):
            found.append(f"{task} {line}")
    return "\n".join(found) or run.text[-3000:]
