"""One authority followed by another: broken off at any write, gone on with, undone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from warren import pki as pki_module
from warren import succession as module
from warren.pki import Pki
from warren.succession import Succession

_NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    found = Pki(tmp_path, _NOW)
    found.ensure_authorities()
    return found


def trusted(pki: Pki) -> list[int]:
    pem = pki.authority("cluster").certificate.read_bytes()
    return [each.serial_number for each in x509.load_pem_x509_certificates(pem)]


def issuer(pki: Pki) -> int:
    """The serial of the authority by which a new leaf is signed."""
    pair = pki.ensure_leaf("cluster", "rmq1", hosts=("rmq1",), purpose="server")
    leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    for each in x509.load_pem_x509_certificates(pki.authority("cluster").certificate.read_bytes()):
        try:
            leaf.verify_directly_issued_by(each)
        except Exception:  # noqa: S112 - not by this one
            continue
        return each.serial_number
    raise AssertionError("nobody who is trusted has signed it")


def test_both_are_trusted_before_the_new_one_signs_and_until_the_former_is_dropped(pki: Pki) -> None:
    one = Succession(pki, "cluster")
    (old,) = trusted(pki)
    assert (one.stage, issuer(pki)) == ("none", old)
    one.begin()
    assert trusted(pki)[0] == old
    (new,) = set(trusted(pki)) - {old}
    assert (one.stage, issuer(pki)) == ("trusted", old)
    one.promote()
    assert (one.stage, issuer(pki), trusted(pki)) == ("signing", new, [new, old])
    one.drop()
    assert (one.stage, issuer(pki), trusted(pki)) == ("none", new, [new])
    assert len(list(pki.folder.glob("cluster-ca.*"))) == 2


def test_each_phase_can_be_undone(pki: Pki) -> None:
    one = Succession(pki, "cluster")
    (old,) = trusted(pki)
    one.begin()
    one.give_up()
    assert (one.stage, trusted(pki), issuer(pki)) == ("none", [old], old)
    one.begin()
    one.promote()
    one.demote()
    assert (one.stage, trusted(pki)[0], issuer(pki)) == ("trusted", old, old)
    one.give_up()
    assert (one.stage, trusted(pki)) == ("none", [old])


class CutError(Exception):
    """The machine is gone."""


def cut_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    left = [writes]

    def write(real: Callable[..., None]) -> Callable[..., None]:
        def act(*args: object, **more: object) -> None:
            if left[0] == 0:
                raise CutError
            left[0] -= 1
            real(*args, **more)

        return act

    for place in (module, pki_module):
        monkeypatch.setattr(place, "write_atomically", write(place.write_atomically))


@pytest.mark.parametrize("writes", range(6))
@pytest.mark.parametrize("phase", ["begin", "promote", "demote"])
def test_change_that_breaks_off_is_gone_on_with_and_no_authority_is_lost(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, phase: str, writes: int
) -> None:
    one = Succession(pki, "cluster")
    (old,) = trusted(pki)
    if phase != "begin":
        one.begin()
    if phase == "demote":
        one.promote()
    known = set(trusted(pki))
    with monkeypatch.context() as patch:
        cut_after(patch, writes)
        with suppress(CutError):
            getattr(one, phase)()
    pki.ensure_authorities()  # as `cluster up` does; it must leave this one alone
    getattr(one, phase)()
    assert known <= set(trusted(pki)), "one that was trusted still is"
    assert old in trusted(pki)
    assert {"begin": "trusted", "promote": "signing", "demote": "trusted"}[phase] == one.stage
    assert issuer(pki) == (old if phase != "promote" else trusted(pki)[0])
