"""One look at one listener: what its certificate says, and whether a client would take it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from exporters import tls_facts
from exporters.tls_facts import Certificate
from exporters.tls_probe import Answer, Shake, Target, lax, shake


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look found; None where that could not be found out.

    ``certificate`` is the server's own; ``chain_not_after_s`` when the first of those sent expires, and where
    the chain is trusted, of those up to the authority; ``fault`` why nothing was shown, or not trusted.
    """

    certificate: Certificate | None = None
    chain_not_after_s: float | None = None
    names_host: bool | None = None
    trusted: bool | None = None
    fault: str = ""


def look(target: Target, authority: ssl.SSLContext | None, timeout_s: float) -> Seen:
    """Verify against ``authority``; without one, see at least who it is. Takes at most twice ``timeout_s``
    and raises nothing."""
    shown = shake(target, authority, timeout_s) if authority is not None else None
    trusted = {Answer.SHOWN: True, Answer.UNTRUSTED: False}.get(shown.answer) if shown is not None else None
    fault = shown.why if shown is not None else ""
    # One that takes old versions only refuses a client of today. One that is silent is not asked twice.
    if shown is None or (not shown.sent and shown.answer is not Answer.SILENT):
        shown = shake(target, lax(), timeout_s)
    return _read(target, shown, trusted, fault or shown.why)


def _read(target: Target, shown: Shake, trusted: bool | None, fault: str) -> Seen:
    try:
        certificate = tls_facts.read(shown.sent[0])
        expiry_s = tls_facts.first_expiry_s((*shown.sent, *shown.verified))
        names_host = tls_facts.names(shown.sent[0], target.name)
    except IndexError:
        return Seen(fault=fault or "showed no certificate")
    except ValueError as error:
        return Seen(trusted=trusted, fault=f"sent what is no certificate: {error}")
    return Seen(
        certificate=certificate,
        chain_not_after_s=expiry_s,
        names_host=names_host,
        trusted=trusted,
        fault=fault,
    )
