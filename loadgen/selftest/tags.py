"""Two countings of one channel's tags: the client's and the broker's, where messages were taken or added.

Tags count up from 1 on each side by themselves: publishes are counted, deliveries are numbered. As soon as
one message is swallowed or added the two differ, so every answer is translated, and what is asked for as
``multiple`` on one side may not be a run on the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

MULTIPLE = 1


class Fate(Enum):
    """What the client hears of a publish that the broker got."""

    RELAY = "what the broker says"
    SILENCE = "nothing"
    REFUSE = "that it was refused"


class Confirms:
    """The publishes of one channel: the client counts all of them, the broker those that were passed on."""

    def __init__(self) -> None:
        self._count = self._passed = 0
        self._owed: dict[int, None] = {}
        self._asked: dict[int, tuple[int, Fate]] = {}

    def arrive(self) -> int:
        """The client's tag of the next publish; it is owed an answer."""
        self._count += 1
        self._owed[self._count] = None
        return self._count

    def passed_on(self, tag: int, fate: Fate = Fate.RELAY) -> None:
        """The broker gets the publish ``tag`` next."""
        self._passed += 1
        self._asked[self._passed] = (tag, fate)

    @property
    def asked(self) -> int:
        """How many answers the broker still owes."""
        return len(self._asked)

    def answered(self, broker_tag: int, *, multiple: bool, ack: bool) -> list[tuple[int, bool]]:
        """(client's tag, ack) of the answers that the client is to hear."""
        tags = list(up_to(self._asked, broker_tag)) if multiple else [broker_tag]
        heard: list[tuple[int, bool]] = []
        for each in tags:
            tag, fate = self._asked.pop(each, (0, Fate.SILENCE))
            if fate is not Fate.SILENCE:
                heard.append((tag, ack and fate is Fate.RELAY))
        return heard

    def tell(self, answers: Iterable[tuple[int, bool]]) -> Iterator[tuple[int, bool, int]]:
        """(tag, ack, flags) of the frames that tell the client ``answers``: one where one can say it all."""
        told = list(answers)
        for tag, _ in told:
            self._owed.pop(tag, None)
        if len(told) > 1 and all(ack for _, ack in told):
            last = max(tag for tag, _ in told)
            if next(iter(self._owed), last + 1) > last:
                yield last, True, MULTIPLE
                return
        for tag, ack in told:
            yield tag, ack, 0


class Deliveries:
    """The deliveries of one channel: the client's tag of each, and the broker's where it gave one."""

    def __init__(self) -> None:
        self._given = 0
        self._held: dict[int, int | None] = {}
        self._unsettled: dict[int, None] = {}

    def arrive(self, broker_tag: int) -> None:
        """The broker gave ``broker_tag`` out and wants it settled."""
        self._unsettled[broker_tag] = None

    def hand(self, broker_tag: int | None) -> int:
        """The client's tag of what it gets next; None for what the broker knows nothing of."""
        self._given += 1
        self._held[self._given] = broker_tag
        return self._given

    def settled(self, tag: int, *, multiple: bool) -> list[int]:
        """The broker's tags of what the client settles; tag 0 with ``multiple`` is everything."""
        tags = list(up_to(self._held, tag or self._given)) if multiple else [tag]
        found = [self._held.pop(each, None) for each in tags]
        return [each for each in found if each is not None]

    def tell(self, tags: Iterable[int]) -> Iterator[tuple[int, int]]:
        """(tag, flag of ``multiple``) of the frames that settle the broker's ``tags``."""
        told = list(tags)
        for tag in told:
            self._unsettled.pop(tag, None)
        if len(told) > 1 and next(iter(self._unsettled), max(told) + 1) > max(told):
            yield max(told), MULTIPLE
            return
        for tag in told:
            yield tag, 0


def up_to(tags: Iterable[int], last: int) -> Iterator[int]:
    """Those of ascending ``tags`` that do not exceed ``last``."""
    for tag in tags:
        if tag > last:
            return
        yield tag
