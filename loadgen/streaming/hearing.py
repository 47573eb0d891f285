"""What a connection of the stream protocol tells its worker, and in which words its end is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Where in a stream to begin: ("first" | "last" | "next", 0), ("offset", n) or ("timestamp", ms since the
#: epoch).
Place = tuple[str, int]

#: The response code of a confirm; any other says why a message was not taken.
OK = 1


class LinkError(Exception):
    """A connection could not be made, or broke; in words. ``refusal``: trying again would not help."""

    def __init__(self, what: str, *, refusal: bool = False) -> None:
        super().__init__(what)
        self.refusal = refusal


class NoOffsetError(LinkError):
    """No offset was stored yet."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the broker delivers at once: messages at consecutive offsets."""

    first_offset: int
    messages: Sequence[bytes]


@dataclass(slots=True, kw_only=True)
class Hearing:
    """Whom a connection tells, as it comes: ``answers`` (publishing ids, response code), ``chunk``, and
    ``active`` (correlation, whether active from now on), which wants an answer."""

    answers: Callable[[Sequence[int], int], None] = lambda _ids, _code: None
    chunk: Callable[[Chunk], None] = lambda _chunk: None
    active: Callable[[int, bool], None] = lambda _correlation, _active: None
