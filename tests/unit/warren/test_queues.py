"""The queue commands without a broker: whose message goes where, what is put back, and what is never lost."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren import routing
from warren.console import silent
from warren.errors import BadInputError, InconclusiveError, NotReadyError, RefusedError
from warren.management import QueueInfo
from warren.management_facts import queue as queue_info
from warren.process import Completed
from warren.queues import encoding, listing, looking, page, redrive
from warren.queues.choice import Choice, header_filters
from warren.queues.faithful import FaithfulProperties, decoded, read
from warren.queues.message import REDRIVEN, Message, encoded_again, headers_again, properties_again
from warren.queues.origin import Stay, Target, target, view
from warren.queues.wire import PIKA_INTERNALS, Outcome, Taken, _Connection
from warren.runtime.fake import FakeRuntime
from warren.topology import Topology, Vhost
from warren.wait import Clock

NOW = 1_800_000_000.0


def death(
    queue: str, reason: str, exchange: str, key: str, *, count: int = 1, ago_s: float = 60
) -> dict[str, Any]:
    return {
        "queue": queue, "reason": reason, "exchange": exchange, "routing-keys": [key], "count": count,
        "time": NOW - ago_s,
    }  # fmt: skip


def message(
    *deaths: Mapping[str, Any], headers: Mapping[str, Any] | None = None, **properties: Any
) -> Message:
    """A dead-lettered message; deaths are given most recent first, as the broker lists them."""
    said: dict[str, Any] = dict(headers or {})
    if deaths:
        first, last = deaths[-1], deaths[0]
        said |= {
            "x-death": list(deaths),
            "x-first-death-queue": first["queue"], "x-first-death-reason": first["reason"],
            "x-last-death-queue": last["queue"], "x-last-death-reason": last["reason"],
        }  # fmt: skip
    made = pika.BasicProperties(headers=said, **properties)
    return read("some.dlx", "key", made, b"body")


LADDER = (
    death("payments.work", "rejected", "payments.direct", "payment.new", count=4),
    death("payments.wait-30s", "expired", "payments.retry", "payment.retry-2"),
    death("payments.wait-5s", "expired", "payments.retry", "payment.new"),
)


@pytest.fixture
def orders(deployed: Topology) -> Vhost:
    """The virtual host as the management API would show it."""
    vhost = deployed.vhost("/orders")
    policies = {queue.name: dict(_policy_of(vhost, queue.name)) for queue in vhost.queues}
    return view(
        vhost.name,
        [{"name": each.name, "type": each.type, "internal": each.internal} for each in vhost.exchanges],
        [info(one.name, arguments=dict(one.arguments), policy=policies[one.name]) for one in vhost.queues],
        [
            {
                "source": each.source, "destination": each.destination, "routing_key": each.routing_key,
                "destination_type": each.destination_type, "arguments": each.arguments,
            }
            for each in vhost.bindings
        ],
    )  # fmt: skip


def _policy_of(vhost: Vhost, name: str) -> Mapping[str, Any]:
    policy, guard = routing.matching_policies(vhost, vhost.queue(name))
    return {**(guard.definition if guard else {}), **(policy.definition if policy else {})}


def info(
    name: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
    **more: Any,
) -> QueueInfo:
    row = {"vhost": "/orders", "name": name, "type": "quorum", "state": "running", **more}
    return queue_info({**row, "arguments": arguments or {}, "effective_policy_definition": policy or {}})


# -- where a message goes ----------------------------------------------------------------------------------


def test_one_off_a_retry_ladder_begins_at_its_first_rung(orders: Vhost) -> None:
    found = target(message(*LADDER[:1]), {}, orders, "origin")
    assert found == Target(exchange="payments.direct", keys=("payment.new",), queues=("payments.work",))


def test_one_of_a_fanout_goes_to_its_own_queue_only(orders: Vhost) -> None:
    dead = message(death("orders.analytics", "rejected", "orders.events", ""))
    assert target(dead, {}, orders, "origin") == Target(
        exchange="", keys=("orders.analytics",), queues=("orders.analytics",)
    )
    wide = target(dead, {}, orders, "exchange")
    assert isinstance(wide, Target)
    assert wide.queues == ("orders.analytics", "orders.notifications")


def test_one_that_could_not_be_dead_lettered_again_stays(orders: Vhost) -> None:
    """Straight to payments.work its key would be the queue's name, and no rung is bound by that."""
    dead = message(death("payments.work", "rejected", "orders.events", ""))
    found = target(dead, {}, orders, "origin")
    assert isinstance(found, Stay)
    assert "could not be dead-lettered again: choose by --to" in found.why
    assert isinstance(target(dead, {}, orders, "queue"), Target)


