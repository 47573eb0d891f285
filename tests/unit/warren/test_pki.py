from __future__ import annotations

import ipaddress
import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from warren.pki import AUTHORITIES, Pair, Pki

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = ("rmq1", "localhost", "127.0.0.1", "::1")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path, NOW)
    made.ensure_authorities()
    return made


def read(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def serial(pair: Pair) -> int:
    return read(pair).serial_number


def handshake(server: Pair, client: Pair, *, server_trusts: Path, client_trusts: Path, name: str) -> None:
    """A TLS handshake in memory, verified both ways; raises ssl.SSLError where either refuses."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server.certificate, server.key)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(server_trusts)
    client_context = ssl.create_default_context(cafile=str(client_trusts))
    client_context.load_cert_chain(client.certificate, client.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepting = server_context.wrap_bio(to_server, to_client, server_side=True)
    asking = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    steps: list[Callable[[], object]] = [asking.do_handshake, accepting.do_handshake]
    for _ in range(6):
        for step in steps:
            try:
                step()
            except ssl.SSLWantReadError:
                continue
    asking.write(b"x")
    assert accepting.read() == b"x"  # in TLS 1.3 the server's refusal comes after the client's part is over


@pytest.fixture
def parties(pki: Pki) -> dict[str, tuple[Pair, Pair]]:
    """For each authority a server's pair and a client's."""
    return {
        name: (
            pki.ensure_leaf(name, "server", hosts=HOSTS, purpose="both"),
            pki.ensure_leaf(name, "client", hosts=("client",), purpose="both"),
        )
        for name in AUTHORITIES
    }


@pytest.mark.parametrize("authority", AUTHORITIES)
def test_parties_of_one_authority_verify_each_other(
    pki: Pki, parties: dict[str, tuple[Pair, Pair]], authority: str
) -> None:
    server, client = parties[authority]
    ca = pki.authority(authority).certificate
    for name in HOSTS:
        handshake(server, client, server_trusts=ca, client_trusts=ca, name=name)


@pytest.mark.parametrize("trusted", AUTHORITIES)
@pytest.mark.parametrize("signed", AUTHORITIES)
def test_authorities_do_not_stand_in_for_each_other(
    pki: Pki, parties: dict[str, tuple[Pair, Pair]], trusted: str, signed: str
) -> None:
    if trusted == signed:
        return
    ours, theirs = parties[trusted], parties[signed]
    ca = pki.authority(trusted).certificate
    with pytest.raises(ssl.SSLError):
        handshake(ours[0], theirs[1], server_trusts=ca, client_trusts=ca, name="rmq1")
    with pytest.raises(ssl.SSLError):
        handshake(theirs[0], ours[1], server_trusts=ca, client_trusts=ca, name="rmq1")


def test_server_certificate_is_no_client_certificate_and_the_other_way_round(pki: Pki) -> None:
    ca = pki.authority("cluster").certificate
    server = pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")
    client = pki.ensure_leaf("cluster", "app", hosts=("rmq1",), purpose="client")
    handshake(server, client, server_trusts=ca, client_trusts=ca, name="rmq1")
    with pytest.raises(ssl.SSLError):
        handshake(server, server, server_trusts=ca, client_trusts=ca, name="rmq1")
    with pytest.raises(ssl.SSLError):
        handshake(client, client, server_trusts=ca, client_trusts=ca, name="rmq1")


def test_other_host_is_refused(pki: Pki) -> None:
    ca = pki.authority("cluster").certificate
    server = pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="both")
    with pytest.raises(ssl.SSLCertVerificationError, match="rmq2"):
        handshake(server, server, server_trusts=ca, client_trusts=ca, name="rmq2")


def test_leaf_cannot_sign(pki: Pki) -> None:
    leaf = read(pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server"))
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False


@pytest.mark.parametrize(
    ("purpose", "usages"),
    [
        ("server", [Usage.SERVER_AUTH]),
        ("client", [Usage.CLIENT_AUTH]),
        ("both", [Usage.SERVER_AUTH, Usage.CLIENT_AUTH]),
    ],
)
def test_leaf_says_its_purpose_and_its_hosts(pki: Pki, purpose: str, usages: list[object]) -> None:
    leaf = read(pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose=purpose))  # type: ignore[arg-type]
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == usages
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["rmq1", "localhost"]
    addresses = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    assert names.get_values_for_type(x509.IPAddress) == addresses


def test_good_leaf_is_kept(pki: Pki) -> None:
    first = serial(pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server"))
    assert serial(pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")) == first


@pytest.mark.parametrize(("days", "renewed"), [(366, False), (368, True), (500, True)])
def test_leaf_is_renewed_thirty_days_before_it_expires(pki: Pki, days: int, renewed: bool) -> None:
    first = pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")
    before = serial(first)
    later = Pki(pki.folder, NOW + timedelta(days=days))
    assert (serial(later.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")) != before) is renewed


def test_leaf_is_reissued_for_other_hosts_or_another_purpose(pki: Pki) -> None:
    pair = pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")
    first = serial(pair)
    pki.ensure_leaf("cluster", "rmq1", hosts=("rmq1",), purpose="server")
    second = serial(pair)
    pki.ensure_leaf("cluster", "rmq1", hosts=("rmq1",), purpose="both")
    assert len({first, second, serial(pair)}) == 3


def test_leaf_is_reissued_when_its_authority_was_made_anew(pki: Pki) -> None:
    pair = pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")
    first = serial(pair)
    pki.authority("cluster").key.unlink()
    pki.ensure_authorities()
    pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")
    assert serial(pair) != first
    read(pair).verify_directly_issued_by(read(pki.authority("cluster")))


def test_write_that_was_cut_short_between_key_and_certificate_is_mended(pki: Pki) -> None:
    pair = pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="both")
    other = pki.ensure_leaf("cluster", "rmq2", hosts=HOSTS, purpose="both")
    pair.key.write_bytes(other.key.read_bytes())
    pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="both")
    ca = pki.authority("cluster").certificate
    handshake(pair, pair, server_trusts=ca, client_trusts=ca, name="rmq1")


def test_authorities_are_made_once(pki: Pki) -> None:
    before = [serial(pki.authority(name)) for name in AUTHORITIES]
    Pki(pki.folder, NOW + timedelta(days=1)).ensure_authorities()
    assert [serial(pki.authority(name)) for name in AUTHORITIES] == before
    assert len(set(before)) == len(AUTHORITIES)


def test_damaged_certificate_is_made_anew(pki: Pki) -> None:
    pair = pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")
    pair.certificate.write_text("not a certificate")
    pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")
    assert read(pair).subject == x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rmq1")])


def test_keys_are_the_owners_alone(pki: Pki) -> None:
    pki.ensure_leaf("cluster", "rmq1", hosts=HOSTS, purpose="server")
    keys = list(pki.folder.rglob("*.key"))
    assert len(keys) == len(AUTHORITIES) + 1
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
