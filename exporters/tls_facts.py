"""What a certificate says, and how listeners differ. Pure: bytes and values in, values out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from exporters.tls_probe import Offers


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A server's own certificate. ``not_after_s`` in unix seconds, ``serial`` and ``fingerprint`` (SHA-256)
    in hexadecimal, ``issuer`` as RFC 4514 writes names."""

    not_after_s: float
    issuer: str
    serial: str
    fingerprint: str


def read(der: bytes) -> Certificate:
    """Raises ValueError for what is no certificate."""
    parsed = x509.load_der_x509_certificate(der)
    return Certificate(
        not_after_s=parsed.not_valid_after_utc.timestamp(),
        issuer=parsed.issuer.rfc4514_string(),
        serial=f"{parsed.serial_number:x}",
        fingerprint=parsed.fingerprint(hashes.SHA256()).hex(),
    )


def first_expiry_s(chain: Iterable[bytes]) -> float:
    """Unix seconds at which the first certificate of ``chain`` (DER, not empty) expires."""
    return min(read(der).not_after_s for der in chain)


def names(der: bytes, host: str) -> bool:
    """Whether the certificate names ``host``, a name or an address, among its alternative names.

    As clients check it (RFC 9525): upper and lower case are alike, a star stands for exactly the first part
    of a name, and the subject's common name does not count.
    """
    try:
        alternative = (
            x509.load_der_x509_certificate(der)
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value
        )
    except x509.ExtensionNotFound:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return any(_fits(pattern, host) for pattern in alternative.get_values_for_type(x509.DNSName))
    return address in alternative.get_values_for_type(x509.IPAddress)


def variants(listeners: Sequence[tuple[Certificate, Offers]]) -> int | None:
    """How many different sets of issuer, versions and suites of TLS 1.2 there are among one listener's nodes,
    of those of which all of it is known; None where there is none."""
    known = {
        (certificate.issuer, frozenset(offered.versions.items()), frozenset(offered.ciphers or ()))
        for certificate, offered in listeners
        if offered.complete
    }
    return len(known) or None


def _fits(pattern: str, host: str) -> bool:
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == host
    first, _, rest = host.partition(".")
    return bool(first) and rest == pattern.removeprefix("*.")
