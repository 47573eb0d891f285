"""Reading the broker's answers: recorded ones, and those that lack something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporters.dead_lettering import dead_letter_targets
from exporters.detailed import PUBLISHED, READY, read_counters, read_published
from exporters.queue_facts import QUEUE_COLUMNS, read_queue
from exporters.snapshot import Snapshot

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
    assert (work.length_ratio, work.bytes_ratio) == (0, 0), "its six messages are all unacknowledged"


def test_counters_are_read_by_queue_and_publishes_by_exchange_too() -> None:
    text = (
        'rabbitmq_detailed_queue_exchange_messages_published_total{vhost="/v",exchange="a",queue="q"} 3\n'
        'rabbitmq_detailed_queue_exchange_messages_published_total{vhost="/v",exchange="",queue="q"} 4\n'
        'rabbitmq_detailed_queue_messages_ready{vhost="/w",queue="q"} 9\n'
        'rabbitmq_build_info{rabbitmq_version="4.3.6"} 1\n'
    )
    assert read_published(text) == {("/v", "q"): {"a": 3.0, "": 4.0}}
    assert read_counters(text)[READY] == {("/w", "q"): 9.0}


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(), st.text(), st.integers(0, 10**15)), max_size=20))
def test_counters_are_read_as_the_library_reads_them_whatever_the_names(
    rows: list[tuple[str, str, int]],
) -> None:
    """Names may hold quotes, backslashes, line breaks of every alphabet: then the library is asked."""
    metric = "rabbitmq_detailed_queue_messages_ready"
    text = "".join(
        f'{metric}{{vhost="{_escaped(vhost)}",queue="{_escaped(queue)}"}} {ready}\n'
        for vhost, queue, ready in rows
    )
    expected: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.labels["vhost"], sample.labels["queue"])
            expected[key] = expected.get(key, 0.0) + sample.value
    assert read_counters(text)[READY] == expected


@settings(deadline=None)
@given(st.dictionaries(st.tuples(st.text(), st.text(), st.text()), st.integers(0, 10**15), max_size=20))
def test_publishes_are_read_whatever_the_names(rows: dict[tuple[str, str, str], int]) -> None:
    metric = f"rabbitmq_detailed_{PUBLISHED}"
    text = "".join(
        f'{metric}{{vhost="{_escaped(vhost)}",exchange="{_escaped(by)}",queue="{_escaped(queue)}"}} {count}\n'
        for (vhost, by, queue), count in rows.items()
    )
    expected: dict[tuple[str, str], dict[str, float]] = {}
    for (vhost, by, queue), count in rows.items():
        expected.setdefault((vhost, queue), {})[by] = float(count)
    assert read_published(text) == expected


def test_labels_in_another_order_are_read_too() -> None:
    text = 'rabbitmq_detailed_queue_messages_ready{queue="q",vhost="/v"} 4\n'
    assert read_counters(text)[READY] == {("/v", "q"): 4.0}


def test_an_answer_that_breaks_off_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_counters('rabbitmq_detailed_queue_messages_ready{vhost="/v",que')


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def test_recorded_counters_come_from_the_nodes_that_the_clients_are_on(snapshot: Snapshot) -> None:
    came = [counts.get(("/orders", "orders.work"), {}) for counts in snapshot.published.values()]
    assert sum(sum(each.values()) for each in came) > 100_000


def test_a_member_that_is_away_is_not_online() -> None:
    queue = read_queue(QUORUM)
    assert (len(queue.members), queue.online) == (3, ("a", "c"))


class Watched(dict[str, object]):
    """Notes which keys are asked for."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.asked: set[str] = set()

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> object:
        self.asked.add(key)
        return super().__getitem__(key)


def test_every_key_that_is_read_is_asked_of_the_broker_and_no_other() -> None:
    asked: set[str] = set()
    for row in (QUORUM, {"vhost": "/v", "name": "q", "type": "classic", "node": "rabbit@a"}):
        watched = Watched({**row, "arguments": {"x-single-active-consumer": True}})
        read_queue(watched)
        asked |= watched.asked
    assert asked == set(QUEUE_COLUMNS)


def test_priorities_delays_and_the_single_active_consumer_are_read() -> None:
    queue = read_queue(
        {
            **QUORUM,
            "arguments": {"x-single-active-consumer": True},
            "single_active_consumer_tag": "ctag1",
            "messages_by_priority": {"4": 2, "9": 1},
            "messages_delayed": 1,
            "next_delayed_at": 1795851292138,
            "messages_ready_returned": 3,
        }
    )
    assert queue.single_active is True
    assert queue.messages_by_priority == (("4", 2), ("9", 1))
    assert (queue.messages_delayed, queue.next_delayed_at_s) == (1, 1795851292.138)
    assert queue.messages_returned == 3
    assert read_queue({**QUORUM, "messages_by_priority": []}).messages_by_priority == ()
    assert read_queue(QUORUM).single_active is None
    assert read_queue({**QUORUM, "arguments": {"x-single-active-consumer": True}}).single_active is False


