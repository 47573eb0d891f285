"""Links for real: the test session's cluster and a single-node second one, joined by shovels and federation.

Each link is proven message by message, at rest and while it is cut: the other cluster killed, the node that
runs the link killed, the way between the networks gone. To run: ``pytest tests/cluster/test_links.py``.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.warren import linked
from warren.context import Context, open_context
from warren.links.addresses import RELAY
from warren.process import Completed
from warren.secrets import Secrets

from .conftest import ClusterUnderTest

Data = dict[str, Any]
pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]
_UP_S = 900
#: A cut shovel tries again after five seconds; its cluster takes ten to twenty to boot.
_BACK_S = 120.0
SHOVEL_IN: Data = {
    "name": "reports-in",
    "from": {"remote": "far", "queue": "inbox.work"},
    "to": {"vhost": "/users", "exchange": "users.direct", "routing_key": "user.report"},
}
#: Its only node is its majority.
KILL_FAR = ("chaos", "kill", "rmq1", "--majority-loss")
LINKS = ("audit-out", "reports-in", "events-in")


@dataclass
class Linked:
    """Both clusters, and the commands pointed at either."""

    near: ClusterUnderTest
    near_path: Path
    far_path: Path
    far: Context

    def here(self, *arguments: str, timeout_s: float = 180) -> Completed:
        return self._run(self.near_path, arguments, timeout_s)

    def there(self, *arguments: str, timeout_s: float = 180) -> Completed:
        return self._run(self.far_path, arguments, timeout_s)

    def _run(self, path: Path, arguments: tuple[str, ...], timeout_s: float) -> Completed:
        env = {**self.near.env, "WARREN_TOPOLOGY": str(path)}
        argv = self.near.argv(arguments)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, env=env, check=False)
        return Completed(argv=tuple(argv), returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def all_run(self) -> bool:
        return self.here("links", "status").returncode == 0

    def wait_running(self) -> None:
        self.near.wait_for(self.all_run, "every link to run", _BACK_S)

    def state(self, name: str, folder: Path) -> Data:
        out = folder / "status.json"
        self.here("links", "status", "--json", str(out))
        return next(each for each in json.loads(out.read_text())["links"] if each["name"] == name)

    def prove(self, name: str, folder: Path, *, duration: str = "20s", key: str = "any") -> tuple[int, Data]:
        out = folder / f"{name}.json"
        done = self.here(
            "links", "prove", name, "--duration", duration, "--key", key, "--json", str(out), timeout_s=400
        )
        assert out.exists(), done.stdout + done.stderr
        return done.returncode, dict(json.loads(out.read_text()))

    def begin_proof(self, name: str, folder: Path, *, duration: str) -> subprocess.Popen[bytes]:
        argv = ["links", "prove", name, "--topology", str(self.near_path), "--duration", duration]
        return self.near.start([*argv, "--json", str(folder / "proof.json")], output=folder / "proof.out")


def checked(done: Completed) -> Completed:
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def pair(cluster_session: ClusterUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linked]:
    """The session's cluster with links, beside a second one; afterwards as it was, and alone."""
    cluster_session.wait_ready()
    folder = tmp_path_factory.mktemp("links")
    data = yaml.safe_load(Path(cluster_session.env["WARREN_TOPOLOGY"]).read_text(encoding="utf-8"))
    other = linked.far(data)
    other["cluster"] |= {"name": f"{data['cluster']['name']}-far", "published": {"base_port": 16500}}
    near = copy.deepcopy(data)
    near["links"] = linked.links(linked.SHOVEL, SHOVEL_IN, federation=(linked.EVENTS,))
    near_path = linked.write(folder, near, other)
    far = open_context(lambda _: None, topology_path=folder / linked.FILE, env=cluster_session.env)
    found = Linked(near=cluster_session, near_path=near_path, far_path=folder / linked.FILE, far=far)
    try:
        checked(found.there("cluster", "up", timeout_s=_UP_S))
        checked(found.here("cluster", "down", timeout_s=300))
        checked(found.here("cluster", "up", timeout_s=_UP_S))
        yield found
    finally:
        # While the plugins still run: they end what is taken out.
        pruned = cluster_session.warren(["topology", "apply", "--prune", "--yes"])
        cluster_session.warren(["cluster", "down"], timeout_s=300)
        up = cluster_session.warren(["cluster", "up"], timeout_s=_UP_S)
        found.there("cluster", "destroy", "--yes", timeout_s=300)
        assert pruned.returncode == 0, pruned.stderr
        assert up.returncode == 0, up.stderr


