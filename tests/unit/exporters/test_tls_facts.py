"""What certificates say: whom they name, when they end, and how many kinds of listener there are."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exporters.tls_facts import Certificate, first_expiry_s, names, read, variants
from exporters.tls_probe import Offers
from warren.pki import Pki


def der(folder: Path, *hosts: str, year: int = 2026) -> bytes:
    pki = Pki(folder=folder, now=datetime(year, 1, 1, tzinfo=UTC))
    pki.ensure_authorities()
    pair = pki.ensure_leaf("cluster", "node", hosts=hosts, purpose="server")
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


@pytest.mark.parametrize(
    ("certified", "host", "fits"),
    [
        ("rmq1", "rmq1", True),
        ("rmq1", "RMQ1", True),
        ("rmq1.example.org", "rmq1.example.org.", True),
        ("rmq1", "rmq2", False),
        ("rmq1", "rmq1.example.org", False),
        ("*.example.org", "rmq1.example.org", True),
        ("*.example.org", "a.rmq1.example.org", False),
        ("*.example.org", "example.org", False),
        ("*", "rmq1", False),
        ("rmq*.example.org", "rmq1.example.org", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fd00::1", "fd00:0::1", True),
    ],
)
def test_whom_a_certificate_names(tmp_path: Path, certified: str, host: str, fits: bool) -> None:
    assert names(der(tmp_path, "other", certified), host) is fits


def test_a_common_name_names_nobody() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rmq1")])
    bare = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(255)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    assert names(bare, "rmq1") is False
    assert read(bare).serial == "ff"
    assert read(bare).issuer == "CN=rmq1"
    assert read(bare).not_after_s == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    assert len(read(bare).fingerprint) == 64


def test_the_first_to_expire_counts(tmp_path: Path) -> None:
    (tmp_path / "early").mkdir()
    early, late = der(tmp_path / "early", "a", year=2020), der(tmp_path, "a", year=2026)
    assert first_expiry_s([late, early]) == read(early).not_after_s < read(late).not_after_s


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        read(b"not DER")


def one(
    *, issuer: str = "CN=a", old: bool = False, ciphers: tuple[str, ...] | None = ("x", "y")
) -> tuple[Certificate, Offers]:
    certificate = Certificate(not_after_s=1.0, issuer=issuer, serial="1", fingerprint="f")
    versions = {"TLSv1": old, "TLSv1.2": True}
    offered = Offers(versions=versions, negotiated={}, ciphers=ciphers, complete=ciphers is not None)
    return certificate, offered


@pytest.mark.parametrize(
    ("listeners", "count"),
    [
        ([one(), one(ciphers=("y", "x"))], 1),
        ([one(), one(issuer="CN=b")], 2),
        ([one(), one(old=True), one()], 2),
        ([one(), one(ciphers=("x",)), one(ciphers=("z",))], 3),
        ([one(), one(ciphers=None)], 1),
        ([one(ciphers=None)], None),
        ([], None),
    ],
)
def test_kinds_are_counted_among_those_of_which_all_is_known(
    listeners: list[tuple[Certificate, Offers]], count: int | None
) -> None:
    assert variants(listeners) == count
