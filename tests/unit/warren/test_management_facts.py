"""What is read out of the API's rows where they say less than one would like."""

from __future__ import annotations

from typing import Any

import pytest

from warren.management_facts import connection_name


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
