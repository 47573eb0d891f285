"""The broker's routing rules, as its documentation states them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warren import routing
from warren.topology import Binding, Exchange, Policy, Queue, Topology, Vhost


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("order.#", "order", True),
        ("order.#", "order.created.eu", True),
        ("order.#", "orders.created", False),
        ("order.*", "order.created", True),
        ("order.*", "order", False),
        ("order.*", "order.created.eu", False),
        ("*.created.#", "order.created", True),
        ("#", "", True),
        ("#.eu", "order.created.eu", True),
        ("#.x.#", "a.x.b", True),
        ("#.x.#", "a.b", False),
        ("", "", True),
        ("*", "", False),
    ],
)
def test_topic_words(pattern: str, key: str, matches: bool) -> None:
    assert routing.topic_matches(pattern, key) is matches


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=4))
def test_hash_matches_every_key_and_a_key_matches_itself(words: list[str]) -> None:
    key = ".".join(words)
    assert routing.topic_matches("#", key)
    assert routing.topic_matches(key, key)


@pytest.mark.parametrize(
    ("arguments", "headers", "matches"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"x-match": "any", "a": 1, "b": 2}, {"a": 1}, True),
        ({"x-match": "any", "a": 1}, {}, False),
        ({"x-match": "all", "a": None}, {"a": "whatever"}, True),
        ({"x-match": "all", "x-last-death-reason": "rejected"}, {}, True),
        ({"x-match": "all-with-x", "x-last-death-reason": "rejected"}, {}, False),
        (
            {"x-match": "all-with-x", "x-last-death-reason": "rejected"},
            {"x-last-death-reason": "rejected"},
            True,
        ),
        (
            {"x-match": "any-with-x", "x-last-death-reason": "maxlen", "a": 1},
            {"x-last-death-reason": "maxlen"},
            True,
        ),
    ],
)
def test_headers(arguments: dict, headers: dict, matches: bool) -> None:
    assert routing.headers_match(arguments, headers) is matches


@pytest.mark.parametrize(
    ("exchange", "key", "queues"),
    [
        ("orders.direct", "order.created", {"orders.work"}),
        ("orders.direct", "nothing", set()),
        ("orders.events", "whatever", {"orders.notifications", "orders.analytics"}),
        ("orders.topic", "order.paid.eu", {"orders.audit"}),
        ("", "orders.work", {"orders.work"}),
        ("", "orders.none", set()),
        ("payments.rungs", "payment.new", {"payments.wait-5s"}),
        ("payments.rungs", "payment.retry-3", {"payments.failed"}),
    ],
)
def test_deployed_bindings(deployed: Topology, exchange: str, key: str, queues: set[str]) -> None:
    assert routing.route(deployed.vhost("/orders"), exchange, key) == queues


def test_retry_ladder_climbs_on_rejection_and_fails_on_any_other_death(deployed: Topology) -> None:
    vhost = deployed.vhost("/orders")

    def after(reason: str, key: str) -> frozenset[str]:
        return routing.route(vhost, "payments.retry", key, {"x-last-death-reason": reason})

    assert after("rejected", "payment.new") == {"payments.wait-5s"}
    assert after("rejected", "payment.retry-3") == {"payments.failed"}
    for reason in ("delivery_limit", "expired", "maxlen"):
        assert after(reason, "payment.new") == {"payments.failed"}


def _vhost(
    exchanges: list[Exchange], bindings: list[Binding], policies: list[Policy], queue: Queue, **more: object
) -> Vhost:
    fields: dict = {
        "name": "/v",
        "description": "",
        "default_queue_type": "quorum",
        "protected": False,
        "limits": {},
        "exchanges": tuple(exchanges),
        "queues": (queue,),
        "bindings": tuple(bindings),
        "policies": tuple(policies),
        "operator_policies": (),
        "permissions": (),
        "topic_permissions": (),
    }
    return Vhost(**{**fields, **more})


def _queue(**arguments: object) -> Queue:
    named = {key.replace("_", "-"): value for key, value in arguments.items()}
    return Queue(name="q", type="quorum", durable=True, arguments=named, objective=None)


def _exchange(name: str, kind: str = "direct", **arguments: object) -> Exchange:
    named = {key.replace("_", "-"): value for key, value in arguments.items()}
    return Exchange(name=name, type=kind, durable=True, internal=False, arguments=named)


def _binding(source: str, destination: str, kind: str = "queue", key: str = "") -> Binding:
    return Binding(
        source=source,
        destination=destination,
        destination_type=kind,
        routing_key=key,
        arguments={},  # type: ignore[arg-type]
    )


def _policy(
    name: str, definition: dict, priority: int = 0, pattern: str = ".*", to: str = "queues"
) -> Policy:
    return Policy(name=name, pattern=pattern, apply_to=to, priority=priority, definition=definition)


def test_exchanges_bound_in_a_circle_end() -> None:
    circle = [_binding("a", "b", "exchange"), _binding("b", "a", "exchange"), _binding("b", "q")]
    vhost = _vhost([_exchange("a", "fanout"), _exchange("b", "fanout")], circle, [], _queue())
    assert routing.route(vhost, "a", "k") == {"q"}


def test_unroutable_goes_to_the_alternate_exchange() -> None:
    exchanges = [_exchange("a", alternate_exchange="b"), _exchange("b", "fanout")]
    vhost = _vhost(exchanges, [_binding("b", "q")], [], _queue())
    assert routing.route(vhost, "a", "k") == {"q"}
    bound = _vhost(exchanges, [_binding("b", "q"), _binding("a", "other", key="k")], [], _queue())
    assert routing.route(bound, "a", "k") == {"other"}


def test_policy_of_greatest_priority_alone_holds() -> None:
    policies = [_policy("low", {"max-length": 1, "expires": 5}), _policy("high", {"max-length": 2}, 7)]
    vhost = _vhost([], [], policies, _queue())
    assert routing.effective(vhost, vhost.queues[0]) == {"max-length": 2}


def test_policy_for_another_type_does_not_apply() -> None:
    vhost = _vhost([], [], [_policy("p", {"max-length": 1}, to="classic_queues")], _queue())
    assert routing.matching_policies(vhost, vhost.queues[0]) == (None, None)


def test_lesser_number_holds_between_argument_policy_and_operator_policy() -> None:
    guard = _policy("guard", {"max-length": 5, "target-group-size": 5, "delivery-limit": 9})
    policy = _policy("p", {"max-length": 7, "target-group-size": 3, "overflow": "reject-publish"})
    vhost = _vhost([], [], [policy], _queue(x_max_length=6), operator_policies=(guard,))
    assert routing.effective(vhost, vhost.queues[0]) == {
        "max-length": 5,
        "target-group-size": 5,
        "delivery-limit": 9,
        "overflow": "reject-publish",
    }


def test_dead_letters_reach_every_queue_behind_the_exchange(deployed: Topology) -> None:
    vhost = deployed.vhost("/orders")
    reached = {queue.name for queue in routing.dead_letter_targets(vhost, vhost.queue("payments.work"))}
    assert reached == {"payments.wait-5s", "payments.wait-10s", "payments.wait-30s", "payments.failed"}
    assert tuple(routing.dead_letter_targets(vhost, vhost.queue("payments.failed"))) == ()
