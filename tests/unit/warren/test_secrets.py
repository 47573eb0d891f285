from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from warren.errors import NotReadyError
from warren.secrets import Secrets


def test_secret_is_made_once_and_stays(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    first = secrets.ensure("operator")
    assert secrets.ensure("operator") == first == Secrets(tmp_path).read("operator")
    assert secrets.ensure("monitoring") != first


def test_secret_is_never_readable_by_others_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Secrets(tmp_path).ensure("operator")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "operator").stat().st_mode) == 0o600


def test_secret_has_more_than_128_bits_and_needs_no_quoting(tmp_path: Path) -> None:
    secret = Secrets(tmp_path).ensure("operator")
    assert len(secret) * 6 > 128
    assert all(each.isalnum() or each in "-_" for each in secret)


def test_missing_secret_is_told_with_its_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="make cluster-up") as caught:
        Secrets(tmp_path).read("operator")
    assert caught.value.where == str(tmp_path / "operator")


def test_secret_does_not_stand_in_the_repr(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    assert secrets.ensure("operator") not in repr(secrets)