@pytest.fixture
def links(pair: Linked) -> Linked:
    """Both clusters whole, and every link running."""
    pair.near.wait_ready()
    pair.wait_running()
    return pair


def test_every_link_runs_and_neither_side_has_drifted(links: Linked) -> None:
    assert "3 of 3 links run" in checked(links.here("links", "status")).stdout
    assert "the broker has what the topology asks for" in checked(links.here("topology", "plan")).stdout
    assert "the broker has what the topology asks for" in checked(links.there("topology", "plan")).stdout
    for kind in ("parameter", "policy", "setting", "queue", "exchange"):
        for side in (links.here, links.there):
            done = side("topology", "diff", "--kind", kind)
            assert done.returncode == 0, done.stdout


def test_a_second_up_changes_nothing_and_cuts_nothing(links: Linked, tmp_path: Path) -> None:
    before = [links.state(name, tmp_path)["since"] for name in LINKS]
    checked(links.here("cluster", "up", timeout_s=_UP_S))
    checked(links.there("cluster", "up", timeout_s=_UP_S))
    assert [links.state(name, tmp_path)["since"] for name in LINKS] == before


@pytest.mark.parametrize("name", LINKS)
def test_each_message_arrives_once(name: str, links: Linked, tmp_path: Path, tell: Any) -> None:
    code, result = links.prove(name, tmp_path)
    tell(f"{name}: {result['figures']}")
    assert (code, result["verdict"]) == (0, "passed"), result
    figures = result["figures"]
    assert figures["arrived"] == figures["expected"] > 500
    assert (figures["lost"], figures["stuck"], figures["twice_by_link"], figures["cuts"]) == (0, 0, 0, 0)


def _while_cut(links: Linked, name: str, folder: Path, *cut: str, there: bool, tell: Any) -> Data:
    """A proof of 60 s, ``cut`` by a command ten seconds after its beginning."""
    child = links.begin_proof(name, folder, duration="60s")
    try:
        child.wait(timeout=10)
        pytest.fail((folder / "proof.out").read_text(encoding="utf-8"))
    except subprocess.TimeoutExpired:
        pass
    checked((links.there if there else links.here)(*cut, timeout_s=300))
    child.wait(timeout=400)
    result = dict(json.loads((folder / "proof.json").read_text()))
    tell(f"{name}, {' '.join(cut)}: {result['verdict']} {result['figures']} {result['reasons']}")
    assert result["verdict"] == "passed", result
    figures = result["figures"]
    assert (figures["lost"], figures["stuck"]) == (0, 0)
    assert figures["cuts"] >= 1
    return figures


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_lost_while_the_other_cluster_is_dead(
    name: str, links: Linked, tmp_path: Path, tell: Any
) -> None:
    _while_cut(links, name, tmp_path, *KILL_FAR, "--for", "20s", there=True, tell=tell)


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_lost_while_the_node_that_runs_the_link_is_dead(
    name: str, links: Linked, tmp_path: Path, tell: Any
) -> None:
    node = str(links.state(name, tmp_path)["node"]).partition("@")[2]
    _while_cut(links, name, tmp_path, "chaos", "kill", node, "--for", "20s", there=False, tell=tell)


def test_a_way_that_is_gone_is_told_and_had_again(links: Linked, tmp_path: Path) -> None:
    runtime = links.near.runtime
    assert runtime.run([runtime.engine.docker, "kill", runtime.container(RELAY)], timeout_s=60).ok
    links.near.wait_for(lambda: not links.all_run(), "a link to be down", _BACK_S)
    down = links.state("audit-out", tmp_path)
    assert "make cluster-up" in down["remedy"], down
    checked(links.here("cluster", "up", timeout_s=_UP_S))
    links.wait_running()