@pytest.mark.parametrize(
    ("members", "online", "target", "under", "critical"),
    [
        ("abc", "abc", 3, False, ""),
        ("abc", "ab", 3, True, "ab"),
        ("abc", "a", 3, True, ""),
        ("a", "a", 3, True, "a"),
        ("ab", "ab", None, False, "ab"),
        ("abcde", "abcd", None, True, ""),
        ("abcde", "abc", None, True, "abc"),
    ],
)
def test_members_that_may_not_stop_are_those_that_a_majority_needs(
    members: str, online: str, target: int | None, under: bool, critical: str
) -> None:
    row = {**QUORUM, "members": list(members), "online": list(online)}
    policy = {} if target is None else {"target-group-size": target}
    queue = read_queue({**row, "effective_policy_definition": policy})
    assert queue.under_replicated is under
    assert queue.critical_members == tuple(critical)


@pytest.mark.parametrize(
    ("argument", "policy", "under"), [(5, 3, True), (3, 5, True), (3, None, False), (5, None, True)]
)
def test_the_greater_of_argument_and_policy_is_the_target_of_members(
    argument: int, policy: int | None, under: bool
) -> None:
    """As the broker takes them: it grows a queue to the greater."""
    row = {**QUORUM, "online": QUORUM["members"], "arguments": {"x-quorum-target-group-size": argument}}
    definition = {} if policy is None else {"target-group-size": policy}
    assert read_queue({**row, "effective_policy_definition": definition}).under_replicated is under


def test_a_classic_queue_has_no_majority_to_lose() -> None:
    queue = read_queue({"vhost": "/v", "name": "q", "type": "classic", "node": "rabbit@a"})
    assert queue.critical_members == ()


@pytest.mark.parametrize(
    ("state", "online"), [("running", ("a",)), ("down", ()), ("stopped", ()), ("crashed", ())]
)
def test_a_classic_queue_runs_nowhere_while_its_node_is_away(state: str, online: tuple[str, ...]) -> None:
    queue = read_queue({"vhost": "/v", "name": "q", "type": "classic", "node": "rabbit@a", "state": state})
    assert (queue.members, queue.online) == (("a",), online)


def test_what_the_api_leaves_out_is_none_and_not_nought() -> None:
    queue = read_queue(QUORUM)
    assert (queue.messages_ready, queue.consumers, queue.messages_dlx, queue.delivery_limit) == (None,) * 4
    assert (queue.length_ratio, queue.bytes_ratio, queue.consumer_capacity) == (None,) * 3


def test_the_lesser_of_argument_and_policy_is_the_limit() -> None:
    queue = read_queue(
        {
            **QUORUM,
            "messages_ready": 40,
            "messages_dlx": 10,
            "arguments": {"x-max-length": 100, "x-message-ttl": 5000},
            "effective_policy_definition": {"max-length": 200, "message-ttl": 1000},
        }
    )
    assert (queue.limits.max_length, queue.limits.message_ttl_ms) == (100, 1000)
    assert queue.length_ratio == 0.5


def test_a_limit_counts_what_is_ready_and_not_what_consumers_hold() -> None:
    queue = read_queue(
        {
            **QUORUM,
            "messages": 1000,
            "messages_ready": 400,
            "message_bytes": 5000,
            "message_bytes_ready": 2000,
            "arguments": {"x-max-length": 1000, "x-max-length-bytes": 4000},
        }
    )
    assert (queue.length_ratio, queue.bytes_ratio) == (0.4, 0.5)


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


class Counted(list[dict[str, object]]):
    """Bindings that know how often they were gone through."""

    rounds = 0

    def __iter__(self) -> Iterator[dict[str, object]]:
        self.rounds += 1
        return super().__iter__()


def test_bindings_are_gone_through_once_for_all_queues_that_dead_letter() -> None:
    """One policy may give ten thousand queues the same exchange; each is bound to the default one too."""
    queues = [
        read_queue({**QUORUM, "name": f"q{number}", "arguments": {"x-dead-letter-exchange": "dlx"}})
        for number in range(100)
    ]
    bindings = Counted(
        {"vhost": "/v", "source": source, "destination": f"q{number}", "destination_type": "queue"}
        for number in range(100)
        for source in ("", "dlx" if number < 2 else "other")
    )
    assert dead_letter_targets(queues, bindings) == {("/v", "q0"), ("/v", "q1")}
    assert bindings.rounds == 1


def test_a_cycle_of_exchanges_ends() -> None:
    queue = read_queue({**QUORUM, "arguments": {"x-dead-letter-exchange": "a"}})
    bindings = [
        {"vhost": "/v", "source": "a", "destination": "b", "destination_type": "exchange"},
        {"vhost": "/v", "source": "b", "destination": "a", "destination_type": "exchange"},
        {"vhost": "/v", "source": "b", "destination": "attic", "destination_type": "queue"},
        {"vhost": "/other", "source": "b", "destination": "not-ours", "destination_type": "queue"},
    ]
    assert dead_letter_targets([queue], bindings) == {("/v", "attic")}
