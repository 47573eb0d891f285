"""Reading the broker's answers: recorded ones, and those that lack something."""

from __future__ import annotations

from exporters.snapshot import PUBLISHED, READY, Snapshot, dead_letter_targets, read_counters, read_queue

QUORUM = {
    "vhost": "/v",
    "name": "q",
    "type": "quorum",
    "state": "running",
    "leader": "rabbit@a",
    "members": ["rabbit@a", "rabbit@b", "rabbit@c"],
    "online": ["rabbit@a", "rabbit@c"],
}


def test_recorded_queue_is_read_whole(snapshot: Snapshot) -> None:
    assert snapshot.queues is not None
    work = next(queue for queue in snapshot.queues if queue.name == "orders.work")
    assert (work.vhost, work.type, work.state, work.leader) == ("/orders", "quorum", "running", "rmq3")
    assert work.members == work.online == ("rmq1", "rmq2", "rmq3")
    assert work.limits.dead_letter_exchange == "orders.dlx"
    assert work.delivery_limit == 20
    assert work.length_ratio is not None
    assert 0 < work.length_ratio < 0.01


def test_counters_are_read_by_queue_and_summed_over_exchanges() -> None:
    text = (
        'rabbitmq_detailed_queue_exchange_messages_published_total{vhost="/v",exchange="a",queue="q"} 3\n'
        'rabbitmq_detailed_queue_exchange_messages_published_total{vhost="/v",exchange="",queue="q"} 4\n'
        'rabbitmq_detailed_queue_messages_ready{vhost="/w",queue="q"} 9\n'
        'rabbitmq_build_info{rabbitmq_version="4.3.6"} 1\n'
    )
    counters = read_counters(text)
    assert counters[PUBLISHED] == {("/v", "q"): 7.0}
    assert counters[READY] == {("/w", "q"): 9.0}


def test_recorded_counters_come_from_the_nodes_that_the_clients_are_on(snapshot: Snapshot) -> None:
    published = {node: metrics[PUBLISHED] for node, metrics in snapshot.counters.items()}
    assert sum(counts.get(("/orders", "orders.work"), 0) for counts in published.values()) > 100_000


def test_a_member_that_is_away_is_not_online() -> None:
    queue = read_queue(QUORUM)
    assert (len(queue.members), queue.online) == (3, ("a", "c"))


def test_what_the_api_leaves_out_is_none_and_not_nought() -> None:
    queue = read_queue(QUORUM)
    assert (queue.messages, queue.consumers, queue.messages_dlx, queue.delivery_limit) == (None,) * 4
    assert (queue.length_ratio, queue.bytes_ratio, queue.consumer_capacity) == (None,) * 3


def test_the_lesser_of_argument_and_policy_is_the_limit() -> None:
    queue = read_queue(
        {
            **QUORUM,
            "messages": 40,
            "messages_dlx": 10,
            "arguments": {"x-max-length": 100, "x-message-ttl": 5000},
            "effective_policy_definition": {"max-length": 200, "message-ttl": 1000},
        }
    )
    assert (queue.limits.max_length, queue.limits.message_ttl_ms) == (100, 1000)
    assert queue.length_ratio == 0.5


def test_an_unlimited_delivery_limit_is_none() -> None:
    assert read_queue({**QUORUM, "delivery_limit": "unlimited"}).delivery_limit is None
    assert read_queue({**QUORUM, "delivery_limit": -1}).delivery_limit is None


def test_an_empty_policy_may_be_written_as_a_list() -> None:
    assert read_queue({**QUORUM, "effective_policy_definition": []}).limits.max_length is None


def test_dead_letter_targets_follow_bindings_through_exchanges(snapshot: Snapshot) -> None:
    targets = snapshot.dead_letter_targets
    assert {
        ("/orders", "orders.failed"),
        ("/orders", "payments.work"),
        ("/orders", "payments.wait-5s"),
    } <= targets
    assert ("/orders", "orders.work") not in targets


def test_dead_lettering_by_the_default_exchange_goes_to_the_queue_of_the_key() -> None:
    queue = read_queue(
        {**QUORUM, "arguments": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "attic"}}
    )
    assert dead_letter_targets([queue], []) == {("/v", "attic")}


def test_a_cycle_of_exchanges_ends() -> None:
    queue = read_queue({**QUORUM, "arguments": {"x-dead-letter-exchange": "a"}})
    bindings = [
        {"vhost": "/v", "source": "a", "destination": "b", "destination_type": "exchange"},
        {"vhost": "/v", "source": "b", "destination": "a", "destination_type": "exchange"},
        {"vhost": "/v", "source": "b", "destination": "attic", "destination_type": "queue"},
        {"vhost": "/other", "source": "b", "destination": "not-ours", "destination_type": "queue"},
    ]
    assert dead_letter_targets([queue], bindings) == {("/v", "attic")}
