"""What a TLS listener shows to whoever knocks, by handshakes that stop where its certificate is read.

No more than a greeting is ever sent. So a listener that asks for a client's certificate shows its own all the
same, no connection is opened for us behind it, and its log tells of nothing (seen on RabbitMQ 4.3.6), but for
what is asked in order to be refused: a version that is not offered, and what suites are left in the end.

These contexts are no clients: but for `verifying`, they trust everybody and offer what is long broken, since
they ask what a server would take. Nothing is ever sent or read over them.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal

from warren.errors import NotReadyError

#: As OpenSSL calls them, oldest first.
VERSIONS: Mapping[str, ssl.TLSVersion] = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
#: All that this OpenSSL knows, without encryption too. The strongest come first, as in its own clients.
_EVERY_CIPHER = "ALL:COMPLEMENTOFALL"
#: Lifts what a distribution forbids: old versions, short keys.
_LEVEL = "@SECLEVEL=0"
#: Suites by which a server shows no certificate.
_ANONYMOUS = ("ADH-", "AECDH-")
#: Suites that need a secret shared beforehand: OpenSSL lists them and never offers them without one.
_NEED_A_SECRET = ("PSK", "SRP")
#: More suites than any server has; what goes on beyond takes whatever it is offered.
_MOST_CIPHERS = 80
#: A server's alert that is no answer to what was asked.
_NO_ANSWER = ("INTERNAL_ERROR", "USER_CANCELLED")
#: The server answered with a version that was not offered.
_OTHER_VERSION = ("UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION")
_CHUNK = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One listener of one host: ``name`` is what the certificate must name, ``host`` where to connect to."""

    listener: str
    name: str
    host: str
    port: int


class Answer(Enum):
    """How a handshake ended."""

    #: The server showed its certificate, or took a suite that has none.
    SHOWN = auto()
    #: Only where the context verifies.
    UNTRUSTED = auto()
    #: The server said no to what was offered.
    REFUSED = auto()
    #: No connection, no answer in time, broken off without a reason, or no TLS at all.
    SILENT = auto()
    #: This machine's OpenSSL does not offer what was to be asked; nobody was connected to.
    CANNOT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shake:
    """One handshake. ``sent`` are the certificates that the server sent (DER), its own first; ``verified``
    those from its own up to the trusted authority's, empty unless that was found; ``cipher`` as OpenSSL calls
    it."""

    answer: Answer
    why: str = ""
    sent: tuple[bytes, ...] = ()
    verified: tuple[bytes, ...] = ()
    cipher: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What a listener takes: each version that it answered to; of each version that it takes, the suite it
    takes of all; the suites of TLS 1.2, None where that was not asked to the end. ``complete`` where nothing
    was asked without an answer."""

    versions: Mapping[str, bool]
    negotiated: Mapping[str, str]
    ciphers: tuple[str, ...] | None
    complete: bool


Shaker = Callable[[ssl.SSLContext], Shake]


def verifying(ca: Path) -> ssl.SSLContext:
    """As a client of today would look: TLS 1.2 or later, the chain up to ``ca``, no name (that is asked
    apart, since a wrong name must not hide a wrong chain). Raises NotReadyError where ``ca`` is of no use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise NotReadyError(str(ca), f"cannot be used to verify certificates: {error}") from error
    return context


