"""Load against nodes that are services of hosts: from this machine, to the addresses of the inventory."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadgen import container, launch
from warren.errors import NotReadyError

NODES = ("rmq1", "rmq2")


def context(addresses: dict[str, str] | None) -> Any:
    logins = {name: SimpleNamespace(address=address) for name, address in (addresses or {}).items()}
    return SimpleNamespace(
        topology=SimpleNamespace(
            cluster="lab", images=(), nodes=[SimpleNamespace(name=name) for name in NODES]
        ),
        engine=SimpleNamespace(docker="docker"),
        inventory=None if addresses is None else SimpleNamespace(logins=logins),
        run=None,
        state=SimpleNamespace(images=None),
        say=print,
    )


@pytest.fixture(autouse=True)
def _image(monkeypatch: pytest.MonkeyPatch) -> None:
    images = {"warren": SimpleNamespace(reference="warren/warren:1")}
    monkeypatch.setattr(launch, "ensure_images", lambda *_, **__: images)


def words(place: container.Place) -> list[str]:
    return container.command(place, "lab-load-1", Path("/run"), "1:1")


def test_containers_are_reached_on_their_own_network() -> None:
    line = words(launch.place(context(None)))
    assert line[line.index("--network") + 1] == "lab"
    assert not [each for each in line if each.startswith("--add-host")]


def test_hosts_are_reached_from_here_by_the_names_of_their_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {"192.0.2.1": "192.0.2.1", "broker2.example": "2001:db8::2"}

    def resolved(name: str, *_: Any, **__: Any) -> list[Any]:
        return [(None, None, None, "", (answers[name], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    line = words(launch.place(context({"rmq1": "192.0.2.1", "rmq2": "broker2.example"})))
    assert line[line.index("--network") + 1] == "host"
    known = [each for each in line if each.startswith("--add-host")]
    assert known == ["--add-host=rmq1:192.0.2.1", "--add-host=rmq2:2001:db8::2"]


def test_address_that_nobody_knows_is_told_of_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotReadyError, match=r"rmq1: its address gone\.example is not known: Name or service"):
        launch.place(context({"rmq1": "gone.example", "rmq2": "192.0.2.2"}))
