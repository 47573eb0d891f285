"""A worker's connection: what it says of one that it gives up."""

from __future__ import annotations

import json
from typing import Any

from pika import exceptions

from loadgen.spec import Link
from loadgen.worker import Worker
from warren.connection import Credentials, Endpoint


class Connection:
    """One that is open until it is closed."""

    is_open = True

    def close(self, code: int, text: str) -> None:
        del code, text
        self.is_open = False


class Job:
    """Takes note of nothing."""

    def lost(self) -> None: ...


def connected(said: list[dict[str, Any]]) -> Worker:
    link = Link(
        endpoints=(Endpoint(name="a", host="a", port=1), Endpoint(name="b", host="b", port=1)),
        vhost="/",
        credentials=Credentials(username="u", password="p"),
        ca_pem=None,
        connection_name="c",
    )
    worker = Worker(link, write=lambda text: said.append(json.loads(text)))
    worker._connection = Connection()  # type: ignore[assignment]
    worker._job, worker._open = Job(), True  # type: ignore[assignment]
    return worker


def test_connection_that_was_given_up_is_lost_for_the_reason_and_not_for_the_closing() -> None:
    """Of who never gets ready the last loss alone is shown: 'no queue x' tells what to mend."""
    said: list[dict[str, Any]] = []
    worker = connected(said)
    connection = worker._connection
    assert connection is not None
    closed = exceptions.ChannelClosedByBroker(404, "NOT_FOUND - no queue 'x'")
    worker._on_channel_closed(None, closed)  # type: ignore[arg-type]
    worker._on_lost(connection, exceptions.ConnectionClosedByClient(200, "reconnecting"))
    (lost,) = [each for each in said if each["type"] == "lost"]
    assert lost["what"] == "the broker closed the channel: 404 NOT_FOUND - no queue 'x'"
    assert worker._why == ""


def test_reason_is_noted_where_there_is_nothing_left_to_give_up() -> None:
    said: list[dict[str, Any]] = []
    worker = connected(said)
    worker._connection = None
    worker.reopen("the broker cancelled the consumer")
    assert said == [{"type": "note", "text": "the broker cancelled the consumer"}]
