"""The command's flags: refused by name before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from exporters import collector
from exporters.cli import exporter, parse_listeners
from exporters.collector import Reach
from warren.errors import BadInputError, NotReadyError


@pytest.fixture
def flags(tmp_path: Path) -> dict[str, str]:
    names = ("password-file", "ca", "cert", "key", "client-ca")
    for name in names:
        (tmp_path / name).write_text("not PEM")
    return {"node": "rmq1", "user": "monitoring", **{name: str(tmp_path / name) for name in names}}


def serve(flags: dict[str, str]) -> object:
    arguments = [part for name, value in flags.items() for part in (f"--{name}", value)]
    return CliRunner().invoke(exporter, ["serve", *arguments], catch_exceptions=False, standalone_mode=False)


def test_an_address_that_is_none_is_refused(flags: dict[str, str]) -> None:
    with pytest.raises(BadInputError, match="'9419' is not HOST:PORT"):
        serve({**flags, "listen": "9419"})


def test_an_unknown_collector_is_refused(flags: dict[str, str]) -> None:
    with pytest.raises(BadInputError, match="no collector 'lagg'"):
        serve({**flags, "collect": "lagg"})


@pytest.mark.parametrize(
    ("listener", "why"),
    [
        ("rmq1:5551", "'rmq1:5551' is not NAME=HOST:PORT"),
        ("Streams=rmq1:5551", "is not NAME=HOST:PORT"),
        ("streams=rmq1", "'rmq1' is not HOST:PORT"),
        ("streams=:5551", "is not HOST:PORT"),
        ("amqps=rmq1:5671", "'amqps' is what the nodes' own is called"),
    ],
)
def test_a_listener_that_is_none_is_refused(flags: dict[str, str], listener: str, why: str) -> None:
    with pytest.raises(BadInputError, match=why):
        serve({**flags, "listener": listener})


def test_a_listener_that_is_given_twice_is_refused() -> None:
    with pytest.raises(BadInputError, match="'streams' of rmq1 is given twice"):
        parse_listeners(("streams=rmq1:5551", "streams=rmq2:5551", "streams=rmq1:5552"))
    assert [each.host for each in parse_listeners(("streams=rmq1:5551", "streams=rmq2:5551"))] == [
        "rmq1",
        "rmq2",
    ]


def test_an_empty_password_file_is_refused(flags: dict[str, str]) -> None:
    Path(flags["password-file"]).write_text("")
    with pytest.raises(BadInputError, match="holds no password"):
        serve(flags)


def test_certificates_that_are_none_are_named(flags: dict[str, str]) -> None:
    with pytest.raises(NotReadyError, match="cannot be used for TLS"):
        serve({**flags, "listen": "127.0.0.1:0"})


@pytest.mark.parametrize("flag", ["client-cert", "client-key"])
def test_a_certificate_without_its_key_is_refused(flags: dict[str, str], flag: str) -> None:
    with pytest.raises(BadInputError, match="one is given without the other"):
        serve({**flags, flag: flags["cert"]})


def test_the_canary_shows_the_certificate_that_it_was_given(
    flags: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str | None] = []

    def made(_name: str, reach: Reach) -> None:
        shown.append(reach.credentials.client_pem)
        raise NotReadyError("test", "enough")

    monkeypatch.setattr(collector, "make", made)
    Path(flags["key"]).write_text("the key")
    with pytest.raises(NotReadyError, match="enough"):
        serve({**flags, "client-cert": flags["cert"], "client-key": flags["key"]})
    assert shown == ["not PEM\nthe key"]


def test_a_password_is_never_a_flag() -> None:
    options = {option for parameter in exporter.commands["serve"].params for option in parameter.opts}
    assert "--password" not in options


def test_every_flag_is_explained() -> None:
    for parameter in exporter.commands["serve"].params:
        assert getattr(parameter, "help", None), parameter.name