def lax(
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    """Trusts everybody; offers every suite that comes with a certificate, from ``oldest`` to ``newest``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(f"{_EVERY_CIPHER}:!aNULL:{_LEVEL}")
    context.minimum_version, context.maximum_version = oldest, newest
    return context


def shake(
    target: Target, context: ssl.SSLContext, timeout_s: float, *, now: Callable[[], float] = time.monotonic
) -> Shake:
    """Begin a handshake and stop at the server's certificate; takes ``timeout_s`` at most, raises nothing."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    end_s = now() + timeout_s
    try:
        tls = context.wrap_bio(incoming, outgoing, server_hostname=target.name)
        # The greeting is made before there is a connection: what cannot be offered disturbs nobody.
        if (made := _step(tls)) is not None or not outgoing.pending:
            return Shake(answer=Answer.CANNOT, why=made.why if made else "nothing to offer")
        with socket.create_connection((target.host, target.port), timeout=timeout_s) as connection:
            while True:
                connection.settimeout(_left(end_s, now))
                if outgoing.pending:
                    connection.sendall(outgoing.read())
                received = connection.recv(_CHUNK)
                if not received:
                    return Shake(answer=Answer.SILENT, why="broke off without a reason")
                incoming.write(received)
                if (ended := _step(tls)) is not None:
                    return ended
    except (OSError, ValueError) as error:  # ValueError: a name that is none
        return Shake(answer=Answer.SILENT, why=str(error) or type(error).__name__)


def offers(shaker: Shaker, *, cut_short: Callable[[], bool]) -> Offers:
    """Ask for each version alone, then for the suites of TLS 1.2, one after another: the one that is taken is
    offered no more, until none is taken. Asking ends early where ``cut_short`` says so.

    Of TLS 1.3 there is only the suite that is taken of all: Python's OpenSSL offers them together.
    """
    versions: dict[str, bool] = {}
    negotiated: dict[str, str] = {}
    complete = True
    for name, version in VERSIONS.items():
        found = Shake(answer=Answer.SILENT) if cut_short() else shaker(lax(version, version))
        complete = complete and found.answer is not Answer.SILENT
        if found.answer in (Answer.SHOWN, Answer.REFUSED):
            versions[name] = found.answer is Answer.SHOWN
        if found.answer is Answer.SHOWN:
            negotiated[name] = found.cipher
    suites: tuple[str, ...] | None = None
    if "TLSv1.2" in versions:
        suites = _suites(shaker, cut_short) if versions["TLSv1.2"] else ()
    complete = complete and suites is not None
    return Offers(versions=versions, negotiated=negotiated, ciphers=suites, complete=complete)


def _suites(shaker: Shaker, cut_short: Callable[[], bool]) -> tuple[str, ...] | None:
    context = lax(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"{_EVERY_CIPHER}:{_LEVEL}")
    left = [
        each["name"]
        for each in context.get_ciphers()
        if each["protocol"] != "TLSv1.3" and not any(word in each["name"] for word in _NEED_A_SECRET)
    ]
    taken: list[str] = []
    while left and len(taken) < _MOST_CIPHERS:
        if cut_short():
            return None
        context.set_ciphers(f"{':'.join(left)}:{_LEVEL}")
        found = shaker(context)
        if found.answer in (Answer.REFUSED, Answer.CANNOT):
            break
        if found.cipher not in left:
            return None
        taken.append(found.cipher)
        left.remove(found.cipher)
    return tuple(taken)


def _step(tls: ssl.SSLObject) -> Shake | None:
    """Go on with the handshake as far as what was received goes; None where it needs more."""
    error: ssl.SSLError | None = None
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    except ssl.SSLError as raised:
        error = raised
    trusting = tls.context.verify_mode is ssl.CERT_NONE
    sent, verified = _chain(tls, "unverified"), () if trusting else _chain(tls, "verified")
    cipher = tls.cipher()
    name = cipher[0] if cipher else ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Shake(answer=Answer.UNTRUSTED, why=error.verify_message, sent=sent, cipher=name)
    if verified or (trusting and (sent or name.startswith(_ANONYMOUS))):
        return Shake(answer=Answer.SHOWN, sent=sent, verified=verified, cipher=name)
    return None if error is None else _refusal(error)


def _refusal(error: ssl.SSLError) -> Shake:
    reason = error.reason or ""
    said_no = "_ALERT_" in reason and not reason.endswith(_NO_ANSWER)
    return Shake(
        answer=Answer.REFUSED if said_no or reason in _OTHER_VERSION else Answer.SILENT,
        why=reason.replace("_", " ").lower() or str(error),
    )


def _chain(tls: ssl.SSLObject, which: Literal["verified", "unverified"]) -> tuple[bytes, ...]:
    """Certificates as DER. Python has this for everybody since 3.13, and in the object's inner one since
    3.10; unlike ``getpeercert`` it also answers while the handshake is not finished."""
    name = f"get_{which}_chain"
    ask: Any = getattr(tls, name, None) or getattr(tls._sslobj, name)  # type: ignore[attr-defined]
    return tuple(
        each if isinstance(each, bytes) else ssl.PEM_cert_to_DER_cert(each.public_bytes())
        for each in ask() or ()
    )


def _left(end_s: float, now: Callable[[], float]) -> float:
    left_s = end_s - now()
    if left_s <= 0:
        raise TimeoutError("no certificate in time")
    return left_s
