"""What the matrix of tests/cluster/test_security_permissions.py expects, by hand for a small topology."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

matrix: Any = importlib.import_module("tests.cluster.permission_matrix")

DATA = {
    "users": [{"name": "shop"}, {"name": "worker"}, {"name": "outsider"}],
    "vhosts": [
        {
            "name": "/a",
            "exchanges": [{"name": "in.topic", "type": "topic"}, {"name": "dlx", "type": "fanout"}],
            "queues": [{"name": "work"}, {"name": "work.failed"}],
            "bindings": [{"source": "in.topic", "queue": "work", "routing_key": "order.#"}],
            "permissions": [
                {"user": "shop", "write": r"^in\.topic$"},
                {"user": "worker", "read": "^work$", "configure": "^work"},
            ],
            "topic_permissions": [{"user": "shop", "exchange": "in.topic", "write": r"^order\."}],
        },
        {"name": "/b"},
    ],
}


def allowed(user: str, *, full: bool = False) -> set[tuple[str, str, str]]:
    found = matrix.tries(matrix.Rights(DATA), user, "/a", full=full)
    return {(each.operation, each.name, each.other) for each in found if each.allowed}


def test_rights_are_found_anywhere_in_a_name_and_nothing_is_what_is_not_given() -> None:
    rights = matrix.Rights(DATA)
    assert rights.may("worker", "/a", "configure", "work.failed")
    assert not rights.may("worker", "/a", "read", "work.failed")
    assert not rights.may("worker", "/a", "write", "work")
    assert not rights.may("outsider", "/a", "read", "work")
    assert [rights.may_enter(user, "/a") for user in rights.users] == [True, True, False]
    assert not rights.may_enter("shop", "/b")


def test_topic_permission_takes_keys_away() -> None:
    assert allowed("shop") == {("publish", "in.topic", "order.x")}
    assert ("publish", "in.topic", "order.x.x") in allowed("shop", full=True)
    assert not any(key in ("", "#", "orderxx", "xorder.x") for _, _, key in allowed("shop", full=True))


def test_configuring_reading_and_binding_ask_for_their_own_rights() -> None:
    assert allowed("worker") == {
        ("configure", "work", ""),
        ("configure", "work.failed", ""),
        ("read", "work", ""),
    }
    assert allowed("outsider") == set()


def test_default_exchange_is_asked_for_by_its_other_name() -> None:
    rights = matrix.Rights(DATA)
    assert not rights.may("shop", "/a", "write", "")
    data = {**DATA, "vhosts": [{"name": "/a", "permissions": [{"user": "shop", "write": "default"}]}]}
    assert matrix.Rights(data).may("shop", "/a", "write", "")


@pytest.mark.parametrize(("full", "size"), [(False, 2 + 9 + 3 + 2 + 3), (True, None)])
def test_every_object_is_tried(full: bool, size: int | None) -> None:
    found = list(matrix.tries(matrix.Rights(DATA), "shop", "/a", full=full))
    assert {each.name for each in found} >= {"in.topic", "dlx", "work", "work.failed"}
    assert len(set(found)) == len(found)
    if full:
        assert {each.name for each in found} >= set(matrix.BUILT_IN)
        assert {(each.name, each.other) for each in found if each.operation == "bind"} >= {
            (exchange, queue)
            for exchange in ("in.topic", "dlx", "amq.topic")
            for queue in ("work", "work.failed")
        }
    assert size is None or len(found) in range(size - 3, size + 3)
