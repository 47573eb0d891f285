"""The broker's counts and the ledger's side by side: every difference is explained or a doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadgen import broker_counters
from loadgen.broker_counters import Counted
from loadgen.reconcile import Reconciliation, span
from loadgen.reconcile import reconcile as reconciled
from warren.errors import NotReadyError
from warren.results import Traffic

PAGE = """# TYPE rabbitmq_erlang_uptime_seconds gauge
rabbitmq_erlang_uptime_seconds {uptime}
# TYPE rabbitmq_global_messages_received_total counter
rabbitmq_global_messages_received_total{{protocol="amqp091"}} {received}
rabbitmq_global_messages_received_total{{protocol="amqp10"}} 1
# TYPE rabbitmq_global_publishers gauge
rabbitmq_global_publishers{{protocol="amqp091"}} 7
"""

OURS = Traffic(sent=1000, acked=998, nacked=2, returned=3, deliveries=1010, rejected=100)
EQUAL = {
    "received": 1000,
    "confirmed": 998,
    "unroutable_returned": 3,
    "delivered_consume_manual_ack": 1010,
    "dead_lettered_rejected": 100,
}


def reconcile(counted: Counted, ours: Traffic = OURS, **given: Any) -> Reconciliation:
    return reconciled(counted, ours, **{"whole": True, **given})


def page(received: int, uptime: float = 100.0) -> str:
    return PAGE.format(received=received, uptime=uptime)


def read(pages: dict[str, str], at_s: float) -> broker_counters.Readings:
    def ask(node: str) -> str:
        if not pages[node]:
            raise NotReadyError(node, "refused the connection")
        return pages[node]

    return broker_counters.read(list(pages), ask, lambda: at_s)


def test_counts_are_summed_over_labels_and_gauges_left_out() -> None:
    assert dict(broker_counters.parse(page(41), at_s=0).counts) == {"received": 42.0}


def test_deliveries_over_streams_are_counted_apart_and_have_no_upper_bound() -> None:
    text = (
        "# TYPE rabbitmq_global_messages_delivered_total counter\n"
        'rabbitmq_global_messages_delivered_total{protocol="amqp091"} 5\n'
        'rabbitmq_global_messages_delivered_total{protocol="stream",queue_type="rabbit_stream_queue"} 7\n'
    )
    assert dict(broker_counters.parse(text, at_s=0).counts) == {
        "delivered": 12.0,
        "delivered_over_streams": 7.0,
    }
    ours = replace(OURS, deliveries=1017, streamed=7)
    for streamed, doubts in ((7, 0), (9, 0), (6, 1)):
        found = reconcile(Counted(counts={**EQUAL, "delivered_over_streams": streamed}), ours)
        assert len(found.doubts) == doubts


def test_difference_of_two_readings_is_summed_over_nodes() -> None:
    before = read({"a": page(10), "b": page(20)}, at_s=0.0)
    after = read({"a": page(15, 130), "b": page(27, 130)}, at_s=30.0)
    assert broker_counters.between(before, after) == Counted(counts={"received": 12})


def test_restarted_node_is_a_gap_and_counts_from_its_start() -> None:
    before, after = read({"a": page(1000)}, at_s=0.0), read({"a": page(4, 8)}, at_s=30.0)
    found = broker_counters.between(before, after)
    assert found.counts == {"received": 5}
    assert found.gaps == ("a restarted, and its counters began anew",)


def test_node_that_does_not_answer_is_a_gap() -> None:
    found = broker_counters.between(read({"a": page(1)}, at_s=0.0), read({"a": ""}, at_s=9.0))
    assert found.gaps == ("a did not answer: refused the connection",)


def test_equal_counts_leave_no_doubt() -> None:
    found = reconcile(Counted(counts=EQUAL))
    assert all(line.agrees for line in found.lines)
    assert found.doubts == ()


@pytest.mark.parametrize("counter", EQUAL)
@pytest.mark.parametrize("by", [-1, 1])
def test_difference_of_one_is_a_doubt(counter: str, by: int) -> None:
    found = reconcile(Counted(counts={**EQUAL, counter: EQUAL[counter] + by}))
    assert len(found.doubts) == 1
    assert counter.removesuffix("_consume_manual_ack").replace("_", " ") in found.doubts[0]
    assert ("1 too many" if by > 0 else "1 too few") in found.doubts[0]


def test_message_that_reached_no_queue_unseen_is_a_doubt() -> None:
    assert reconcile(Counted(counts={**EQUAL, "unroutable_dropped": 1})).doubts


def test_answer_that_was_dropped_after_a_lost_connection_is_no_doubt() -> None:
    broken = replace(OURS, links_lost=1)
    assert not reconcile(Counted(counts={**EQUAL, "unroutable_dropped": 1}), broken).doubts


def test_restart_or_stranger_explains_a_difference_and_is_said() -> None:
    off = {**EQUAL, "received": 7}
    assert reconcile(Counted(counts=off, gaps=("rmq1 restarted",))).doubts == ()
    found = reconcile(Counted(counts=off), strangers=["shop"])
    assert found.doubts == ()
    assert found.to_dict()["explained"] == ["other clients were connected: shop"]
    assert found.to_dict()["counters"]["received"]["agrees"] is False


def test_lost_connection_loosens_what_may_have_been_on_its_way_and_no_more() -> None:
    ours = replace(OURS, sent=1005, links_lost=1)
    on_the_way = {**EQUAL, "received": 1003, "delivered_consume_manual_ack": 1500, "confirmed": 1001}
    assert reconcile(Counted(counts=on_the_way), ours).doubts == ()
    for counter, value in (("received", 1006), ("received", 999), ("delivered_consume_manual_ack", 1009)):
        assert reconcile(Counted(counts={**on_the_way, counter: value}), ours).doubts


def test_process_that_died_takes_its_last_second_with_it() -> None:
    ours = replace(OURS, died=1)
    assert (
        reconcile(Counted(counts={**EQUAL, "received": 5000, "dead_lettered_rejected": 900}), ours).doubts
        == ()
    )
    assert reconcile(Counted(counts={**EQUAL, "received": 999}), ours).doubts


def test_run_that_was_broken_off_may_leave_deliveries_unread() -> None:
    counts = {**EQUAL, "delivered_consume_manual_ack": 1200}
    assert reconcile(Counted(counts=counts), whole=False).doubts == ()
    assert reconcile(Counted(counts=counts)).doubts


def test_client_that_came_and_went_in_between_is_seen_by_its_connection() -> None:
    ours = replace(OURS, links_opened=4)
    off = {**EQUAL, "received": 1200}
    assert reconcile(Counted(counts={**off, "connections_opened": 4}), ours).doubts
    found = reconcile(Counted(counts={**off, "connections_opened": 6}), ours)
    assert found.explained == ("2 connections of other clients were opened meanwhile",)
    assert found.doubts == ()


@pytest.mark.parametrize(("least", "most", "said"), [(7, 7, "7"), (7, 9, "7 to 9"), (7, None, "7 or more")])
def test_what_the_ledger_allows_is_said_in_words(least: int, most: int | None, said: str) -> None:
    assert span(least, most) == said
