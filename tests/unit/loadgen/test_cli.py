"""`warren load` as it is typed: what is refused before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from loadgen import cli, launch
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
