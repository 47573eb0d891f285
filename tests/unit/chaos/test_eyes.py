"""What a game day sees of the broker, out of answers as the management API gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chaos.eyes import ClusterEyes, QueueState, unowned


class Rows:
    """The part of the management client that lists."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def rows(self, *path: str, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        assert path == ("channels",)
        return [{key: row[key] for key in columns if key in row} for row in self._rows]


def channel(vhost: str, user: str, count: int | None) -> dict[str, Any]:
    return {"vhost": vhost, "user": user, "messages_unacknowledged": count}


def eyes(lab: Any, *channels: dict[str, Any]) -> ClusterEyes:
    rows: Any = Rows(list(channels))
    nobody: Any = None
    return ClusterEyes(topology=lab, runtime=nobody, management=rows, prometheus=nobody)


def test_unacknowledged_messages_are_counted_by_virtual_host(lab: Any) -> None:
    seen = eyes(
        lab,
        channel("/orders", "orders-worker", 3),
        channel("/orders", "orders-shop", None),
        channel("/orders", "orders-payments", 4),
        channel("/users", "users-app", 1),
    )
    assert seen.channels_unacked() == {"/orders": 7, "/users": 1}


def test_what_the_canary_holds_or_the_broker_holds_for_it_is_no_matter(lab: Any) -> None:
    """It has a consumer on every node: a day of a silent one would wait for the minute of 4.3 each time."""
    channels = eyes(lab, channel("/orders", "canary", 1), channel("/orders", "orders-worker", 2))
    queues = [
        QueueState(vhost="/orders", name="warren.canary.rmq1.rmq2", unacked=1),
        QueueState(vhost="/orders", name="orders.work", unacked=2),
    ]
    assert unowned(queues, channels.channels_unacked()) == {}


def test_what_an_applications_queue_holds_and_no_channel_owns_is_told(lab: Any) -> None:
    channels = eyes(lab, channel("/orders", "canary", 5), channel("/orders", "orders-worker", 2))
    queues = [QueueState(vhost="/orders", name="orders.work", unacked=3)]
    assert unowned(queues, channels.channels_unacked()) == {"/orders": 1}
