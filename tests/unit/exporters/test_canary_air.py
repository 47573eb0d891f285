"""The canary's connections and channels: real pika over TLS, against a small broker on loopback addresses."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pika import ConnectionParameters, spec
from pika.adapters.select_connection import SelectConnection

from exporters.broker import Node
from exporters.canary import link
from exporters.canary.air import Air
from exporters.canary.fleet import Fleet
from exporters.canary.flight import Landing, Pilot
from exporters.canary.pair import EXCHANGE, QUEUE_ARGUMENTS, Event, Outcome, Pair, pairs
from exporters.canary.tally import Tally
from exporters.collector import Reach
from warren.connection import Credentials
from warren.errors import NotReadyError
from warren.pki import Pki

from .flying import Landings
from .small_broker import SmallBroker

NODES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
VHOST = "/a"
TIMEOUT_S = 0.8
ONE, TWO, THREE = NODES
PAIR = Pair(VHOST, ONE, TWO)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = Pki(tmp_path_factory.mktemp("pki"), datetime.now(UTC))
    made.ensure_authorities()
    made.ensure_leaf("cluster", "node", hosts=NODES, purpose="server")
    made.ensure_leaf("cluster", "other", hosts=("elsewhere",), purpose="server")
    return made


def server_side(pki: Pki, name: str = "node") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = pki.leaf("cluster", name)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.fixture
def broker(pki: Pki) -> Iterator[SmallBroker]:
    made = SmallBroker(server_side(pki))
    for node in NODES:
        made.start(node)
    yield made
    made.close()


class Canary:
    """The whole of it, but for the collector."""

    def __init__(self, broker: SmallBroker, ca: Path) -> None:
        reach = Reach(
            nodes=tuple(
                Node(host=node, management_port=1, metrics_port=1, amqps_port=broker.ports[node])
                for node in NODES
            ),
            credentials=Credentials(username="canary", password="secret"),
            ca=ca,
            timeout_s=TIMEOUT_S,
            vhosts=(VHOST,),
        )
        self.skew_s = 0.0
        self.broker = broker
        self.asked: list[str] = []
        self.air = Air(reach, connect=self._connect, now_s=lambda: time.monotonic() + self.skew_s)
        flown = pairs((VHOST,), NODES)
        self.log = Landings(Tally(flown))
        pilots = [Pilot(pair, self.air.lane(pair), self.log) for pair in flown]
        self.fleet = Fleet(pilots, self.air.loop, timeout_s=TIMEOUT_S)

    def _connect(self, wanted: ConnectionParameters, **options: Any) -> SelectConnection:
        self.asked.append(wanted.host)
        return SelectConnection(wanted, **options)

    def fly(self) -> dict[Pair, Landing]:
        self.log.landings.clear()
        self.log.events.clear()
        began_s = time.monotonic()
        self.fleet.fly()
        assert time.monotonic() - began_s < self.fleet.longest_s + 1
        assert len(self.log.landings) == 6
        return dict(self.log.landings)

    def outcomes(self, *nodes: str) -> dict[str, int]:
        """Of a round: of pairs that touch one of ``nodes``, and with none given of all."""
        found: dict[str, int] = {}
        for pair, landing in self.fly().items():
            if not nodes or {pair.origin, pair.target} & set(nodes):
                found[landing.outcome] = found.get(landing.outcome, 0) + 1
        return found


@pytest.fixture
def canary(broker: SmallBroker, pki: Pki) -> Canary:
    return Canary(broker, pki.authority("cluster").certificate)


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it holds within a second: the small broker has threads of its own."""
    until_s = time.monotonic() + 1
    while time.monotonic() < until_s:
        if holds():
            return True
    return holds()


def test_pika_still_has_what_is_called_inside_it() -> None:
    for owner, name in link.PIKA_INTERNALS:
        assert hasattr(owner, name), (
            f"pika changed: {owner.__name__}.{name} is gone; see exporters/canary/link.py"
        )


def test_every_pair_lands_over_one_connection_a_node(canary: Canary) -> None:
    for _ in range(3):
        assert canary.outcomes() == {"ok": 6}
        assert soon(lambda: canary.broker.held == 0), "acks stay in the process between rounds"
    assert (canary.air.open, canary.air.opened) == (3, 3)
    assert {client.properties["connection_name"] for client in canary.broker.clients} == {
        f"warren-canary {node} {VHOST}" for node in NODES
    }


def test_a_message_goes_by_the_canarys_own_exchange_persistent_and_mandatory(canary: Canary) -> None:
    canary.fly()
    assert canary.broker.exchanges == {EXCHANGE}
    assert canary.broker.arguments[VHOST, PAIR.queue] == QUEUE_ARGUMENTS
    for node, method, properties in canary.broker.published:
        assert isinstance(method, spec.Basic.Publish)
        assert (method.exchange, method.mandatory, properties.delivery_mode) == (EXCHANGE, True, 2)
        assert method.routing_key.startswith(f"warren.canary.{node}.")
    assert len({properties.message_id for _, _, properties in canary.broker.published}) == 6


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("refuse declare", "not_declared"),
        ("mute declares", "not_declared"),
        ("unbound", "returned"),
        ("nack", "nacked"),
        ("mute confirms", "not_confirmed"),
        ("mute deliveries", "not_delivered"),
    ],
)
def test_what_the_broker_does_wrong_is_told_and_the_next_round_is_clean(
    canary: Canary, fault: str, outcome: str
) -> None:
    canary.broker.faults.add(fault)
    assert canary.outcomes() == {outcome: 6}
    canary.broker.faults.clear()
    assert canary.outcomes() == {"ok": 6}
    stale = [event for _, event in canary.log.events].count(Event.STALE)
    assert stale == (6 if fault == "mute deliveries" else 0)
    assert soon(lambda: canary.broker.held == 0)
    assert canary.outcomes() == {"ok": 6}
    assert canary.air.opened == 3, "a connection that answered was given up"


