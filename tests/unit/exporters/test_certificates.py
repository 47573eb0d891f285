"""The collector over real listeners on the loopback: what is told, what is absent, what is asked again."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from exporters import collector, names
from exporters.collector import Listener, Scrape
from exporters.collectors.certificates import EVERY_S, OFFERS_EVERY_S, CertificatesCollector, targets
from exporters.exposition import OneScrape
from exporters.names import MetricName
from exporters.tls_probe import Target
from warren.errors import NotReadyError
from warren.pki import Pki

from .conftest import REACH, FakeBroker
from .listeners import ONLY_1_2, SOUND, Listening, listening, make_pair, make_pki, server_context

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
TWO = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384"
LABELS = {"member": "localhost", "listener": "amqps"}


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Told:
    """The families of one look."""

    def __init__(self, certificates: CertificatesCollector, broker: FakeBroker) -> None:
        self.families = list(certificates.collect(Scrape(broker, 0.0)))
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(OneScrape(self.families))
        assert broker.deadlines == [], "the broker's API is not asked"

    def value(self, metric: MetricName, **labels: str) -> float | None:
        wanted = {**LABELS, **labels} if "member" in metric.labels else labels
        return self._registry.get_sample_value(metric.name, wanted)

    def samples(self, metric: MetricName) -> list[dict[str, str]]:
        return [
            sample.labels for each in self.families if each.name == metric.name for sample in each.samples
        ]


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return make_pki(tmp_path)


@pytest.fixture
def listener(pki: Pki) -> Iterator[Listening]:
    context = server_context(make_pair(pki), versions=SOUND, ciphers=TWO)
    with listening(context) as served:
        yield served


def made(
    pki: Pki, *targets: Target, clock: Clock | None = None, inter_node: bool = True
) -> CertificatesCollector:
    return CertificatesCollector(
        targets,
        ca=pki.authority("cluster").certificate,
        inter_node_ca=pki.authority("inter-node").certificate if inter_node else None,
        timeout_s=1.0,
        now=clock or Clock(),
    )


def test_a_sound_listener(pki: Pki, listener: Listening, broker: FakeBroker) -> None:
    told = Told(made(pki, listener.target()), broker)
    assert told.value(names.TLS_SUCCESS) == 1
    assert told.value(names.TLS_TRUSTED) == 1
    assert told.value(names.TLS_NAMES_HOST) == 1
    left_s = (told.value(names.TLS_NOT_AFTER) or 0) - time.time()
    assert 396 * 86400 < left_s < 397 * 86400
    assert told.value(names.TLS_CHAIN_NOT_AFTER) == told.value(names.TLS_NOT_AFTER)
    assert told.value(names.TLS_VERSION, version="TLSv1.2") == 1
    assert told.value(names.TLS_VERSION, version="TLSv1.1") == 0
    assert {each["cipher"] for each in told.samples(names.TLS_CIPHER)} == set(TWO.split(":"))
    assert {each["version"] for each in told.samples(names.TLS_NEGOTIATED)} == {"TLSv1.2", "TLSv1.3"}
    assert told.value(names.TLS_VARIANTS, listener="amqps") == 1
    assert told.samples(names.TLS_FAULT) == []
    (info,) = told.samples(names.TLS_CERTIFICATE)
    assert info["issuer"] == "CN=Warren cluster authority"


def test_a_listener_that_is_away_has_its_failure_and_nothing_else(
    pki: Pki, listener: Listening, broker: FakeBroker
) -> None:
    with listening(server_context(make_pair(pki))) as gone:
        certificates = made(pki, listener.target(), gone.target("metrics"))
        Told(certificates, broker)
    told = Told(certificates, broker)
    assert told.value(names.TLS_SUCCESS) == 1
    assert told.value(names.TLS_SUCCESS, listener="metrics") == 0
    others = {family.name for family in told.families} - {names.TLS_SUCCESS.name, names.TLS_FAULT.name}
    for family in told.families:
        if family.name in others:
            assert not [each for each in family.samples if each.labels["listener"] == "metrics"], family.name
    (fault,) = told.samples(names.TLS_FAULT)
    assert fault["listener"] == "metrics"
    assert "refused" in fault["reason"]


def test_an_expired_certificate_and_a_wrong_name_are_told(tmp_path: Path, broker: FakeBroker) -> None:
    old = make_pki(tmp_path, days_ago=400)
    with listening(server_context(make_pair(old, "rmq9"))) as served:
        told = Told(made(old, served.target()), broker)
    assert told.value(names.TLS_SUCCESS) == 1
    assert told.value(names.TLS_TRUSTED) == 0
    assert told.value(names.TLS_NAMES_HOST) == 0
    assert (told.value(names.TLS_NOT_AFTER) or 0) < time.time()
    assert told.value(names.TLS_FAULT, reason="certificate has expired") == 1


def test_inter_node_has_an_authority_of_its_own(pki: Pki, broker: FakeBroker) -> None:
    pair = make_pair(pki, authority="inter-node")
    context = server_context(pair, client_ca=pki.authority("inter-node").certificate)
    with listening(context) as served:
        node, client = served.target("inter-node"), served.target("amqps")
        told = Told(made(pki, node, client), broker)
        unjudged = Told(made(pki, node, inter_node=False), broker)
    assert told.value(names.TLS_TRUSTED, listener="inter-node") == 1
    assert told.value(names.TLS_TRUSTED, listener="amqps") == 0, "and it is good for nothing else"
    assert unjudged.value(names.TLS_SUCCESS, listener="inter-node") == 1
    assert unjudged.value(names.TLS_NOT_AFTER, listener="inter-node")
    assert unjudged.value(names.TLS_TRUSTED, listener="inter-node") is None


def test_nodes_that_differ_are_counted(pki: Pki, listener: Listening, broker: FakeBroker) -> None:
    other = server_context(make_pair(pki), versions=ONLY_1_2, ciphers=TWO)
    with listening(other) as differs:
        first, second = listener.target(), differs.target(name="localhost.", host="127.0.0.1")
        told = Told(made(pki, first, second), broker)
        assert told.value(names.TLS_VARIANTS, listener="amqps") == 2
        differs.context = listener.context
        assert Told(made(pki, first, second), broker).value(names.TLS_VARIANTS, listener="amqps") == 1


def test_offers_are_asked_for_again_after_their_time_only(
    pki: Pki, listener: Listening, broker: FakeBroker
) -> None:
    clock = Clock()
    certificates = made(pki, listener.target(), clock=clock)
    Told(certificates, broker)
    listener.context = server_context(make_pair(pki), versions=ONLY_1_2, ciphers=TWO)
    before = listener.connections
    clock.now_s = OFFERS_EVERY_S - 1
    assert Told(certificates, broker).value(names.TLS_VERSION, version="TLSv1.3") == 1
    assert listener.connections == before + 1, "one look, and nothing that would be refused"
    clock.now_s = OFFERS_EVERY_S
    assert Told(certificates, broker).value(names.TLS_VERSION, version="TLSv1.3") == 0


def test_another_certificate_shows_and_is_asked_at_once(
    tmp_path: Path, pki: Pki, listener: Listening, broker: FakeBroker
) -> None:
    certificates = made(pki, listener.target())
    (before,) = Told(certificates, broker).samples(names.TLS_CERTIFICATE)
    make_pair(pki).certificate.unlink()
    listener.context = server_context(make_pair(pki), versions=ONLY_1_2)
    told = Told(certificates, broker)
    (after,) = told.samples(names.TLS_CERTIFICATE)
    assert before["fingerprint"] != after["fingerprint"]
    assert before["serial"] != after["serial"]
    assert told.value(names.TLS_VERSION, version="TLSv1.3") == 0


def test_one_that_was_away_is_asked_at_once(pki: Pki, listener: Listening, broker: FakeBroker) -> None:
    certificates = made(pki, listener.target())
    Told(certificates, broker)
    sound, listener.context = listener.context, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert Told(certificates, broker).value(names.TLS_SUCCESS) == 0
    listener.context = sound
    before = listener.connections
    assert Told(certificates, broker).value(names.TLS_SUCCESS) == 1
    assert listener.connections > before + 1


def test_an_authority_that_cannot_be_read_is_named(pki: Pki, listener: Listening, broker: FakeBroker) -> None:
    certificates = made(pki, listener.target())
    pki.authority("inter-node").certificate.write_text("no PEM")
    with pytest.raises(NotReadyError, match=r"inter-node-ca\.pem"):
        Told(certificates, broker)


def test_every_listener_of_every_node_and_those_of_flags_are_looked_at() -> None:
    reach = replace(REACH, listeners=(Listener(name="streams", host="rmq1", port=5551),))
    found = [(each.name, each.listener, each.port) for each in targets(reach)]
    assert len(found) == 3 * 4 + 1
    assert ("rmq2", "amqps", 5671) in found
    assert ("rmq3", "inter-node", 25672) in found
    assert ("rmq1", "management", 15671) in found
    assert ("rmq1", "metrics", 15691) in found
    assert ("rmq1", "streams", 5551) in found


def test_it_is_found_by_its_name_and_works_in_the_background() -> None:
    assert "certificates" in collector.available()
    assert collector.make("certificates", REACH).every_s == EVERY_S == 60
