"""One client's connection through the middleman: pure, bytes in from one side, bytes out to both.

Everything passes as it came, but for publishes on a channel that asked for confirms and for deliveries:
those an act decides on, and the tags of all answers are translated to what each side counted. A get's
answer is numbered by the broker among its deliveries and is not translated: nothing here uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from loadgen import body
from loadgen.selftest import frames
from loadgen.selftest.frames import Assembler, Frame, Message, Splitter
from loadgen.selftest.tags import MULTIPLE, Confirms, Deliveries, Fate


@dataclass(slots=True)
class Passing:
    """A message on its way; ``tag`` is the client's of a publish, the broker's of a delivery.

    ``stamp`` is None where the body is none of Warren's.
    """

    message: Message
    tag: int
    stamp: body.Stamp | None


class Act(Protocol):
    """What a middleman does to what passes. Each call decides on one message, by the lane's means."""

    def publish(self, lane: Lane, publish: Passing) -> None: ...
    def delivery(self, lane: Lane, delivery: Passing) -> None: ...
    def answered(self, lane: Lane, tags: Iterable[int]) -> None:
        """The client is being told of its publishes ``tags``."""


class Lane:
    """One channel, and what can be done to its messages so that both sides stay consistent."""

    def __init__(self, passage: Passage, channel: int) -> None:
        self.passage = passage
        self._channel = channel
        self._confirming = False
        self._confirms = Confirms()
        self._deliveries = Deliveries()

    # --- what an act may do to a publish

    def forward(self, publish: Passing, fate: Fate = Fate.RELAY) -> None:
        """Pass it on to the broker; ``fate`` is what the client hears of it."""
        self._confirms.passed_on(publish.tag, fate)
        self.passage.to_broker += publish.message.raw

    def answer(self, publish: Passing, *, ack: bool) -> None:
        """Answer it in the broker's place."""
        self._tell([(publish.tag, ack)])

    def give_back(self, publish: Passing) -> None:
        """Return it as unroutable in the broker's place; it wants an answer all the same."""
        self.passage.to_client += publish.message.returned().raw

    @property
    def unanswered(self) -> int:
        """How many publishes the broker has not answered yet."""
        return self._confirms.asked

    # --- what an act may do to a delivery

    def hand(self, delivery: Passing) -> None:
        """Pass it on to the client."""
        tag = self._deliveries.hand(delivery.tag)
        self.passage.to_client += delivery.message.with_delivery_tag(tag).raw

    def add(self, message: Message) -> None:
        """Hand the client a delivery that the broker knows nothing of."""
        tag = self._deliveries.hand(None)
        self.passage.to_client += message.with_delivery_tag(tag).raw

    def settle(self, delivery: Passing) -> None:
        """Acknowledge it to the broker in the client's place."""
        self._settle(frames.ACK, [delivery.tag], 0)

    # --- what the passage calls

    def from_client(self, act: Act, item: Frame | Message) -> None:
        if isinstance(item, Message) and self._confirming and item.method == frames.PUBLISH:
            act.publish(self, Passing(item, self._confirms.arrive(), body.decode(item.body)))
            return
        if isinstance(item, Frame) and item.method in (frames.ACK, frames.NACK, frames.REJECT):
            tag, flags = frames.settlement(item)
            single = item.method == frames.REJECT
            multiple = not single and bool(flags & MULTIPLE)
            tags = self._deliveries.settled(tag, multiple=multiple)
            self._settle(item.method, tags, flags if single else flags & ~MULTIPLE)
            return
        self.passage.to_broker += item.raw

    def from_broker(self, act: Act, item: Frame | Message) -> None:
        if isinstance(item, Message) and item.method == frames.DELIVER:
            tag = item.delivery_tag
            self._deliveries.arrive(tag)
            act.delivery(self, Passing(item, tag, body.decode(item.body)))
            return
        if isinstance(item, Frame) and item.method in (frames.ACK, frames.NACK):
            tag, flags = frames.settlement(item)
            ack = item.method == frames.ACK
            heard = self._confirms.answered(tag, multiple=bool(flags & MULTIPLE), ack=ack)
            act.answered(self, [each for each, _ in heard])
            self._tell(heard)
            return
        self._confirming = self._confirming or item.method == frames.SELECT_OK
        self.passage.to_client += item.raw

    def _tell(self, answers: Iterable[tuple[int, bool]]) -> None:
        for tag, ack, flags in self._confirms.tell(answers):
            what = frames.ACK if ack else frames.NACK
            self.passage.to_client += frames.settle(self._channel, what, tag, flags)

    def _settle(self, what: int, tags: list[int], flags: int) -> None:
        told = self._deliveries.tell(tags)
        for tag, multiple in told:
            self.passage.to_broker += frames.settle(self._channel, what, tag, flags | multiple)


class Passage:
    """One connection. Read ``to_client`` and ``to_broker`` empty after each call, in any order.

    ``pause_s`` is how long what was just read must wait before it goes on, ``freeze_s`` how long everything
    of every connection stands still; the caller sets both back. ``over`` asks to cut the connection once
    all is written.
    """

    def __init__(self, act: Act, clock_ns: Callable[[], int]) -> None:
        self.to_client = bytearray()
        self.to_broker = bytearray()
        self.pause_s = self.freeze_s = 0.0
        self.over = False
        self.clock_ns = clock_ns
        self._act = act
        self._client, self._broker = (Splitter(), Assembler()), (Splitter(), Assembler())
        self._lanes: dict[int, Lane] = {}

    def from_client(self, data: bytes) -> None:
        """Take in what the client sent. Raises NotReadyError where it is no AMQP."""
        splitter, assembler = self._client
        for frame in splitter.feed(data):
            item = assembler.take(frame)
            if item is None:
                continue
            if item.method == frames.CHANNEL_OPEN:
                self._lanes[item.channel] = Lane(self, item.channel)
            lane = self._lanes.get(item.channel)
            if lane is None:
                self.to_broker += item.raw
            else:
                lane.from_client(self._act, item)

    def from_broker(self, data: bytes) -> None:
        """Take in what the broker sent. Raises NotReadyError where it is no AMQP."""
        splitter, assembler = self._broker
        for frame in splitter.feed(data):
            item = assembler.take(frame)
            if item is None:
                continue
            lane = self._lanes.get(item.channel)
            if lane is None:
                self.to_client += item.raw
            else:
                lane.from_broker(self._act, item)
