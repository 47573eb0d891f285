"""The cluster's certificates, made once into the state folder and renewed before they expire.

Four authorities, so that a certificate is good for one thing only: ``cluster`` signs servers, ``clients``
the applications' certificates, ``inter-node`` the nodes' Erlang distribution (a client's certificate never
joins the cluster), ``scrape`` the one that Prometheus shows to exporters.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from warren.state import write_atomically

AUTHORITIES = ("cluster", "clients", "inter-node", "scrape")
Purpose = Literal["server", "client", "both"]

_CA_DAYS = 3650
_LEAF_DAYS = 397
#: Renewed on the next `ensure` when less than this is left.
_RENEW_DAYS = 30
_USAGES: dict[Purpose, list[x509.ObjectIdentifier]] = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Paths of a certificate (PEM) and its private key (PKCS 8, PEM, mode 0600)."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Pki:
    """The certificates below one folder."""

    folder: Path
    now: datetime

    def authority(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}-ca.pem", self.folder / f"{name}-ca.key")

    def leaf(self, authority: str, name: str) -> Pair:
        return Pair(self.folder / authority / f"{name}.pem", self.folder / authority / f"{name}.key")

    def ensure_authorities(self) -> None:
        """Make the authorities that are not there, or whose key is not that of their certificate (a write
        was cut short between the two); those of which another is to follow are left alone
        (`warren.succession`)."""
        for name in AUTHORITIES:
            pair = self.authority(name)
            if not list(self.folder.glob(f"{name}-ca.*.key")) and not belong_together(pair):
                self.make_authority(name, pair)

    def ensure_leaf(self, authority: str, name: str, *, hosts: Sequence[str], purpose: Purpose) -> Pair:
        """A certificate for ``name`` with ``hosts`` (names and addresses) as SAN; reissued when it is about
        to expire, is for other hosts or another purpose, was signed by another authority, or lost its key."""
        pair = self.leaf(authority, name)
        if not self._still_good(pair, authority, hosts, purpose):
            pair.certificate.parent.mkdir(mode=0o700, exist_ok=True)
            self._make_leaf(self.authority(authority), pair, name, hosts, purpose)
        return pair

    def renew_leaf(self, authority: str, name: str) -> Pair:
        """Make the certificate called ``name`` anew, with another key, for the same hosts and purpose."""
        pair = self.leaf(authority, name)
        leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usages = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        purpose = next(each for each, known in _USAGES.items() if known == usages)
        self._make_leaf(self.authority(authority), pair, name, [str(each.value) for each in names], purpose)
        return pair

    def leaf_of(
        self, signer: Pair, authority: str, name: str, *, hosts: Sequence[str], purpose: Purpose
    ) -> Pair:
        """A certificate called ``name`` among those of ``authority``, of whichever ``signer`` there is."""
        pair = self.leaf(authority, name)
        pair.certificate.parent.mkdir(mode=0o700, exist_ok=True)
        self._make_leaf(signer, pair, name, hosts, purpose)
        return pair

    def is_signed_by_first(self, authority: str, name: str) -> bool:
        """Whether the certificate called ``name`` is of the authority that signs now."""
        leaf = x509.load_pem_x509_certificate(self.leaf(authority, name).certificate.read_bytes())
        issuer = x509.load_pem_x509_certificate(self.authority(authority).certificate.read_bytes())
        try:
            leaf.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def serial(self, authority: str, name: str) -> int:
        """The serial number of the certificate called ``name``."""
        pem = self.leaf(authority, name).certificate.read_bytes()
        return x509.load_pem_x509_certificate(pem).serial_number

    def pem(self, authority: str, name: str, *, hosts: Sequence[str], purpose: Purpose) -> str:
        """A certificate and its key as PEM text, as `ensure_leaf` makes them, kept nowhere."""
        signed, key = self._signed(self.authority(authority), name, hosts, purpose)
        return signed.public_bytes(serialization.Encoding.PEM).decode() + _key_pem(key).decode()

    def _still_good(self, pair: Pair, authority: str, hosts: Sequence[str], purpose: Purpose) -> bool:
        try:
            leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
            issuer = x509.load_pem_x509_certificate(self.authority(authority).certificate.read_bytes())
            leaf.verify_directly_issued_by(issuer)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (OSError, ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
            return False
        fresh = leaf.not_valid_after_utc - self.now > timedelta(days=_RENEW_DAYS)
        fits = list(names) == _alternative_names(hosts) and list(usages) == _USAGES[purpose]
        return fresh and fits and belong_together(pair)

    def make_authority(self, name: str, pair: Pair) -> None:
        """Make the authority called ``name`` anew, as ``pair``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Warren {name} authority")])
        certificate = (
            self._builder(subject, subject, key, _CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(pair, certificate, key)

    def _make_leaf(self, signer: Pair, pair: Pair, name: str, hosts: Sequence[str], purpose: Purpose) -> None:
        _write(pair, *self._signed(signer, name, hosts, purpose))

    def _signed(
        self, signer: Pair, name: str, hosts: Sequence[str], purpose: Purpose
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_pem_x509_certificate(signer.certificate.read_bytes())
        issuer_key = serialization.load_pem_private_key(signer.key.read_bytes(), password=None)
        assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it above
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(subject, issuer.subject, key, _LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_USAGES[purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(_alternative_names(hosts)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
            .sign(issuer_key, hashes.SHA256())
        )
        return certificate, key

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(minutes=5))
            .not_valid_after(self.now + timedelta(days=days))
        )


def belong_together(pair: Pair) -> bool:
    """Whether both files are there and the key is the certificate's."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return False
    return key.public_key() == certificate.public_key()


def _alternative_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    write_atomically(pair.key, _key_pem(key), mode=0o600)
    write_atomically(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
