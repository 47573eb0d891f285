"""Connections by state: counted from the management API's rows, told for each virtual host that is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporters import names
from exporters.collector import Scrape
from exporters.collectors.connections import ConnectionsCollector
from exporters.exposition import OneScrape
from warren.errors import NotReadyError

LIMITS = [
    {"vhost": "/orders", "value": {"max-connections": 500, "max-queues": 200}},
    {"vhost": "/users", "value": {"max-queues": 200}},
    {"vhost": "/free", "value": {"max-connections": -1}},
]


class Api:
    """Answers three paths and nothing else, in the form of a live 4.3.6."""

    def __init__(self, rows: list[dict[str, Any]], limits: list[dict[str, Any]]) -> None:
        vhosts = [{"name": name} for name in ("/orders", "/users", "/free", "/new")]
        self.answers = {("connections",): rows, ("vhost-limits",): limits, ("vhosts",): vhosts}
        self.asked: list[Mapping[str, str] | None] = []

    def get(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        self.asked.append(query)
        return self.answers[path]


class Silent:
    def get(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        raise NotReadyError("management API", "no node answers")


def collected(api: Api | Silent) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    families = ConnectionsCollector(api).collect(Scrape(NoBroker(), 1.0))
    registry.register(OneScrape(list(families)))
    return registry


class NoBroker:
    """In the background there is no scrape whose snapshot could be asked for."""

    def snapshot(self, deadline_s: float) -> Any:
        raise AssertionError("a background collector asked for a snapshot")


def test_connections_are_counted_by_virtual_host_and_state() -> None:
    rows = [
        {"vhost": "/orders", "state": "running"},
        {"vhost": "/orders", "state": "running"},
        {"vhost": "/orders", "state": "blocked"},
        {"vhost": "/users", "state": "flow"},
        {"vhost": "/users"},  # listed before it has told its state
        {"state": "starting"},  # or even where it wants to go
    ]
    api = Api(rows, LIMITS)
    registry = collected(api)

    def count(vhost: str, state: str) -> float | None:
        return registry.get_sample_value(names.CONNECTIONS.name, {"vhost": vhost, "state": state})

    assert [count("/orders", state) for state in ("running", "flow", "blocking", "blocked")] == [2, 0, 0, 1]
    assert [count("/users", state) for state in ("running", "flow", "starting")] == [0, 1, 1]
    assert count("/orders", "starting") is None
    assert api.asked == [{"columns": "vhost,state"}, None, {"columns": "name"}]


def test_only_a_virtual_host_with_a_limit_has_one() -> None:
    registry = collected(Api([], LIMITS))
    limit = names.CONNECTIONS_LIMIT.name
    assert registry.get_sample_value(limit, {"vhost": "/orders"}) == 500
    assert registry.get_sample_value(limit, {"vhost": "/users"}) is None
    assert registry.get_sample_value(limit, {"vhost": "/free"}) is None


@pytest.mark.parametrize("vhost", ["/orders", "/users", "/free", "/new"])
def test_a_virtual_host_without_connections_has_none_and_that_is_known(vhost: str) -> None:
    """Whether it has a limit of connections, another limit, one that is lifted, or none at all."""
    registry = collected(Api([], LIMITS))
    assert registry.get_sample_value(names.CONNECTIONS.name, {"vhost": vhost, "state": "blocked"}) == 0


def test_without_the_management_api_nothing_is_told() -> None:
    with pytest.raises(NotReadyError):
        collected(Silent())


def test_it_works_between_scrapes() -> None:
    assert ConnectionsCollector(Silent()).every_s == 15
