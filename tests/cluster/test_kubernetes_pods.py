"""The resources for Kubernetes as containers with the names, files and arguments that pods would have: nodes
form a cluster by TLS, exporter and probe see it, and the load Job passes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cluster.pods import PREFIX, Pods, plain
from warren import definitions, process
from warren.errors import NotReadyError
from warren.images import ensure_images
from warren.kubernetes import secrets
from warren.kubernetes.place import Place
from warren.pki import Pki
from warren.runtime.engine import ensure_engine
from warren.secrets import Secrets
from warren.topology_reader import load
from warren.wait import until

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "deploy" / "topology.yml"


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Three nodes, exporter, probe and a scraper; the topology's objects are in the broker."""
    folder = tmp_path_factory.mktemp("pods")
    place = Place(topology=load(SOURCE), namespace="messages")
    engine = ensure_engine(run=process.run, say=say)
    wanted = {"rabbitmq": place.topology.images["rabbitmq"]}
    images = ensure_images(
        wanted, engine=engine, run=process.run, record=folder / "images.json", build_root=ROOT, say=say
    )
    made = secrets.documents(place, Secrets(folder), Pki(folder, datetime.now(UTC)))
    found = Pods(
        docker=[engine.docker],
        images={name: ref.reference for name, ref in images.items()},
        place=place,
        secrets=plain(made),
    )
    try:
        found.open()
        found.start_nodes()
        _until(lambda: len(_running(found)) == len(place.hosts), "all nodes", 180)
        passwords = {
            user.name: found.secrets[place.password(user.name)]["password"] for user in place.topology.users
        }
        document = definitions.document(place.topology, definitions.password_hashes(passwords))
        found.import_definitions(document)
        found.start_exporters()
        found.start_scraper()
        yield found
    finally:
        found.close()


def _running(pods: Pods) -> set[str]:
    status = json.loads(pods.exec("node-0", "rabbitmqctl", "cluster_status", "--formatter", "json"))
    return set(status["running_nodes"])


def _until(probe: Callable[[], bool], what: str, deadline_s: float) -> None:
    """Wait until ``probe`` is true; what it calls may fail until then."""

    def check() -> None:
        try:
            done = probe()
        except AssertionError as error:
            raise NotReadyError("pods", str(error)) from error
        if not done:
            raise NotReadyError("pods", "not yet")

    until(check, what=what, deadline_s=deadline_s, every_s=2.0)


def values(text: str, metric: str) -> dict[str, float]:
    """Labels, as they stand, -> value."""
    found = re.findall(rf"^{metric}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_nodes_form_a_cluster_with_the_names_that_the_resources_tell(pods: Pods) -> None:
    assert _running(pods) == {f"rabbit@{host}" for host in pods.place.hosts}
    proto = pods.exec("node-1", "rabbitmqctl", "eval", "init:get_argument(proto_dist).")
    assert "inet_tls" in proto
    listeners = json.loads(pods.exec("node-1", "rabbitmq-diagnostics", "listeners", "--formatter", "json"))
    ports = {each["port"] for each in listeners["listeners"]}
    assert ports == {5671, 15671, 15691, 5551, 25672}


@pytest.mark.full
def test_what_was_rehearsed_wins_over_the_operators_defaults(pods: Pods) -> None:
    text = pods.scrape(f"https://{pods.place.service}:15691/metrics")
    broker = pods.place.topology.broker
    (limit,) = values(text, "rabbitmq_resident_memory_limit_bytes").values()
    assert limit == pytest.approx(broker.memory_limit_mib * 1024**2 * broker.memory_watermark, rel=0.01)
    (disk,) = values(text, "rabbitmq_disk_space_available_limit_bytes").values()
    # "MiB" is 1024 based for memory; the broker's own parser decides for the disk.
    assert disk == pytest.approx(broker.disk_free_limit_mib * 1024**2, rel=0.01)
    collector = pods.exec(
        "node-2",
        "rabbitmqctl",
        "eval",
        "application:get_env(rabbitmq_management_agent, disable_metrics_collector).",
    )
    assert "false" in collector


@pytest.mark.full
def test_exporter_and_probe_see_every_node_by_its_name(pods: Pods) -> None:
    hosts = set(pods.place.hosts)
    namespace = pods.place.namespace

    def exporter_works() -> bool:
        text = pods.scrape(f"https://warren-exporter.{namespace}.svc:9419/metrics")
        up = values(text, "warren_exporter_collector_up")
        return len(up) >= 3 and set(up.values()) == {1.0}

    def probe_works() -> bool:
        text = pods.scrape(f"https://warren-probe.{namespace}.svc:9421/metrics")
        flights = values(text, "warren_canary_success")
        named = values(text, "warren_tls_certificate_names_host")
        pairs = len(hosts) * (len(hosts) - 1) * len(pods.place.topology.vhosts)
        return len(flights) >= pairs and {*flights.values(), *named.values()} == {1.0}

    _until(exporter_works, "the exporter", 90)
    _until(probe_works, "the probe", 180)
    text = pods.scrape(f"https://warren-probe.{namespace}.svc:9421/metrics")
    assert set(re.findall(r'warren_canary_success\{.*from="([^"]+)"', text)) == hosts
    listeners = set(re.findall(r'warren_tls_certificate_names_host\{.*listener="([^"]+)"', text))
    assert {"amqps", "management", "metrics", "inter-node", "streams", "exporter"} <= listeners


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_load_job_ends_with_its_verdict(pods: Pods) -> None:
    pods.start_load(SOURCE.read_text(encoding="utf-8"))
    code = int(pods.call("wait", f"{PREFIX}-load", timeout_s=400))
    log = pods.call("logs", f"{PREFIX}-load")
    result = json.loads(log[log.index("{") :])
    assert result["ledger"]["lost"] == 0
    assert result["ledger"]["published"] > 10_000
    # Two cores carry it all: a run that the machine was too slow for is inconclusive, and no failure.
    assert code == {"passed": 0, "inconclusive": 4}[result["verdict"]]