@pytest.mark.parametrize(
    ("dead", "why"),
    [
        (message(), "no death on record"),
        (message(death("gone", "rejected", "orders.direct", "x")), "queue gone is gone"),
        (message(death("gone", "rejected", "none", "x")), "queue gone is gone"),
    ],
)
def test_one_that_has_nowhere_to_go_stays_with_the_reason(dead: Message, why: str, orders: Vhost) -> None:
    found = target(dead, {}, orders, "origin")
    assert isinstance(found, Stay)
    assert why in found.why
    assert target(dead, {}, orders, "origin", "orders.work") == Target(
        exchange="", keys=("orders.work",), queues=("orders.work",)
    )


def test_first_and_last_death_are_told_apart(orders: Vhost) -> None:
    dead = message(LADDER[1], LADDER[0])
    assert str(target(dead, {}, orders, "queue")) == "payments.work"
    assert str(target(dead, {}, orders, "last")) == "payments.wait-30s"


def test_exchange_of_a_plugin_is_not_guessed(orders: Vhost) -> None:
    rows = [{"name": "hash", "type": "x-consistent-hash"}]
    seen = view(
        "/orders",
        rows,
        [info("a")],
        [{"source": "hash", "destination": "a", "destination_type": "queue", "routing_key": "1"}],
    )
    assert str(target(message(death("a", "expired", "hash", "k")), {}, seen, "origin")) == "a"
    assert str(target(message(death("a", "expired", "hash", "k")), {}, seen, "exchange")) == "hash (k)"


# -- what it is published with -----------------------------------------------------------------------------


def test_history_of_the_broker_is_taken_out_and_kept_as_text() -> None:
    dead = message(
        *LADDER,
        headers={"mine": 1, "x-delivery-count": 4, "x-own": "kept", "CC": ["other"]},
        user_id="shop",
        message_id="p1",
    )
    again = headers_again(dead, queue="payments.failed", user="operator")
    assert again == {
        "mine": 1,
        "x-own": "kept",
        "warren-redriven": 1,
        "warren-redriven-from": "payments.failed",
        "warren-died": "rejected in payments.work x4, expired in payments.wait-30s,"
        " expired in payments.wait-5s",
        "warren-user-id": "shop",
    }
    assert properties_again(dead, user="operator") == {"message_id": "p1"}
    assert properties_again(dead, user="shop") == {"message_id": "p1", "user_id": "shop"}


def test_second_copy_is_told_by_its_count() -> None:
    first = headers_again(message(*LADDER), queue="f", user="u")
    assert first == headers_again(message(*LADDER), queue="f", user="u"), "a copy looks like the first"
    later = headers_again(message(*LADDER, headers=first), queue="f", user="u")
    assert (first["warren-redriven"], later["warren-redriven"]) == (1, 2)


HEADERS = {
    "float": 2.5, "deep": {"list": [1, 2.25, None, "ä", {"x": True}]}, "long": 2**40, "bytes": b"\xff",
    "flag": False,
    "none": None, "moment": datetime(2026, 1, 2, tzinfo=UTC), "price": Decimal("1.25"), "nan": float("inf"),
}  # fmt: skip


def in_amqp(value: Any) -> bytes:
    """A value as a broker would send it; pika writes no float."""
    if isinstance(value, float):
        return b"d" + struct.pack(">d", value)
    if isinstance(value, dict):
        return b"F" + encoding.table_of({name: in_amqp(each) for name, each in value.items()})
    if isinstance(value, list):
        inner = b"".join(in_amqp(each) for each in value)
        return b"A" + struct.pack(">I", len(inner)) + inner
    pieces: list[bytes] = []
    pika.data.encode_value(pieces, value)
    return b"".join(pieces)


