"""What may go wrong between Warren and the management API, in the words of the broker and of TLS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as AnswerTimeoutError

from warren.answers import json_object
from warren.console import shorten
from warren.errors import BadInputError, NotReadyError, WarrenError

_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
#: The request as it stands is refused, and repeating it changes nothing.
_REJECTED = (400, 405, 409, 412)
_REASON_WIDTH = 400


class UnreachableError(NotReadyError):
    """No usable answer came back: refused, timed out, TLS failed, or not the API.

    ``sent`` says whether the request may have reached the broker.
    """

    def __init__(self, where: str, what: str, remedy: str = "", *, sent: bool = True) -> None:
        super().__init__(where, what, remedy)
        self.sent = sent


class ApiError(NotReadyError):
    """The broker answered with an error: ``status`` is HTTP's, ``what`` the broker's own reason, ``answer``
    all that it said, where that was an object."""

    def __init__(
        self,
        where: str,
        what: str,
        remedy: str = "",
        *,
        status: int,
        answer: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(where, what, remedy)
        self.status = status
        self.answer = answer


class NotFoundError(ApiError):
    """The object is not there (404)."""


class RejectedError(BadInputError):
    """The broker refuses the request as it stands (400, 405, 409, 412); nothing was changed."""

    def __init__(self, where: str, what: str, remedy: str = "", *, status: int) -> None:
        super().__init__(where, what, remedy)
        self.status = status


def unreachable(where: str, address: str, error: HTTPError, timeout_s: float) -> UnreachableError:
    """The error of a request that got no answer from ``address`` (``host:port``)."""
    if isinstance(error, NewConnectionError):
        reason = f"no connection to {address}: {shorten(_innermost(error))}"
        return UnreachableError(where, reason, "is the node running? warren cluster status", sent=False)
    if isinstance(error, ConnectTimeoutError):
        return UnreachableError(where, f"no connection to {address} in time", sent=False)
    if isinstance(error, SSLError):
        reason = f"TLS with {address} failed: {shorten(_innermost(error))}"
        return UnreachableError(where, reason, "is this cluster's certificate of another authority?")
    if isinstance(error, AnswerTimeoutError):
        return UnreachableError(where, f"{address} did not answer within {timeout_s:g} s")
    return UnreachableError(where, f"the connection to {address} broke: {shorten(_innermost(error))}")


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__


def refusal(where: str, status: int, body: bytes, user: str) -> WarrenError:
    """The error of an answer with an HTTP ``status`` of 400 or more."""
    text = body.decode(errors="replace")
    answer = json_object(text)
    reason = _reason(text, answer) or f"HTTP status {status}"
    if status == _UNAUTHORISED:
        return ApiError(
            where,
            f"the broker does not let user '{user}' in or see this ({reason})",
            "its password or its tags differ from what the broker has",
            status=status,
        )
    if status == _FORBIDDEN:
        return ApiError(where, f"user '{user}' has no right to this ({reason})", status=status)
    if status == _NOT_FOUND:
        return NotFoundError(where, f"not found ({reason})", status=status)
    if status in _REJECTED:
        return RejectedError(where, f"the broker refuses this: {reason}", status=status)
    return ApiError(where, reason, status=status, answer=answer)


def _reason(text: str, answer: Mapping[str, Any]) -> str:
    """The broker's own reason in an error's body: JSON with ``reason``, or whatever text it is."""
    if answer:
        text = str(answer.get("reason") or answer.get("error") or answer)
    return shorten(text, _REASON_WIDTH)