def test_a_killed_node_fails_its_pairs_at_once_and_comes_back(canary: Canary) -> None:
    canary.fly()
    canary.broker.kill(THREE)
    began_s = time.monotonic()
    landings = canary.fly()
    assert time.monotonic() - began_s < TIMEOUT_S, "a refused connection is waited for"
    for pair, landing in landings.items():
        hit = THREE in (pair.origin, pair.target)
        assert landing.outcome is (Outcome.NOT_CONNECTED if hit else Outcome.OK), landing
        assert not hit or THREE in landing.why
    canary.broker.start(THREE)
    canary.skew_s += 1  # a node that has just refused is not asked again for as long
    assert canary.outcomes() == {"ok": 6}
    assert soon(lambda: canary.broker.held == 0)


def test_a_frozen_node_costs_its_pairs_their_deadline_and_the_others_nothing(canary: Canary) -> None:
    """It accepts connections and says nothing, which no error tells of."""
    canary.fly()
    canary.broker.frozen.add(THREE)
    for wanted in ("not_confirmed not_delivered", "not_declared", "not_declared", "not_connected"):
        for pair, landing in canary.fly().items():
            if THREE in (pair.origin, pair.target):
                assert landing.outcome in wanted.split(), landing
            else:
                assert landing.outcome is Outcome.OK, landing
                assert landing.end_to_end_s is not None
                assert landing.end_to_end_s < TIMEOUT_S / 2
        canary.skew_s += link.SILENT_S / 2
    assert canary.air.open == 2
    assert canary.asked.count(ONE) == canary.asked.count(TWO) == 1
    canary.broker.unfreeze(THREE)
    assert canary.outcomes() == {"ok": 6}
    assert soon(lambda: canary.broker.held == 0)


def test_a_connection_that_has_just_been_heard_is_not_given_up(canary: Canary) -> None:
    """While a node is frozen there may be no other, though this one's node is well."""
    canary.fly()
    canary.broker.faults.add("mute confirms")
    for _ in range(2):
        canary.fly()
        canary.skew_s += link.SILENT_S / 3
    canary.broker.faults.clear()
    assert canary.outcomes() == {"ok": 6}
    assert canary.air.opened == 3


def test_channels_that_wait_for_ever_do_not_use_up_all_there_are(canary: Canary) -> None:
    """Each connection needs four."""
    canary.broker.channel_max = 5
    canary.broker.faults.add("mute declares")
    found = [canary.outcomes() for _ in range(3)]
    assert sum(each.get("not_declared", 0) + each.get("not_connected", 0) for each in found) == 18
    canary.broker.faults.clear()
    canary.outcomes()
    assert canary.outcomes() == {"ok": 6}


def test_a_connection_that_ends_between_rounds_is_made_anew(canary: Canary) -> None:
    canary.fly()
    for client in [each for each in canary.broker.clients if each.node == ONE]:
        client.close()
    time.sleep(0.1)  # its end is there to be read when the round begins
    assert canary.outcomes() == {"ok": 6}
    assert canary.air.opened == 4


def test_a_queue_that_is_deleted_is_declared_again(canary: Canary) -> None:
    canary.fly()
    canary.broker.delete((VHOST, PAIR.queue))
    time.sleep(0.1)  # its end is told before the round begins
    assert canary.outcomes() == {"ok": 6}
    assert canary.broker.arguments[VHOST, PAIR.queue] == QUEUE_ARGUMENTS


def test_while_the_broker_blocks_nothing_is_sent_and_nothing_given_up(canary: Canary) -> None:
    canary.fly()
    canary.broker.faults.add("alarm")
    assert set(canary.outcomes()) <= {"blocked"}
    sent = len(canary.broker.published)
    assert canary.outcomes() == {"blocked": 6}
    assert len(canary.broker.published) == sent
    assert (canary.air.open, canary.air.opened) == (3, 3)
    canary.broker.faults.clear()
    for client in canary.broker.clients:
        client.say(0, spec.Connection.Unblocked())
    time.sleep(0.1)
    canary.fly()
    assert canary.outcomes() == {"ok": 6}
    assert soon(lambda: canary.broker.held == 0)


def test_a_node_that_refuses_is_asked_once_a_round(canary: Canary) -> None:
    canary.broker.kill(THREE)
    canary.asked.clear()
    assert canary.outcomes(THREE) == {"not_connected": 4}
    assert canary.asked.count(THREE) == 1
    canary.skew_s += 1
    assert canary.outcomes(THREE) == {"not_connected": 4}
    assert canary.asked.count(THREE) == 2


def test_a_certificate_that_names_another_node_is_not_flown_to(pki: Pki) -> None:
    broker = SmallBroker(server_side(pki, "other"))
    for node in NODES:
        broker.start(node)
    try:
        landings = Canary(broker, pki.authority("cluster").certificate).fly()
    finally:
        broker.close()
    for landing in landings.values():
        assert landing.outcome is Outcome.NOT_CONNECTED
        assert "certificate is not accepted" in landing.why, landing.why


def test_an_authority_that_is_no_file_is_named(broker: SmallBroker, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"nowhere\.pem"):
        Canary(broker, tmp_path / "nowhere.pem")