def test_headers_go_out_byte_for_byte_as_they_came_in() -> None:
    given = {
        "content_type": "text/plain",
        "content_encoding": "x",
        "message_id": "m",
        "timestamp": 5,
        "priority": 3,
    }
    came = b"".join(
        FaithfulProperties(given, HEADERS, {name: in_amqp(each) for name, each in HEADERS.items()}).encode()
    )
    one = read("e", "k", decoded(came), b"")
    assert one.headers == HEADERS
    assert dict(one.properties) == given
    headers = headers_again(one, queue="f", user="u")
    went = b"".join(FaithfulProperties(one.properties, headers, encoded_again(one, headers)).encode())
    again = read("e", "k", decoded(went), b"")
    assert {name: again.encoded[name] for name in HEADERS} == dict(one.encoded)
    assert (again.headers[REDRIVEN], dict(again.properties)) == (1, given)


@given(st.dictionaries(st.text(max_size=20), st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
), max_size=5))  # fmt: skip
def test_any_headers_are_read_as_they_were_written(headers: dict[str, Any]) -> None:
    raw = {name: in_amqp(value) for name, value in headers.items()}
    found = encoding.entries(encoding.table_of(raw)[4:])
    assert {name: value for name, (value, _) in found.items()} == headers
    assert {name: each for name, (_, each) in found.items()} == raw


@given(st.binary(max_size=60))
def test_junk_is_no_table_and_no_trace(junk: bytes) -> None:
    for act in (encoding.entries, encoding.take_headers_out):
        with suppress(ValueError):
            act(junk)


def test_connection_keeps_the_headers_from_pika() -> None:
    """A header frame with a float that is none, which would end pika's own connection."""
    for owner, name in PIKA_INTERNALS:
        assert hasattr(owner, name)
    came = b"".join(
        FaithfulProperties(
            {"message_id": "m"}, {"a": 1, "nan": float("nan")}, {"nan": in_amqp(float("nan"))}
        ).encode()
    )
    payload = struct.pack(">HHQ", 60, 0, 4) + came
    whole = struct.pack(">BHL", 2, 1, len(payload)) + payload + b"\xce"
    connection = _Connection.__new__(_Connection)
    for most in (3, len(whole) - 1):
        connection._frame_buffer = whole[:most]
        assert connection._read_frame() == (0, None)
    connection._frame_buffer = whole + b"the next"
    consumed, frame = connection._read_frame()
    one = read("e", "k", frame.properties, b"body")
    assert (consumed, frame.body_size, one.message_id, one.headers["a"]) == (len(whole), 4, "m", 1)
    assert math.isnan(one.headers["nan"])


def test_header_that_amqp_has_no_place_for_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InconclusiveError, match="cannot be written again"):
        FaithfulProperties({}, {"huge": 2**80}, {}).encode()


# -- which are meant ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        (Choice(), True),
        (Choice(reasons=frozenset({"rejected"})), True),
        (Choice(reasons=frozenset({"expired", "maxlen"})), False),
        (Choice(died_in="payments.*"), True),
        (Choice(died_in="orders.*"), False),
        (Choice(older_s=60), True),
        (Choice(older_s=61), False),
        (Choice(younger_s=60), True),
        (Choice(younger_s=59), False),
        (Choice(headers={"region": "eu-*"}), True),
        (Choice(headers={"region": "eu-*", "vip": "true"}), True),
        (Choice(headers={"region": "us"}), False),
        (Choice(headers={"none": "*"}), False),
        (Choice(message_id="p?"), True),
        (Choice(message_id="o*"), False),
    ],
)
def test_filters(choice: Choice, meant: bool) -> None:
    dead = message(*LADDER[:1], headers={"region": "eu-west", "vip": True}, message_id="p1")
    assert choice.accepts(dead, NOW) is meant


def test_message_that_never_died_satisfies_no_filter_on_its_death() -> None:
    alive = message(message_id="p1")
    for choice in (
        Choice(reasons=frozenset({"rejected"})),
        Choice(died_in="*"),
        Choice(older_s=0),
        Choice(younger_s=9),
    ):
        assert not choice.accepts(alive, NOW)
    assert Choice().accepts(alive, NOW)


@pytest.mark.parametrize("said", [("region",), ("=eu",), ("a=1", "a=2")])
def test_bad_header_filter_is_refused(said: tuple[str, ...]) -> None:
    with pytest.raises(BadInputError):
        header_filters(said)


# -- moving ------------------------------------------------------------------------------------------------


