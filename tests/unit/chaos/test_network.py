"""What faults of the network say to the kernel's tools, and what they make of the answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chaos import connections, network
from chaos import fault as catalogue
from chaos.engine import Order, Target, heal, inject
from chaos.packets import Cut, ruleset
from warren.errors import BadInputError, InconclusiveError, NotReadyError, RefusedError
from warren.journal import Fault
from warren.process import Completed
from warren.runtime.protocol import NodeState

LISTING = """\
0      0      [::ffff:10.0.0.3]:5671 [::ffff:10.0.0.90]:4001
0      0          10.0.0.3:5671       10.0.0.91:4002
0      0      [fd00::3]:5551 [fd00::9]:4003
"""


def struck(ground: Any, name: str, node: str = "rmq2", **args: str) -> Fault:
    (fault,) = inject(ground.context(), Order(fault=name, target=Target(node=node), args=args))
    return fault


def table(ground: Any, node: str = "rmq2") -> str:
    (text,) = ground.runtime.machine(node)["tables"].values()
    return str(text)


def test_table_never_touches_the_loopback_interface_and_counts() -> None:
    text = ruleset("t", Cut(matches={"in": ["tcp dport { 1 }"], "out": ["tcp sport { 1 }"]}, verdict="drop"))
    assert text.count('"lo" accept') == 2
    assert text.index('iifname "lo" accept') < text.index("tcp dport { 1 } counter drop")
    assert text.index('oifname "lo" accept') < text.index("tcp sport { 1 } counter drop")


@pytest.mark.parametrize(
    ("args", "there", "not_there"),
    [
        ({}, ["ip saddr { 10.0.0.2, 10.0.0.4 } tcp dport", "ip daddr { 10.0.0.2, 10.0.0.4 }"], ["5671"]),
        ({"direction": "in"}, ["hook input"], ["hook output"]),
        ({"direction": "out"}, ["hook output"], ["hook input"]),
        ({"traffic": "clients"}, ["tcp dport { 5671"], ["25672", "ip saddr"]),
        ({"traffic": "all"}, ["meta l4proto { tcp, udp, icmp } counter drop"], ["dport"]),
        ({"traffic": "all", "how": "refuse"}, ["meta l4proto tcp counter reject"], ["udp"]),
        ({"peers": "rmq3"}, ["ip saddr { 10.0.0.4 }"], ["10.0.0.2"]),
        ({"peers": "rmq3,rmq1"}, ["ip saddr { 10.0.0.2, 10.0.0.4 }"], []),
    ],
)
def test_partition_cuts_what_it_was_told_to(
    ground: Any, args: dict[str, str], there: list[str], not_there: list[str]
) -> None:
    struck(ground, "partition", **args)
    text = table(ground)
    assert all(words in text for words in there), text
    assert not any(words in text for words in not_there), text


@pytest.mark.parametrize("name", ["partition", "loss", "latency"])
@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"peers": "rmq9"}, "there is no node 'rmq9'"),
        ({"peers": "rmq1,rmq2"}, "is the target itself"),
        ({"peers": "rmq1", "traffic": "clients"}, "traffic between nodes"),
        ({"peers": "rmq1 rmq3"}, "is 'rmq1 rmq3'"),
    ],
)
def test_peers_that_are_none_are_refused_before_anything_is_touched(
    ground: Any, name: str, args: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        struck(ground, name, **args)
    assert ground.runtime.calls == []
    assert ground.journal.read().faults == ()


def test_peer_that_is_down_or_off_the_network_is_left_out(ground: Any) -> None:
    ground.runtime.detach("rmq1")
    site = ground.context().site
    fault = Fault(fault_id="f", name="partition", target="rmq2", args={"traffic": "inter-node"})
    assert network.peer_addresses(site, fault) == ["10.0.0.4"]
    ground.runtime.put("rmq3", NodeState.STOPPED)
    with pytest.raises(NotReadyError, match="none of its peers"):
        network.peer_addresses(site, fault)


def test_each_fault_finds_its_own_tables_and_no_others(ground: Any) -> None:
    struck(ground, "partition")
    struck(ground, "slow-close")
    ground.runtime.machine("rmq2")["tables"]["somebody_elses"] = ""
    site = ground.context().site
    found = {name: catalogue.load(name).residue(site) for name in ("partition", "loss", "slow-close")}
    assert found == {"partition": ("rmq2",), "loss": (), "slow-close": ("rmq2",)}
    ground.journal.path.unlink()
    report = heal(ground.context())
    assert {fault.name for fault in report.found} == {"partition", "slow-close"}
    assert set(ground.runtime.machine("rmq2")["tables"]) == {"somebody_elses"}


def test_scan_for_residue_asks_each_node_in_one_helper_container(ground: Any) -> None:
    runs: list[str] = []
    ground.runtime.on("in_network", lambda: runs.append("x"), times=None)
    heal(ground.context())
    assert len(runs) == len(ground.runtime.nodes)


def test_connections_are_read_whatever_the_family_of_the_nodes_socket(ground: Any) -> None:
    site = ground.context().site
    runtime = answering(LISTING)
    found = connections.listed(replace(site, runtime=runtime), "rmq2")
    assert [str(each) for each in found] == [
        "10.0.0.90:4001>5671",
        "10.0.0.91:4002>5671",
        "fd00::9:4003>5551",
    ]


class Answering:
    """A runtime that answers `ss` and the broker's tool."""

    def __init__(self, listing: str, names: str = "") -> None:
        self.listing, self.names = listing, names

    def in_network(self, node: str, argv: list[str], **given: Any) -> Completed:
        return Completed(argv=tuple(argv), returncode=0, stdout=self.listing, stderr="")

    def execute(self, node: str, argv: list[str], **given: Any) -> Completed:
        assert argv[0] == "rabbitmqctl"
        return Completed(argv=tuple(argv), returncode=0, stdout=self.names, stderr="")


