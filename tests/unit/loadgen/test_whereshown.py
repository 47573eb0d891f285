"""Where the dashboards were while a run lasted: what runs, which queues, and nothing that is not known."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from loadgen import resolve, whereshown
from warren.dashboards_record import DashboardsRecord, together
from warren.errors import NotReadyError

SCENARIO: Any = SimpleNamespace(vhost="/orders")


def context(running: Mapping[str, bool] | None) -> Any:
    def runs(service: str) -> bool:
        if running is None:
            raise NotReadyError("engine", "does not answer", "start it")
        return running.get(service, False)

    return SimpleNamespace(
        runtime=SimpleNamespace(runs=runs),
        topology=SimpleNamespace(cluster="lab", published={"grafana": 15602, "view": 15603}.__getitem__),
    )


@pytest.fixture(autouse=True)
def queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "touched_queues", lambda *_: ("a", "b"))


@pytest.mark.parametrize(
    ("running", "service", "port"),
    [
        ({"grafana": True}, "grafana", 15602),
        ({"view": True}, "view", 15603),
        ({"grafana": True, "view": True}, "grafana", 15602),
    ],
)
def test_what_serves_the_boards_is_recorded_with_the_runs_queues(
    running: Mapping[str, bool], service: str, port: int
) -> None:
    found = whereshown.where_shown(context(running), SCENARIO)
    assert found == DashboardsRecord(
        url=f"https://localhost:{port}", service=service, cluster="lab", queues={"/orders": ("a", "b")}
    )


@pytest.mark.parametrize("running", [{}, None], ids=["nothing runs", "the engine does not answer"])
def test_nothing_is_recorded_that_is_not_known(running: Mapping[str, bool] | None) -> None:
    assert whereshown.where_shown(context(running), SCENARIO) is None


def record(queues: Mapping[str, tuple[str, ...]], cluster: str = "lab") -> DashboardsRecord:
    return DashboardsRecord(url="https://localhost:1", service="view", cluster=cluster, queues=queues)


def test_parts_of_a_composite_have_one_record_of_all_queues() -> None:
    found = together([record({"/a": ("x",)}), record({"/a": ("x", "y"), "/b": ("z",)})])
    assert found == record({"/a": ("x", "y"), "/b": ("z",)})


def test_parts_that_differ_or_do_not_know_have_none() -> None:
    assert together([record({}), None]) is None
    assert together([record({}), record({}, cluster="other")]) is None
    assert together([]) is None