def test_a_cluster_that_was_made_anew_is_reached_after_an_up_here(links: Linked, tmp_path: Path) -> None:
    """Its `down` is not held up by our relay on its network, which is another network afterwards."""
    checked(links.there("cluster", "down", timeout_s=300))
    links.near.wait_for(lambda: not links.all_run(), "links to be down", _BACK_S)
    checked(links.there("cluster", "up", timeout_s=_UP_S))
    assert "make cluster-up" in links.state("audit-out", tmp_path)["remedy"]
    checked(links.here("cluster", "up", timeout_s=_UP_S))
    links.wait_running()


def test_a_password_that_was_rotated_there_is_seen_and_put_right_here(links: Linked) -> None:
    checked(
        links.there("cluster", "rotate-password", "link", "--connections", "close", "--yes", timeout_s=300)
    )
    plan = checked(links.here("topology", "plan")).stdout
    assert plan.count("password: another -> the one in the state folder") == len(LINKS)
    checked(links.here("topology", "apply", "--yes"))
    links.wait_running()


def test_the_alert_fires_while_the_other_cluster_is_dead(links: Linked) -> None:
    checked(links.there(*KILL_FAR))
    try:
        firing = 'ALERTS{alertname="WarrenLinkDown",alertstate="firing"}'
        links.near.wait_for(lambda: len(links.near.prometheus(firing)) == 2, "both kinds to be told", 120)
    finally:
        checked(links.there("chaos", "heal", timeout_s=300))
    links.wait_running()
    links.near.wait_for(lambda: not links.near.prometheus(firing), "the alert to end", 120)


def test_another_authority_and_another_name_are_not_accepted(links: Linked) -> None:
    """The broker of the other cluster is held to its own authority and name: ours are no good for it."""
    client = links.near.management
    row = next(each for each in client.rows("parameters", "shovel", "/orders") if each["name"] == "audit-out")
    for change in (
        ("link-far-ca.pem", "ca.pem"),
        ("server_name_indication=rmq1", "server_name_indication=rmq2"),
    ):
        value = {**row["value"], "dest-uri": [each.replace(*change) for each in row["value"]["dest-uri"]]}
        client.put("parameters", "shovel", "/orders", "audit-out", body={"value": value})
        links.near.wait_for(lambda: not links.all_run(), f"{change[1]} to be refused", _BACK_S)
        assert "differs" in checked(links.here("topology", "plan")).stdout
        checked(links.here("topology", "apply", "--yes"))
        links.wait_running()


def test_the_password_stands_nowhere_but_in_its_files_and_the_broker(links: Linked, tmp_path: Path) -> None:
    secret = Secrets(links.far.state.secrets).read("link")
    out = tmp_path / "plan.json"
    told = [links.here("topology", "plan", "--json", str(out)).stdout, out.read_text()]
    told += [json.dumps(each) for each in links.near.runtime.containers()]
    relay = links.near.runtime.container(RELAY)
    for word in (["logs", relay], ["top", relay]):
        done = links.near.runtime.run([links.near.runtime.engine.docker, *word], timeout_s=60)
        told.append(done.stdout + done.stderr)
    told += [links.near.runtime.logs(node.name, lines=5000) for node in links.near.topology.nodes]
    told += [path.read_text() for path in links.near.state.rendered.rglob("*") if path.is_file()]
    assert not [text[:200] for text in told if secret in text]


def test_links_that_leave_the_topology_go_when_pruned_only(links: Linked) -> None:
    plain = links.near.warren(["topology", "plan"])
    for title in (
        "shovel audit-out in /orders",
        "shovel reports-in in /users",
        "federation upstream events-in",
    ):
        assert title in plain.stdout
    left = links.near.warren(["topology", "apply", "--yes"])
    assert left.returncode == 1
    assert links.all_run()
    checked(links.near.warren(["topology", "apply", "--prune", "--yes"]))
    assert not links.near.management.rows("parameters", "shovel")
    checked(links.here("topology", "apply", "--yes"))
    links.wait_running()
