"""Which messages of a queue are meant: by reason, queue of origin, age, header and id. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from warren.errors import BadInputError
from warren.queues.message import Message

#: Why a broker dead-letters a message: https://www.rabbitmq.com/docs/dlx#effects
REASONS = ("rejected", "expired", "maxlen", "delivery_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A message is meant when it satisfies every part that is given; none given: all are.

    ``reasons``: of its last death. ``died_in``: a glob on the queue where it died first. ``older_s`` and
    ``younger_s``: seconds since it died; a message without a time satisfies neither. ``headers``: name to a
    glob on the value as text. ``message_id``: a glob.
    """

    reasons: frozenset[str] = frozenset()
    died_in: str = ""
    older_s: float | None = None
    younger_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message_id: str = ""

    def accepts(self, message: Message, now: float) -> bool:
        """Whether ``message`` is meant; ``now`` is Unix time."""
        last, first = message.last_death, message.first_death
        if self.reasons and (last is None or last.reason not in self.reasons):
            return False
        if self.died_in and (first is None or not fnmatchcase(first.queue, self.died_in)):
            return False
        if self.message_id and not fnmatchcase(message.message_id, self.message_id):
            return False
        return self._age_fits(message, now) and self._headers_fit(message)

    def _age_fits(self, message: Message, now: float) -> bool:
        if self.older_s is None and self.younger_s is None:
            return True
        if message.died_at is None:
            return False
        age_s = now - message.died_at
        return (self.older_s is None or age_s >= self.older_s) and (
            self.younger_s is None or age_s <= self.younger_s
        )

    def _headers_fit(self, message: Message) -> bool:
        return all(
            name in message.headers and fnmatchcase(as_text(message.headers[name]), wanted)
            for name, wanted in self.headers.items()
        )


def as_text(value: Any) -> str:
    """A header's value as a glob is held against: text as it is, true and false as AMQP has them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def header_filters(given: tuple[str, ...]) -> dict[str, str]:
    """``name=glob`` texts as a mapping; raises BadInputError for what is none, and for a name given twice."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, wanted = each.partition("=")
        if not name or not equals:
            raise BadInputError("--header", f"{each!r} is not name=value", "like --header region='eu-*'")
        if name in found:
            raise BadInputError("--header", f"'{name}' is given twice", "all must hold: give each name once")
        found[name] = wanted
    return found
