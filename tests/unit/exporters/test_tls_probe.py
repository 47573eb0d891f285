"""Handshakes with real listeners on the loopback: what they show, what they take, and what is no answer."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporters import tls_facts
from exporters.tls_look import look
from exporters.tls_probe import Answer, Offers, Shake, Target, lax, offers, shake, verifying
from warren.errors import NotReadyError
from warren.pki import Pki

from .listeners import (
    EVERY_VERSION,
    ONLY_1_2,
    ONLY_1_3,
    ONLY_OLD,
    SOUND,
    Listening,
    listening,
    make_pair,
    make_pki,
    server_context,
)

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
TIMEOUT_S = 2.0
TWO = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return make_pki(tmp_path)


def ca(pki: Pki, authority: str = "cluster") -> ssl.SSLContext:
    return verifying(pki.authority(authority).certificate)


def asked(listener: Listening) -> Offers:
    return offers(lambda context: shake(listener.target(), context, TIMEOUT_S), cut_short=lambda: False)


@pytest.mark.parametrize("versions", [ONLY_1_2, ONLY_1_3])
def test_a_sound_listener_shows_its_certificate(
    pki: Pki, versions: tuple[ssl.TLSVersion, ssl.TLSVersion]
) -> None:
    pair = make_pair(pki)
    with listening(server_context(pair, versions=versions)) as listener:
        shown = shake(listener.target(), ca(pki), TIMEOUT_S)
    assert shown.answer is Answer.SHOWN
    assert [ssl.DER_cert_to_PEM_cert(each) for each in shown.sent] == [pair.certificate.read_text()]
    assert len(shown.verified) == 2, "its own and the authority's"


@pytest.mark.parametrize("versions", [ONLY_1_2, ONLY_1_3])
def test_one_that_asks_for_a_certificate_shows_its_own_and_is_left_before_it_refuses(
    pki: Pki, versions: tuple[ssl.TLSVersion, ssl.TLSVersion]
) -> None:
    context = server_context(
        make_pair(pki), versions=versions, client_ca=pki.authority("inter-node").certificate
    )
    with listening(context) as listener:
        assert shake(listener.target(), ca(pki), TIMEOUT_S).answer is Answer.SHOWN
        assert shake(listener.target(), lax(), TIMEOUT_S).answer is Answer.SHOWN
        assert asked(listener).complete
    assert listener.finished == 0


def test_no_handshake_is_finished(pki: Pki) -> None:
    """In TLS 1.3 a listener that asks for nothing may think that it is, but for the client's last word."""
    with listening(server_context(make_pair(pki))) as listener:
        shake(listener.target(), ca(pki), TIMEOUT_S)
        asked(listener)
    assert listener.connections > 5
    assert listener.finished == 0


def test_another_authority_is_told_with_its_reason(pki: Pki) -> None:
    with listening(server_context(make_pair(pki))) as listener:
        shown = shake(listener.target(), ca(pki, "clients"), TIMEOUT_S)
    assert shown.answer is Answer.UNTRUSTED
    assert "issuer certificate" in shown.why
    assert not shown.verified


def _mute(connection: ssl.SSLSocket) -> None:
    connection.settimeout(TIMEOUT_S * 2)
    while connection.recv(4096):
        pass


def _closes(connection: ssl.SSLSocket) -> None:
    connection.recv(4096)


