"""What is read out of the API's rows where they say less than one would like."""

from __future__ import annotations

from typing import Any

import pytest

from warren.management_facts import connection_name, overview


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"name": "a:1 -> b:2", "client_properties": {"connection_name": "shop"}}, "shop"),
        ({"name": "a:1 -> b:2", "client_properties": {"connection_name": ""}}, "a:1 -> b:2"),
        ({"name": "a:1 -> b:2", "client_properties": None}, "a:1 -> b:2"),
        ({}, "unnamed"),
    ],
)
def test_connection_goes_by_its_clients_name_where_it_has_one(row: dict[str, Any], name: str) -> None:
    assert connection_name(row) == name


@pytest.mark.parametrize(
    ("said", "tls"),
    [
        ({"protocol": "amqp/ssl"}, True),
        ({"protocol": "https/prometheus"}, True),
        ({"protocol": "stream/ssl"}, True),
        ({"protocol": "amqp"}, False),
        ({"protocol": "http"}, False),
        ({"protocol": "https", "tls": False}, False),
        ({"protocol": "clustering", "tls": True}, True),
    ],
)
def test_listener_of_an_old_broker_tells_its_tls_by_its_protocol(said: dict[str, Any], tls: bool) -> None:
    """4.0.5 has no key for it; where there is one, it is believed."""
    plain = {"cluster_name": "c", "node": "n", "rabbitmq_version": "4.0.5", "erlang_version": "27"}
    (found,) = overview({**plain, "listeners": [{"node": "n", "port": 1, **said}]}).listeners
    assert found.tls is tls