def answering(listing: str, names: str = "") -> Any:
    return Answering(listing, names)


@pytest.mark.parametrize(
    ("client", "found"),
    [
        ("all", ["10.0.0.90:4001>5671", "10.0.0.91:4002>5671", "fd00::9:4003>5551"]),
        ("10.0.0.90", ["10.0.0.90:4001>5671"]),
        ("10.0.0.91:4002", ["10.0.0.91:4002>5671"]),
        ("consumer", ["10.0.0.90:4001>5671"]),
        ("publisher", ["10.0.0.91:4002>5671"]),
    ],
)
def test_client_is_meant_by_its_address_its_port_or_its_own_name(
    ground: Any, client: str, found: list[str]
) -> None:
    names = """\
::ffff:10.0.0.90 4001 warren-load r1 consumer-0
10.0.0.91 4002 warren-load r1 publisher-0
10.0.0.92 4009 warren-load r1 consumer-1 that has gone since
ok
"""
    site = replace(ground.context().site, runtime=answering(LISTING, names), args={"client": client})
    assert connections.look(site, "rmq2") == {"connections": found}


@pytest.mark.parametrize("name", ["reset", "half-open"])
def test_without_such_a_client_there_is_nothing_to_strike(ground: Any, name: str) -> None:
    with pytest.raises(RefusedError, match=r"no client '10\.9\.9\.9' is connected"):
        struck(ground, name, client="10.9.9.9")
    ground.runtime.machine("rmq2")["clients"].clear()
    with pytest.raises(RefusedError, match="no client is connected"):
        struck(ground, name)
    assert ground.journal.read().faults == ()


def test_half_open_cuts_the_very_connections_that_were_there_both_ways(ground: Any) -> None:
    struck(ground, "half-open")
    text = table(ground)
    listed = "10.0.0.90 . 4001 . 5671, 10.0.0.91 . 4002 . 5671"
    assert f"ip saddr . tcp sport . tcp dport {{ {listed} }} counter drop" in text
    assert f"ip daddr . tcp dport . tcp sport {{ {listed} }} counter drop" in text


BEATS = """\
::ffff:10.0.0.90 4001 60
10.0.0.91 4002 0
10.0.0.99 4001 5
"""


def dropping_from(ground: Any, after_s: float) -> None:
    """The table counts nothing before the first heartbeat, which is so late."""
    nothing = Completed(argv=(), returncode=0, stdout='{"nftables": []}', stderr="")
    name = ("nft", "-j", "list", "table", "inet", "warren_half_open__half_open_0001")
    begun_s = ground.time.seconds

    def look() -> None:
        if ground.time.seconds - begun_s < after_s:
            ground.runtime.replies[name] = nothing
        else:
            ground.runtime.replies.pop(name, None)

    look()
    ground.runtime.on("in_network", look, times=None)


def test_half_open_waits_for_the_heartbeat_of_a_connection_without_traffic(ground: Any) -> None:
    """It gave up after 15 s, when a client with RabbitMQ's own 60 s sends one every 30."""
    ground.runtime.replies["rabbitmqctl", "--quiet", "eval", connections._BEATS] = Completed(
        argv=(), returncode=0, stdout=BEATS, stderr=""
    )
    dropping_from(ground, 40.0)
    fault = struck(ground, "half-open")
    assert fault.evidence["heartbeat_s"] == 60
    assert any("may take up to 65 s" in line for line in ground.said)


def test_half_open_without_any_heartbeat_says_so_and_waits_no_longer_than_others(ground: Any) -> None:
    dropping_from(ground, 40.0)
    begun_s = ground.time.seconds
    with pytest.raises(InconclusiveError, match="no packet has met"):
        struck(ground, "half-open")
    assert ground.time.seconds - begun_s == pytest.approx(15, abs=2)
    assert any("none of these connections has a heartbeat" in line for line in ground.said)