def _speaks_http(connection: ssl.SSLSocket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize(
    ("handle", "why"),
    [(_mute, "timed out|in time"), (_closes, "broke off|reset"), (_speaks_http, "wrong version number")],
)
def test_what_is_no_answer_is_neither_yes_nor_no(
    pki: Pki, handle: Callable[[ssl.SSLSocket], None], why: str
) -> None:
    began_s = time.monotonic()
    with listening(handle=handle) as listener:
        shown = shake(listener.target(), ca(pki), 0.3)
    assert shown.answer is Answer.SILENT
    assert time.monotonic() - began_s < 2
    assert any(part in shown.why for part in why.split("|")), shown.why


def test_where_nobody_listens_there_is_no_answer(pki: Pki) -> None:
    with listening(server_context(make_pair(pki))) as listener:
        pass
    shown = shake(listener.target(), ca(pki), TIMEOUT_S)
    assert (shown.answer, shown.sent) == (Answer.SILENT, ())
    assert "refused" in shown.why


@pytest.mark.parametrize("name", ["", "..", "a" * 70 + ".b"])
def test_a_name_that_is_none_is_no_bug(pki: Pki, name: str) -> None:
    target = Target(listener="amqps", name=name, host=name or "..", port=1)
    assert shake(target, ca(pki), TIMEOUT_S).answer is Answer.SILENT


def test_what_this_openssl_does_not_offer_disturbs_nobody(pki: Pki) -> None:
    context = lax(*ONLY_1_2)
    context.set_ciphers("PSK-AES128-GCM-SHA256:@SECLEVEL=0")
    with listening(server_context(make_pair(pki))) as listener:
        assert shake(listener.target(), context, TIMEOUT_S).answer is Answer.CANNOT
    assert listener.connections == 0


def test_versions_and_suites_are_those_that_the_server_takes(pki: Pki) -> None:
    with listening(server_context(make_pair(pki), versions=SOUND, ciphers=TWO)) as listener:
        found = asked(listener)
    assert found.versions == {"TLSv1": False, "TLSv1.1": False, "TLSv1.2": True, "TLSv1.3": True}
    assert set(found.ciphers or ()) == set(TWO.split(":"))
    assert found.negotiated["TLSv1.2"] in TWO
    assert found.negotiated["TLSv1.3"].startswith("TLS_")
    assert found.complete


def test_a_listener_of_one_version_refuses_the_others(pki: Pki) -> None:
    with listening(server_context(make_pair(pki), versions=ONLY_1_2)) as listener:
        assert [name for name, taken in asked(listener).versions.items() if taken] == ["TLSv1.2"]
    with listening(server_context(make_pair(pki), versions=ONLY_1_3)) as listener:
        found = asked(listener)
    assert [name for name, taken in found.versions.items() if taken] == ["TLSv1.3"]
    assert (found.ciphers, found.complete) == ((), True)


def test_old_versions_are_found_where_they_are_offered(pki: Pki) -> None:
    with listening(server_context(make_pair(pki), versions=EVERY_VERSION)) as listener:
        assert all(asked(listener).versions.values())
    with listening(server_context(make_pair(pki), versions=ONLY_OLD)) as listener:
        found = asked(listener)
    assert found.versions == {"TLSv1": True, "TLSv1.1": True, "TLSv1.2": False, "TLSv1.3": False}
    assert set(found.negotiated) == {"TLSv1", "TLSv1.1"}


@pytest.mark.parametrize("suite", ["AECDH-AES256-SHA", "ECDHE-ECDSA-NULL-SHA"])
def test_suites_without_authentication_or_encryption_are_found(pki: Pki, suite: str) -> None:
    context = server_context(make_pair(pki), versions=ONLY_1_2, ciphers=f"{TWO}:{suite}")
    with listening(context) as listener:
        assert set(asked(listener).ciphers or ()) == {*TWO.split(":"), suite}


def _answers(silent: set[ssl.TLSVersion]) -> Callable[[ssl.SSLContext], Shake]:
    def answer(context: ssl.SSLContext) -> Shake:
        if context.minimum_version in silent:
            return Shake(answer=Answer.SILENT)
        return Shake(answer=Answer.REFUSED)

    return answer


def test_a_version_without_an_answer_is_absent() -> None:
    found = offers(_answers({ssl.TLSVersion.TLSv1}), cut_short=lambda: False)
    assert found.versions == {"TLSv1.1": False, "TLSv1.2": False, "TLSv1.3": False}
    assert not found.complete


def test_suites_that_were_not_asked_to_the_end_are_unknown() -> None:
    found = offers(_answers({ssl.TLSVersion.TLSv1_2}), cut_short=lambda: False)
    assert (found.ciphers, found.complete) == (None, False)


def test_asking_that_is_cut_short_says_nothing(pki: Pki) -> None:
    with listening(server_context(make_pair(pki))) as listener:
        left = iter([False] * 6 + [True] * 100)
        found = offers(
            lambda context: shake(listener.target(), context, TIMEOUT_S), cut_short=lambda: next(left)
        )
    assert len(found.versions) == 4
    assert (found.ciphers, found.complete) == (None, False)


def test_a_look_at_a_sound_listener(pki: Pki) -> None:
    pair = make_pair(pki)
    with listening(server_context(pair)) as listener:
        seen = look(listener.target(), ca(pki), TIMEOUT_S)
    assert seen.certificate == tls_facts.read(ssl.PEM_cert_to_DER_cert(pair.certificate.read_text()))
    assert (seen.trusted, seen.names_host, seen.fault) == (True, True, "")
    assert seen.chain_not_after_s == seen.certificate.not_after_s
    assert listener.connections == 1


def test_an_expired_certificate_is_read_all_the_same(tmp_path: Path) -> None:
    old = make_pki(tmp_path, days_ago=400)
    with listening(server_context(make_pair(old))) as listener:
        seen = look(listener.target(), ca(old), TIMEOUT_S)
    assert seen.certificate is not None
    assert -4 * 86400 < seen.certificate.not_after_s - time.time() < -2 * 86400
    assert (seen.trusted, seen.names_host, seen.fault) == (False, True, "certificate has expired")


def test_a_wrong_name_hides_nothing(pki: Pki) -> None:
    with listening(server_context(make_pair(pki, "rmq9"))) as listener:
        seen = look(listener.target(), ca(pki), TIMEOUT_S)
    assert (seen.trusted, seen.names_host) == (True, False)


def test_an_authority_that_expires_first_is_what_the_chain_lasts(tmp_path: Path) -> None:
    """Made 3640 days ago, an authority has ten left; the certificate that it signs today has 397."""
    make_pki(tmp_path, days_ago=3640)
    today = make_pki(tmp_path)
    with listening(server_context(make_pair(today))) as listener:
        seen = look(listener.target(), ca(today), TIMEOUT_S)
    assert seen.certificate is not None
    assert seen.chain_not_after_s is not None
    assert seen.trusted
    assert 9 * 86400 < seen.chain_not_after_s - time.time() < 11 * 86400
    assert seen.certificate.not_after_s - time.time() > 390 * 86400


def test_without_an_authority_it_is_seen_who_it_is_but_not_judged(pki: Pki) -> None:
    with listening(server_context(make_pair(pki))) as listener:
        seen = look(listener.target(), None, TIMEOUT_S)
    assert (seen.trusted, seen.names_host, seen.fault) == (None, True, "")
    assert seen.certificate is not None


def test_one_that_speaks_old_versions_only_is_seen_but_not_judged(pki: Pki) -> None:
    with listening(server_context(make_pair(pki), versions=ONLY_OLD)) as listener:
        seen = look(listener.target(), ca(pki), TIMEOUT_S)
    assert seen.certificate is not None
    assert seen.trusted is None
    assert "version" in seen.fault


def test_one_that_is_silent_is_asked_once(pki: Pki) -> None:
    with listening(handle=_closes) as listener:
        seen = look(listener.target(), ca(pki), TIMEOUT_S)
        assert listener.connections == 1
    assert seen.certificate is seen.trusted is seen.names_host is seen.chain_not_after_s is None
    assert seen.fault


def test_an_authority_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"none\.pem.*cannot be used"):
        verifying(tmp_path / "none.pem")
