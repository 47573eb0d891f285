"""`warren load` as it is typed: what is refused before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from loadgen import cli, launch, together
from warren.errors import BadInputError


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Runs that were begun."""
    begun: list[object] = []
    monkeypatch.setattr(launch, "run_in_lab", lambda *args, **_kwargs: begun.append(args))
    return begun


def test_result_that_could_not_be_written_is_refused_before_the_run(
    launched: list[object], tmp_path: Path
) -> None:
    """A soak of hours must not end in a result that has nowhere to go."""
    refused = CliRunner().invoke(cli.load, ["run", "work", "--json", str(tmp_path / "no" / "such.json")])
    assert isinstance(refused.exception, BadInputError)
    assert refused.exception.where == "--json"
    assert launched == []


def test_password_in_an_address_is_refused_first_and_not_repeated() -> None:
    arguments = ["run", "work", "--url", "amqps://me:s3cret@host", "--user", "me"]
    refused = CliRunner().invoke(cli.load, arguments).exception
    assert isinstance(refused, BadInputError)
    assert "holds an account" in refused.what
    assert "s3cret" not in str(refused)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["run", "work", "--vhost", "/production"], "--vhost"),
        (["run", "mixed", "--vhost", "/production"], "--vhost"),
        (["run", "work", "--user", "me"], "--user"),
        (["run", "work", "--ca-file", "ca.pem"], "--ca-file"),
        (["run", "work", "--purge", "--url", "amqps://a", "--user", "me"], "--purge"),
        (["sweep", "work", "--password-file", "pw"], "--password-file"),
        (["sweep", "work", "--purge", "--url", "amqps://a"], "--purge"),
        (["record", "q", "--vhost", "/", "--for", "1m", "--out", "x.csv", "--user", "me"], "--user"),
    ],
)
def test_option_that_would_be_passed_over_is_refused(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], where: str
) -> None:
    """With --vhost alone, a run would have gone to the lab and to the profile's own virtual host."""
    for name in ("run_in_lab", "run_here"):
        monkeypatch.setattr(launch, name, lambda *_args, **_kwargs: pytest.fail("it began"))
    refused = CliRunner().invoke(cli.load, arguments).exception
    assert isinstance(refused, BadInputError)
    assert refused.where == where


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (["--prefetch", "5"], "--prefetch"),
        (["--consumers", "2"], "--consumers"),
        (["--url", "amqp://a"], "--url"),
        (["--part", "1/2"], "--part"),
        (["--rate", "max"], "--rate"),
        (["--set", "window=5"], "--set window"),
    ],
)
def test_option_that_does_not_fit_several_profiles_is_refused(
    monkeypatch: pytest.MonkeyPatch, options: list[str], where: str
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(together, "run_together", lambda *args, **_kwargs: begun.append(args))
    refused = CliRunner().invoke(cli.load, ["run", "mixed", *options])
    assert isinstance(refused.exception, BadInputError)
    assert (refused.exception.where, begun) == (where, [])


def test_composites_are_listed_beside_the_profiles() -> None:
    told = CliRunner().invoke(cli.load, ["list"]).output
    assert "\nmixed " in told
    assert "\nwork " in told
    assert "rpc-direct  20/s" in CliRunner().invoke(cli.load, ["list", "mixed"]).output