def test_slow_close_drops_ends_alone_and_makes_one_where_none_comes(ground: Any) -> None:
    runs: list[str] = []
    ground.runtime.on("in_network", lambda: runs.append("x"), times=None, node="rmq1")
    ground.runtime.replies[("nft", "-j", "list", "table", "inet", "warren_slow_close__slow_close_0001")] = (
        Completed(argv=(), returncode=0, stdout='{"nftables": []}', stderr="")
    )
    with pytest.raises(InconclusiveError, match="no packet has met"):
        struck(ground, "slow-close")
    assert len(runs) > 1, "another node has closed a connection to it, to see whether that is dropped"


def test_slow_close_drops_both_ways_of_ending(ground: Any) -> None:
    struck(ground, "slow-close", direction="out")
    text = table(ground)
    assert "tcp sport { 5671" in text
    assert text.count("tcp flags & (fin | rst) != 0 counter drop") == 2
    assert "hook input" not in text


def test_reset_of_connections_that_stay_did_not_bite(ground: Any) -> None:
    ground.runtime.replies[("sh", "-e")] = Completed(argv=(), returncode=0, stdout="", stderr="")
    with pytest.raises(InconclusiveError, match="2 of 2 connections are still there"):
        struck(ground, "reset")
    assert ground.journal.open_faults() == ()


def test_detached_node_gets_its_address_back_or_the_user_is_told(ground: Any) -> None:
    fault = struck(ground, "detach")
    assert fault.evidence["address"] == "10.0.0.3"
    report = heal(ground.context())
    assert report.healed[0].evidence["address_healed"] == "10.0.0.3"
    changed = replace(fault, evidence={"address": "10.0.0.77"})
    catalogue.load("detach").heal(ground.context().site, changed)
    assert any("its address 10.0.0.77 was taken" in line for line in ground.said)


def test_detached_node_that_has_ended_meanwhile_is_put_back_and_started(ground: Any) -> None:
    struck(ground, "detach")
    ground.runtime.put("rmq2", NodeState.STOPPED)
    report = heal(ground.context())
    assert [fault.name for fault in report.healed] == ["detach"]
    assert [fault.name for fault in report.found] == ["stop"]
    assert not ground.is_broken("rmq2")


def test_putting_back_that_did_nothing_is_tried_again(ground: Any) -> None:
    fault = struck(ground, "detach")
    ground.runtime.put("rmq2", NodeState.STOPPED)
    ground.runtime.ignored_steps = {"attach"}
    with pytest.raises(NotReadyError, match="not on the network again"):
        catalogue.load("detach").heal(ground.context().site, fault)


def test_helper_that_holds_nothing_is_no_proof(ground: Any) -> None:
    ground.runtime.said = '{"held": 0, "mean_ms": 0.0, "longest_ms": 0.0, "waiting": 0}'
    with pytest.raises(InconclusiveError, match="no packet was held yet"):
        struck(ground, "latency")
    assert not ground.is_broken("rmq2")


def test_latency_is_told_what_to_hold(ground: Any) -> None:
    fault = struck(ground, "latency", delay_ms="250", jitter_ms="20", peers="rmq3", direction="in")
    (argv,) = ground.runtime.machine("rmq2")["joined"].values()
    assert argv[:3] == ["python3", "-m", "chaos.delay"]
    told = json.loads(argv[3])
    assert (told["delay_ms"], told["jitter_ms"]) == (250.0, 20.0)
    assert (told["peers"], told["directions"], told["ports"]) == (["10.0.0.4"], ["in"], [25672, 4369])
    assert fault.evidence["jitter_seed"] == told["seed"]
    assert fault.evidence["packets"] == 7


def test_latency_draws_as_the_order_says(ground: Any) -> None:
    order = Order(fault="latency", target=Target(node="rmq2"), seed=4711)
    (fault,) = inject(ground.context(), order)
    assert fault.evidence["jitter_seed"] == 4711


def test_helper_that_cannot_hold_packets_says_why_and_nobody_waits_for_it(ground: Any) -> None:
    ground.runtime.ended["latency-0001"] = "OSError: [Errno 2] No such file or directory"
    begun_s = ground.time.now()
    with pytest.raises(NotReadyError, match="has ended: OSError"):
        struck(ground, "latency")
    assert ground.time.now() - begun_s < 15
    assert not ground.is_broken("rmq2")


def test_helper_outlives_its_node_and_is_removed_all_the_same(ground: Any) -> None:
    struck(ground, "latency")
    ground.runtime.kill("rmq2")
    ground.journal.path.unlink()
    report = heal(ground.context())
    assert {fault.name for fault in report.found} == {"latency", "stop"}
    assert not ground.is_broken("rmq2")


def test_bandwidth_is_held_on_the_interface_that_the_node_has_since_it_was_put_back(ground: Any) -> None:
    """Seen live: the engine gave a node that was taken off its network and put back an ``eth1``."""
    ground.runtime.machine("rmq2")["interface"] = "eth1"
    fault = struck(ground, "bandwidth")
    assert fault.evidence["interface"] == "eth1"
    heal(ground.context())
    assert not ground.is_broken("rmq2")
