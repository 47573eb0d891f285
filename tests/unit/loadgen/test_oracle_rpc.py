"""rpc: each way in which answers can go wrong is found; and requests owe an answer to the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from loadgen import oracles, scenario
from loadgen.collect import Totals
from loadgen.evidence import Evidence, below
from loadgen.histogram import record
from loadgen.judge import judge
from loadgen.ledger import Event, Kind, LogPart
from loadgen.resolve import resolve
from loadgen.roster import expectation, publishers
from loadgen.spec import LoadSpec, RelayRole
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputsError
from warren.topology import Topology
from warren.topology_reader import load as load_topology

COUNT = 100
QUEUE = "warren.rpc.inventory"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(Path(__file__).resolve().parents[3] / "deploy" / "topology.yml")


@pytest.fixture(scope="module")
def spec(topology: Topology) -> LoadSpec:
    found = resolve(scenario.load("rpc-exchange", {"publishers.shop.count": "1"}), topology)
    return LoadSpec(
        run_id="r",
        nonce=1,
        seed=3,
        profile=found.name,
        oracles=found.oracles,
        vhost=found.vhost,
        endpoints=(Endpoint(name="a", host="a", port=1),),
        ca_pem=None,
        users=(Credentials(username="load", password="p"),),
        publishers=found.publishers,
        consumers=(),
        relays=found.relays,
        folder="",
    )


def evidence(*events: Event, replied: int | None = None) -> Evidence:
    every = below(COUNT)
    return Evidence(
        published={0: COUNT},
        confirmed={0: every},
        done={(QUEUE, 0): [every], ("replies", 0): [every if replied is None else replied]},
        logs=[LogPart(meaning={}, events=events)],
    )


def check(spec: LoadSpec, found: Evidence) -> Any:
    return oracles.check(spec, found, expectation(spec), Totals())


def test_answered_requests_hold(spec: LoadSpec) -> None:
    found = check(spec, evidence())
    assert [found[name]["passed"] for name in ("correlation", "answered", "second_answers")] == [True] * 3
    assert (found["answered"]["requests"], found["answered"]["answered"]) == (COUNT, COUNT)


def test_wrong_correlation_is_found(spec: LoadSpec) -> None:
    found = check(spec, evidence(Event(Kind.REPLY_WRONG, 0, 5)))["correlation"]
    assert (found["passed"], found["wrong"]) == (False, 1)
    assert "1 answers" in found["why"]


def test_request_without_an_answer_is_found_and_is_lost(spec: LoadSpec) -> None:
    silent = evidence(Event(Kind.UNANSWERED, 0, 7), replied=below(COUNT) & ~(1 << 7))
    found = check(spec, silent)["answered"]
    assert (found["passed"], found["never"], found["given_up"]) == (False, 1, 1)
    ledger = judge(silent, expectation(spec))
    assert (ledger.lost, ledger.lost_examples) == (1, ("replies: publisher 0, message 7",))


def test_answer_to_no_request_is_found(spec: LoadSpec) -> None:
    found = check(spec, evidence(replied=below(COUNT + 1)))["answered"]
    assert (found["passed"], found["invented"]) == (False, 1)


def test_timeouts_that_were_answered_in_the_end_hold(spec: LoadSpec) -> None:
    events = (Event(Kind.REPLY_TIMEOUT, 0, 5), Event(Kind.REPUBLISHED, 0, 5), Event(Kind.REPLY_LATE, 0, 5))
    found = check(spec, evidence(*events))["answered"]
    assert (found["passed"], found["timeouts"], found["after_a_timeout"]) == (True, 1, 1)


def test_second_answer_without_a_reason_is_found(spec: LoadSpec) -> None:
    found = check(spec, evidence(Event(Kind.REPLY_AGAIN, 0, 5)))["second_answers"]
    assert (found["passed"], found["unexplained"]) == (False, 1)


@pytest.mark.parametrize("why", [Kind.REPUBLISHED, Kind.RELAYED_AGAIN, Kind.REDELIVERED])
def test_second_answer_after_a_repeat_is_legal(spec: LoadSpec, why: Kind) -> None:
    found = check(spec, evidence(Event(why, 0, 5), Event(Kind.REPLY_AGAIN, 0, 5)))["second_answers"]
    assert (found["passed"], found["after_a_repeat"]) == (True, 1)


def test_flagged_second_answer_is_legal(spec: LoadSpec) -> None:
    assert check(spec, evidence(Event(Kind.REPLY_AGAIN, 0, 5, detail=1)))["second_answers"]["passed"] is True


def test_round_trips_are_told(spec: LoadSpec) -> None:
    totals = Totals()
    record(totals.histograms["round_trip"], 250_000_000)
    found = oracles.check(spec, evidence(), expectation(spec), totals)["round_trip_s"]
    assert (found["passed"], found["count"]) == (None, 1)
    assert found["p99"] == pytest.approx(0.25, rel=0.01)
    none = oracles.check(spec, evidence(), expectation(spec), Totals())["round_trip_s"]
    assert none["count"] == 0
    assert "p99" not in none


def test_requests_owe_the_server_and_an_answer(spec: LoadSpec) -> None:
    assert expectation(spec).destinations == {0: (QUEUE, "replies")}
    (asks,) = publishers(spec, "f")
    assert asks.replies is not None
    assert (asks.replies.by, asks.replies.exchange) == ("quorum", "warren.rpc.replies")


def changed(tmp_path: Path, *path: str, value: object) -> scenario.Scenario:
    data = yaml.safe_load((scenario.FOLDER / "rpc-exchange.yml").read_text(encoding="utf-8"))
    key = ".".join(path)
    (tmp_path / "rpc-exchange.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return scenario.load("rpc-exchange", {key: yaml.safe_dump(value)}, folder=tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("publishers", "shop", "replies", "exchange"), "nowhere"),
        (("relays", "server", "reply_exchange"), "nowhere"),
    ],
)
def test_answers_by_an_exchange_that_is_not_there_are_refused(
    tmp_path: Path, topology: Topology, path: tuple[str, ...], value: object
) -> None:
    with pytest.raises(BadInputsError, match="has no exchange 'nowhere'"):
        resolve(changed(tmp_path, *path, value=value), topology)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("publishers", "shop", "replies", "by"), "direct", "direct replies need none"),
        (("publishers", "shop", "replies", "by"), "pigeon", "by"),
        (("publishers", "shop", "replies", "patience_s"), 1, "patience_s"),
        (("relays", "server", "to"), "outcome", "say 'to: reply'"),
        (("body",), "json", "requests and their answers have Warren's own bodies only"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    tmp_path: Path, path: tuple[str, ...], value: object, message: str
) -> None:
    with pytest.raises(BadInputsError, match=message):
        changed(tmp_path, *path, value=value)


def test_relay_that_answers_needs_no_outcome(spec: LoadSpec) -> None:
    (server,) = spec.relays
    assert isinstance(server, RelayRole)
    assert (server.to, server.outcomes, server.reply_exchange) == ("reply", (), "warren.rpc.replies")