@dataclass
class FakeHands:
    """A queue in memory. ``outcome`` says what becomes of each publish; ``dies_at`` names the act during
    which the connection ends (``take``, ``publish``, ``done``, ``give_back``), and how many went well before.
    """

    queue: list[Message]
    outcome: Callable[[str, str], Outcome] = lambda exchange, key: Outcome.CONFIRMED
    dies_at: tuple[str, int] | None = None
    published: list[tuple[str, str, dict[str, Any], bytes]] = field(default_factory=list)
    acked: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    acts: dict[str, int] = field(default_factory=dict)
    taken: int = 0
    log: list[str] = field(default_factory=list)
    rested_s: float = 0.0

    def _act(self, name: str) -> None:
        self.log.append(name)
        done = self.acts.get(name, 0)
        if self.dies_at == (name, done):
            raise NotReadyError("queue", "the connection is lost")
        self.acts[name] = done + 1

    def waiting(self) -> int:
        return len(self.queue)

    def take(self) -> Taken | None:
        self._act("take")
        if self.taken == len(self.queue):
            return None
        self.taken += 1
        return Taken(tag=self.taken, message=self.queue[self.taken - 1])

    def publish(
        self,
        exchange: str,
        keys: Sequence[str],
        *,
        properties: Mapping[str, Any],
        headers: Mapping[str, Any],
        encoded: Mapping[str, bytes],
        body: bytes,
    ) -> Outcome:
        if "unwritable" in headers:
            raise InconclusiveError("a message", "cannot be written")
        self._act("publish")
        found = self.outcome(exchange, keys[0])
        if found is Outcome.CONFIRMED:
            self.published.append((exchange, keys[0], dict(headers), body))
        return found

    def done(self, tag: int) -> None:
        self._act("done")
        self.acked.append(tag)

    def give_back(self, tags: Sequence[int]) -> None:
        self._act("give_back")
        self.returned += tags

    def rest(self, seconds: float) -> None:
        self.rested_s += seconds


def order(orders: Vhost, **said: Any) -> redrive.Order:
    return redrive.Order(
        vhost=orders, queue="payments.failed", choice=said.pop("choice", Choice()), user="operator", **said
    )


def move(hands: FakeHands, wanted: redrive.Order, **more: Any) -> redrive.Moved:
    clock = Clock(now=lambda: hands.rested_s, sleep=lambda _: None)
    return redrive.move(hands, wanted, now=lambda: NOW, say=silent, clock=clock, **more)


def dead(count: int, **properties: Any) -> list[Message]:
    return [message(*LADDER[:1], message_id=f"p{number}", **properties) for number in range(count)]


def test_each_is_confirmed_before_it_is_acked(orders: Vhost) -> None:
    hands = FakeHands(dead(2))
    done = move(hands, order(orders))
    assert hands.log == ["take", "publish", "done", "take", "publish", "done", "give_back"]
    assert (done.moved, done.looked, hands.acked, hands.returned, done.error) == (2, 2, [1, 2], [], None)
    assert {(exchange, key) for exchange, key, _, _ in hands.published} == {
        ("payments.direct", "payment.new")
    }


