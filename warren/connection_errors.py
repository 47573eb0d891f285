"""What became of a connection, in words: for pika wraps the cause and tells its own insides with it."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable

from pika import exceptions as pika_errors

_WITHIN = re.compile(r"in the last (\d+) seconds")
#: A cause that pika kept as text only: ``ConnectionResetError(104, 'reset by peer')``, ``(530) "…"``.
_QUOTED = re.compile(r"""\(?-?\d+\)?,? (["'])(?P<text>.*?)\1\)*"?,?\)*$""")
#: Of `pika.connection.Connection`: connection.open was sent, its answer has not come.
_OPENING = "prev_state=TUNE"


def describe(error: BaseException | None) -> str:
    """One line for a lost or refused connection: the innermost cause, as a person would say it."""
    seen = error
    while (inner := cause_of(seen)) is not None:
        seen = inner
    for kind, said in _SAID.items():
        if isinstance(seen, kind):
            return said(seen)
    return f"{type(seen).__name__}: {seen}" if seen is not None else "closed"


def cause_of(error: BaseException | None) -> BaseException | None:
    """What pika wrapped into ``error``: the last of several, or the one."""
    wrapped = getattr(error, "exceptions", None) or (getattr(error, "exception", None),)
    if not isinstance(wrapped[-1], BaseException):
        wrapped = getattr(error, "args", ())[-1:]
    return wrapped[-1] if wrapped and isinstance(wrapped[-1], BaseException) else None


def _certificate(error: BaseException) -> str:
    why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or error
    return f"TLS: the server's certificate is not accepted: {why}"


def _tls(error: BaseException) -> str:
    return f"TLS: {getattr(error, 'reason', None) or error}"


def _heartbeat(error: BaseException) -> str:
    found = _WITHIN.search(str(error))
    return f"no heartbeat came from it{f' for {found[1]} s' if found else ' in time'}"


def _opening(error: BaseException) -> str:
    text = str(error)
    if "Timeout" not in text:
        return f"given up while it was opened: {text}"
    if _OPENING in text:
        return "it took user and password, and did not open the virtual host in time"
    return "it took the connection, and did not answer in time"


def _quoted(text: str) -> str:
    found = _QUOTED.search(text)
    return found["text"] if found else text


def _cut(error: BaseException) -> str:
    text = str(error)
    if "EOF" in text:
        return "it closed the connection without a word"
    return f"the connection was cut: {_quoted(text)}"


def _closed(error: BaseException) -> str:
    assert isinstance(error, pika_errors.ConnectionClosed)  # noqa: S101 - by the table below
    return f"closed by the broker: {error.reply_text}"


#: The first that fits counts: a kind stands before what it is a kind of.
_SAID: dict[type[BaseException], Callable[[BaseException], str]] = {
    ssl.SSLCertVerificationError: _certificate,
    pika_errors.IncompatibleProtocolError: lambda _: (
        "it does not speak AMQP there, or one side wants TLS and the other does not"
    ),
    ssl.SSLError: _tls,
    pika_errors.AMQPHeartbeatTimeout: _heartbeat,
    pika_errors.ConnectionOpenAborted: _opening,
    pika_errors.ConnectionClosedByBroker: _closed,
    pika_errors.ProbableAccessDeniedError: lambda error: f"refused: {_quoted(str(error))}",
    pika_errors.ProbableAuthenticationError: lambda error: (
        f"it hung up at the login, so that it does not take user or password, or went down: {_cut(error)}"
    ),
    pika_errors.ConnectionBlockedTimeout: lambda _: "it blocked publishing for longer than was waited",
    pika_errors.StreamLostError: _cut,
    ConnectionRefusedError: lambda _: "refused: nobody listens there",
    socket.gaierror: lambda error: f"its name is not known: {getattr(error, 'strerror', None) or error}",
    TimeoutError: lambda _: "no answer in time",
}
