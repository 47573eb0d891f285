"""What a middleman can do wrong, each a few lines, found by its name; `cases` says how each must show.

An act picks messages by their own number (`Plan.picked`), on their first attempt unless it says otherwise,
and counts what it did in ``did``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from loadgen import body
from loadgen.selftest.act import Honest, Plan
from loadgen.selftest.frames import Message
from loadgen.selftest.freeze import Freeze
from loadgen.selftest.passage import Lane, Passing
from loadgen.selftest.tags import Fate
from warren.errors import BadInputError

#: No run of the self-test publishes as many.
_NEVER_PUBLISHED = 1 << 20
_ANOTHER_RUN = 0xFFFFFFFF


class Lose(Honest):
    """Confirms what it throws away."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += 1
        lane.answer(publish, ack=True)


class DropDelivery(Honest):
    """Takes a delivery for itself and acknowledges it: lost between broker and consumer."""

    def on_delivery(self, lane: Lane, delivery: Passing) -> None:
        self.did += 1
        lane.settle(delivery)


class Duplicate(Honest):
    """Hands a delivery over twice, the second time without the flag too."""

    def on_delivery(self, lane: Lane, delivery: Passing) -> None:
        self.did += 1
        lane.hand(delivery)
        lane.add(delivery.message)


class Reorder(Honest):
    """Lets the next delivery overtake the one that it picked."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._kept: Passing | None = None

    def delivery(self, lane: Lane, delivery: Passing) -> None:
        kept, self._kept = self._kept, None
        if kept is None and self.picks(delivery):
            self._kept = delivery
            return
        super().delivery(lane, delivery)
        if kept is not None:
            self.did += 1
            super().delivery(lane, kept)


class Delay(Honest):
    """Holds a publish, and with it everything behind it, for a while."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += 1
        lane.passage.pause_s += self.plan.for_s
        lane.forward(publish)


class DelayDelivery(Honest):
    """Holds a delivery, and with it everything behind it, for a while."""

    def on_delivery(self, lane: Lane, delivery: Passing) -> None:
        self.did += 1
        lane.passage.pause_s += self.plan.for_s
        lane.hand(delivery)


class Corrupt(Honest):
    """Damages the body of a publish; siblings say where."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += 1
        damaged = bytearray(publish.message.body)
        damaged[self.at(damaged)] ^= 0x80
        lane.forward(replace(publish, message=publish.message.with_body(bytes(damaged))))

    def at(self, damaged: bytearray) -> int:
        """Which byte: here the first of the header, which says of which run a message is."""
        del damaged
        return 0


class CorruptSequence(Corrupt):
    """Flips the highest bit of the sequence number."""

    def at(self, damaged: bytearray) -> int:
        del damaged
        return 8


class CorruptPadding(Corrupt):
    """Flips a bit of what follows the header."""

    def at(self, damaged: bytearray) -> int:
        return (body.HEADER_SIZE + len(damaged)) // 2


class Invent(Honest):
    """Adds a delivery that nobody published, of this run by its looks."""

    def on_delivery(self, lane: Lane, delivery: Passing) -> None:
        self.did += 1
        lane.hand(delivery)
        lane.add(_another(delivery, seq=_NEVER_PUBLISHED + self.did))


class InventForeign(Honest):
    """Adds a delivery of another run."""

    def on_delivery(self, lane: Lane, delivery: Passing) -> None:
        self.did += 1
        lane.hand(delivery)
        assert delivery.stamp is not None  # noqa: S101 - it was picked by its stamp
        lane.add(_another(delivery, nonce=delivery.stamp.nonce ^ _ANOTHER_RUN))


class DropConfirm(Honest):
    """Lets a publish pass and keeps the broker's answer for itself."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += 1
        lane.forward(publish, Fate.SILENCE)


class CutAfterDroppedConfirms(DropConfirm):
    """Does so, and cuts the connection once the broker has answered everything else.

    Publishes that arrive in between go nowhere: they are in doubt with reason, and are not stored twice.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._cutting: Lane | None = None

    def publish(self, lane: Lane, publish: Passing) -> None:
        if self._cutting is lane:
            return
        super().publish(lane, publish)
        if self.did == len(self.picked) and self._cutting is None:
            self._cutting = lane

    def answered(self, lane: Lane, tags: Iterable[int]) -> None:
        super().answered(lane, tags)
        if self._cutting is lane and not lane.unanswered:
            lane.passage.over = True


class NackStored(Honest):
    """Lets a publish pass and says that it was refused, again at every attempt, which it throws away."""

    def picks(self, passing: Passing) -> bool:
        return passing.stamp is not None and passing.stamp.seq in self.picked

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        if publish.stamp is not None and publish.stamp.attempt:
            lane.answer(publish, ack=False)
        else:
            self.did += 1
            lane.forward(publish, Fate.REFUSE)


class NackOnce(Honest):
    """Lets a publish pass and says that it was refused; its second attempt passes, too."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += 1
        lane.forward(publish, Fate.REFUSE)


class Refuse(NackStored):
    """Throws a publish away, at every attempt, and says so: nothing wrong in that."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += publish.stamp is not None and publish.stamp.attempt == 0
        lane.answer(publish, ack=False)


class RefuseOnce(Honest):
    """Throws a publish away and says so; its second attempt passes, behind later ones."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += 1
        lane.answer(publish, ack=False)


class ReturnStored(Honest):
    """Hands a publish back as unroutable, though it passed."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += 1
        lane.give_back(publish)
        lane.forward(publish)


class Return(Honest):
    """Hands a publish back as unroutable and confirms it, as a broker does: nothing wrong in that."""

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        self.did += 1
        lane.give_back(publish)
        lane.answer(publish, ack=True)


def _another(delivery: Passing, **changed: int) -> Message:
    assert delivery.stamp is not None  # noqa: S101 - only a message with a stamp is picked
    size = len(delivery.message.body)
    return delivery.message.with_body(body.encode(replace(delivery.stamp, **changed), size))


ACTS: Mapping[str, Callable[[Plan], Honest]] = {
    "clean": Honest,
    "lose": Lose,
    "drop-delivery": DropDelivery,
    "duplicate": Duplicate,
    "reorder": Reorder,
    "delay": Delay,
    "delay-delivery": DelayDelivery,
    "corrupt-run": Corrupt,
    "corrupt-sequence": CorruptSequence,
    "corrupt-padding": CorruptPadding,
    "invent": Invent,
    "invent-foreign": InventForeign,
    "drop-confirm": DropConfirm,
    "cut": CutAfterDroppedConfirms,
    "nack-stored": NackStored,
    "nack-once": NackOnce,
    "refuse": Refuse,
    "refuse-once": RefuseOnce,
    "return-stored": ReturnStored,
    "return": Return,
    "freeze": Freeze,
}


def act(plan: Plan) -> Honest:
    """The act that ``plan`` names; raises BadInputError for an unknown one."""
    if plan.act not in ACTS:
        raise BadInputError(f"act '{plan.act}'", "is not known", f"acts: {', '.join(ACTS)}")
    return ACTS[plan.act](plan)