@pytest.mark.parametrize("act", ["take", "publish", "done", "give_back"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_nothing_is_lost_when_the_connection_ends(act: str, after: int, orders: Vhost) -> None:
    """What was acked was confirmed; at most one is in both places, and the result names it."""
    hands = FakeHands([*dead(3), message(message_id="stays")], dies_at=(act, after))
    done = move(hands, order(orders))
    assert len(hands.acked) <= len(hands.published) <= len(hands.acked) + 1
    assert done.moved == len(hands.acked)
    if act in ("publish", "done"):
        assert done.in_doubt == f"p{after}"
    happened = after < {"take": 5, "publish": 3, "done": 3, "give_back": 1}[act]
    assert (done.error is not None) is happened


def test_what_cannot_be_routed_or_is_refused_stays_in_its_order(orders: Vhost) -> None:
    answers = {"payments.direct": Outcome.RETURNED, "": Outcome.REFUSED}
    fanout = message(death("orders.analytics", "rejected", "orders.events", ""))
    hands = FakeHands([*dead(1), fanout, fanout, message()], outcome=lambda exchange, key: answers[exchange])
    done = move(hands, order(orders))
    assert (done.moved, hands.acked, hands.returned) == (0, [], [1, 2, 3, 4])
    assert done.stayed["payments.direct (payment.new) routes it nowhere"] == 1
    assert done.stayed["orders.analytics takes no more"] == 2
    assert hands.acts["publish"] == 2, "a full queue is not asked again"


def test_message_that_cannot_be_written_again_stays(orders: Vhost) -> None:
    hands = FakeHands([message(*LADDER[:1], headers={"unwritable": 1})])
    done = move(hands, order(orders))
    assert (done.moved, done.in_doubt, hands.returned) == (0, "", [1])
    assert done.stayed["cannot be written"] == 1


def test_limit_first_and_filters(orders: Vhost) -> None:
    assert move(FakeHands(dead(5)), order(orders, limit=2)).moved == 2
    hands = FakeHands(dead(5))
    done = move(hands, order(orders, most=3, choice=Choice(message_id="p2")))
    assert (done.moved, done.looked, done.not_meant, hands.returned) == (1, 3, 2, [1, 2])


def test_only_what_waited_at_the_beginning_is_taken(orders: Vhost) -> None:
    hands = FakeHands(dead(2))
    hands.outcome = lambda exchange, key: hands.queue.append(hands.queue[0]) or Outcome.CONFIRMED
    assert move(hands, order(orders)).moved == 2
    assert len(hands.queue) == 4


def test_rate_is_kept(orders: Vhost) -> None:
    hands = FakeHands(dead(5))
    move(hands, order(orders, rate=2))
    assert hands.rested_s == pytest.approx(2.0)


def test_interrupted_run_finishes_the_one_in_hand_and_puts_the_rest_back(orders: Vhost) -> None:
    hands = FakeHands([message(), *dead(3)])
    done = move(hands, order(orders), stopped=lambda: len(hands.acked) == 1)
    assert (done.moved, done.interrupted, hands.returned) == (1, True, [1])


def test_redrive_into_the_queue_itself_is_never_done(orders: Vhost) -> None:
    back = message(death("payments.failed", "rejected", "", "payments.failed"))
    done = move(FakeHands([back]), order(orders))
    assert done.moved == 0
    assert "straight back into this queue" in next(iter(done.stayed))


def test_looks_ahead_before_each_round_and_ends_there_when_refused(orders: Vhost) -> None:
    asked: list[int] = []

    def ahead(count: int) -> None:
        asked.append(count)
        if len(asked) == 2:
            raise RefusedError("queue", "fragile")

    hands = FakeHands(dead(redrive.ROUND + 20))
    done = move(hands, order(orders), ahead=ahead)
    assert (asked, done.moved) == ([redrive.ROUND, 20], redrive.ROUND)
    assert isinstance(done.error, RefusedError)


@pytest.mark.parametrize(
    ("limit", "failed", "acquired", "old", "refused"),
    [
        (None, 99, 0, False, False), (-1, 99, 0, False, False), (20, 19, 99, False, False),
        (20, 20, 0, False, True), (20, 21, 0, False, True), (20, 0, 20, True, True),
        (20, 0, 20, False, False),
    ],
)  # fmt: skip
def test_message_that_a_crash_would_lose_is_not_taken(
    limit: int | None, failed: int, acquired: int, old: bool, refused: bool
) -> None:
    one = message(headers={"x-delivery-count": failed, "x-acquired-count": acquired})
    if not refused:
        redrive.refuse_fragile([one], limit, where="queue f", counts_returns=old)
        return
    with pytest.raises(RefusedError, match=f"delivery-limit above {max(failed, acquired if old else 0)}"):
        redrive.refuse_fragile([one], limit, where="queue f", counts_returns=old)


def test_survey_says_what_move_does(orders: Vhost) -> None:
    queue = [
        *dead(3),
        message(death("orders.analytics", "expired", "orders.events", "", ago_s=10)),
        message(),
    ]
    for said in ({}, {"limit": 2}, {"choice": Choice(reasons=frozenset({"rejected"}))}):
        wanted = order(orders, **said)
        surveyed = redrive.survey(wanted, queue, waiting=5, now=NOW)
        done = move(FakeHands(queue), wanted)
        assert surveyed.moving == done.moved
        assert sum(row.messages for row in surveyed.rows) + surveyed.not_meant + surveyed.beyond_limit == 5
    text = page.survey_text(
        redrive.survey(order(orders), queue, waiting=9, now=NOW), "/orders:payments.failed"
    )
    assert "5 of 9 messages of /orders:payments.failed looked at: 4 would be moved" in text
    assert "without a message id" in text
    assert "has no death on record" in text


# -- looking and showing -----------------------------------------------------------------------------------


def test_peek_shows_no_secret_and_moves_no_cursor() -> None:
    body = json.dumps({"user": "ann", "Password": "hunter2", "deep": [{"api_key": "hunter2"}]}).encode()
    properties = pika.BasicProperties(
        headers={"authorization": "Bearer hunter2", "note": "a\x1b[2Jb"}, message_id="m\n1"
    )
    shown = page.messages_text([read("e", "k", properties, body)], now=NOW, first=1, body_bytes=500)
    assert "hunter2" not in shown
    assert "ann" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "(empty)"),
        (b"plain text", "plain text"),
        (b"\x00\xff\x10", "binary: 00 ff 10"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"token=hunter2&x=1", "token=(not shown)&x=1"),
        (b'{"password": "hunter2", "cut', '{"password": (not shown), "cut'),
        ("ä".encode(), "ä"),
    ],
)
def test_body_is_decoded_safely(body: bytes, shown: str) -> None:
    assert page.body_text(read("", "", pika.BasicProperties(), body), 200) == shown


def test_cut_body_says_how_long_it_is() -> None:
    cut = read("", "", pika.BasicProperties(), "abcä".encode()[:4], 5000)
    assert page.body_text(cut, 4) == "abc … (5,000 bytes in all)"


def test_tool_is_asked_with_names_that_mean_nothing_to_it() -> None:
    asked: list[Sequence[str]] = []

    class Runtime(FakeRuntime):
        def execute(
            self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
        ) -> Completed:
            asked.append(argv)
            return Completed(argv=tuple(argv), returncode=0, stdout="[]\nok\n", stderr="")

    name = 'x">>), init:stop(), a(<<"'
    assert looking.look(Runtime(("rmq1",)), vhost="/", queue=name, last=3) == ()
    assert "init:stop" not in asked[0][-1]
    assert "Position > 3" in asked[0][-1]


@pytest.mark.parametrize("text", ["", "Error: x", "[1]", '[{"keys": []}]', "[{]"])
def test_what_the_tool_says_otherwise_is_an_error_with_a_place(text: str) -> None:
    with pytest.raises(NotReadyError, match="queue f in /"):
        looking.parse(text, where="queue f in /")


# -- listing -----------------------------------------------------------------------------------------------


def test_list_knows_fill_members_age_and_dead_letters() -> None:
    queues = [
        info(
            "a",
            policy={"max-length": 100, "max-length-bytes": 1000, "dead-letter-exchange": "dlx"},
            messages=50, messages_ready=40, messages_unacknowledged=10, message_bytes=900,
            leader="rabbit@rmq1", members=["a", "b", "c"], online=["a", "b"], consumers=2,
        ),
        info(
            "b",
            arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "a"},
            messages=0, messages_ready=0,
        ),
    ]  # fmt: skip
    found = listing.rows(queues, {("/orders", "a"): (90.0, True)}, "*")
    assert (found[0].fill, found[0].online, found[0].members) == (0.9, 2, 3)
    assert found[1].dead_letters_to == "queue a"
    text = page.list_text(found)
    assert "over 90 s" in text
    assert "2/3" in text
    assert [row.name for row in listing.ordered(found, "fill")] == ["a", "b"]
    assert [row.name for row in listing.rows(queues, {}, "/orders:b")] == ["b"]
    assert page.list_text([]) == "no queue matches"


@pytest.mark.parametrize(
    ("arguments", "policy", "limit"),
    [
        ({}, {}, 20), ({"x-delivery-limit": 5}, {"delivery-limit": 7}, 5), ({}, {"delivery-limit": 7}, 7),
        ({}, {"delivery-limit": -1}, None), ({"x-delivery-limit": 5}, {"delivery-limit": -1}, 5),
    ],
)  # fmt: skip
def test_delivery_limit_is_what_the_broker_holds(
    arguments: Mapping[str, Any], policy: Mapping[str, Any], limit: int | None
) -> None:
    assert listing.delivery_limit(info("a", arguments=arguments, policy=policy)) == limit
    assert listing.delivery_limit(info("a", arguments=arguments, policy=policy, type="classic")) is None


def test_queue_is_named_exactly() -> None:
    queues = [info("a.failed"), info("b.failed"), info("b.failed", vhost="/users")]
    assert listing.exactly(queues, "a.failed").name == "a.failed"
    assert listing.exactly(queues, "/users:b.failed").vhost == "/users"
    with pytest.raises(BadInputError, match="stands in several virtual hosts"):
        listing.exactly(queues, "b.failed")
    for said in ("*.failed", "a", "failed", ""):
        with pytest.raises(BadInputError, match="there is no queue"):
            listing.exactly(queues, said)
