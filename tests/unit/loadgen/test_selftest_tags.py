"""A middleman's double bookkeeping: whatever it takes away or adds, each side hears of its own tags, once."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec

from loadgen import body
from loadgen.selftest import frames
from loadgen.selftest.frames import Message
from loadgen.selftest.passage import Lane, Passage, Passing
from loadgen.selftest.tags import Fate

CHANNEL = 1
SIZE = 64
PROPERTIES = spec.BasicProperties(delivery_mode=2, headers={"a": 1})


def stamped(seq: int, attempt: int = 0) -> bytes:
    return body.encode(body.Stamp(7, 0, 0, attempt, seq, 5, 6), SIZE)


def content(method: object, payload: bytes, room: int = 131072) -> bytes:
    parts = [
        frame.Method(CHANNEL, method).marshal(),
        frame.Header(CHANNEL, len(payload), PROPERTIES).marshal(),
    ]
    parts += [frame.Body(CHANNEL, payload[at : at + room]).marshal() for at in range(0, len(payload), room)]
    return b"".join(parts)


def publish(seq: int, attempt: int = 0) -> bytes:
    return content(spec.Basic.Publish(exchange="x", routing_key="k"), stamped(seq, attempt))


def deliver(tag: int, seq: int) -> bytes:
    return content(spec.Basic.Deliver("worker-0", tag, False, "x", "k"), stamped(seq))


def settle(what: type, *arguments: object) -> bytes:
    return bytes(frame.Method(CHANNEL, what(*arguments)).marshal())


def read(raw: bytes) -> list[object]:
    """What pika makes of a stream: methods and (method, header, body) as they are complete."""
    found: list[object] = []
    while raw:
        used, value = frame.decode_frame(raw)
        assert used, "half a frame was written"
        raw = raw[used:]
        if isinstance(value, frame.Method):
            found.append(value.method)
        elif isinstance(value, frame.Body):
            found.append(value.fragment)
    return found


@dataclass
class Fated:
    """An act that does to the n-th publish and the n-th delivery what it was told."""

    publishes: list[str] = field(default_factory=list)
    deliveries: list[str] = field(default_factory=list)
    kept: list[Passing] = field(default_factory=list)

    def publish(self, lane: Lane, publish: Passing) -> None:
        what = self.publishes.pop(0) if self.publishes else "forward"
        if what == "forward":
            lane.forward(publish)
        elif what == "silence":
            lane.forward(publish, Fate.SILENCE)
        elif what == "refuse":
            lane.forward(publish, Fate.REFUSE)
        elif what == "return":
            lane.give_back(publish)
            lane.forward(publish)
        else:
            lane.answer(publish, ack=what == "confirm")

    def delivery(self, lane: Lane, delivery: Passing) -> None:
        what = self.deliveries.pop(0) if self.deliveries else "hand"
        if what == "swallow":
            lane.settle(delivery)
            return
        if what == "keep":
            self.kept.append(delivery)
            return
        lane.hand(delivery)
        if what == "copy":
            lane.add(delivery.message)

    def answered(self, lane: Lane, tags: object) -> None: ...


class Talk:
    """A client, a broker, and a passage between them on which confirms are on."""

    def __init__(self, act: Fated) -> None:
        self.passage = Passage(act, lambda: 0)
        self.client(bytes(frame.Method(CHANNEL, spec.Channel.Open()).marshal()))
        self.client(settle(spec.Confirm.Select))
        self.broker(settle(spec.Confirm.SelectOk))

    def client(self, raw: bytes) -> list[object]:
        """The client sends; what the broker gets."""
        self.passage.from_client(raw)
        return self.at_broker()

    def broker(self, raw: bytes) -> list[object]:
        """The broker sends; what the client gets."""
        self.passage.from_broker(raw)
        return self.at_client()

    def at_broker(self) -> list[object]:
        raw = bytes(self.passage.to_broker)
        self.passage.to_broker.clear()
        return read(raw)

    def at_client(self) -> list[object]:
        raw = bytes(self.passage.to_client)
        self.passage.to_client.clear()
        return read(raw)


FATES = st.sampled_from(["forward", "silence", "refuse", "confirm", "nack", "return"])
HEARD = {
    "forward": "as said",
    "return": "as said",
    "silence": None,
    "refuse": False,
    "confirm": True,
    "nack": False,
}


def expand(told: list[object], waiting: list[int]) -> list[tuple[int, bool]]:
    """Answers as a client reads them: (tag, ack), a multiple one for all that it still waits for."""
    found = []
    for each in told:
        if isinstance(each, spec.Basic.Ack | spec.Basic.Nack):
            tags = (
                [tag for tag in waiting if tag <= each.delivery_tag] if each.multiple else [each.delivery_tag]
            )
            for tag in tags:
                waiting.remove(tag)
                found.append((tag, isinstance(each, spec.Basic.Ack)))
    return found


@given(st.lists(FATES, max_size=30), st.data())
def test_each_publish_is_answered_once_and_as_its_fate_has_it(fates: list[str], data: st.DataObject) -> None:
    talk = Talk(Fated(publishes=list(fates)))
    waiting = list(range(1, len(fates) + 1))
    told: list[object] = []
    for seq in range(len(fates)):
        talk.client(publish(seq))
        told += talk.at_client()
    passed = [tag for tag, fate in enumerate(fates, 1) if fate not in ("confirm", "nack")]
    owed = list(range(1, len(passed) + 1))
    said: dict[int, bool] = {}
    while owed:
        tag = data.draw(st.sampled_from(owed))
        multiple, ack = data.draw(st.booleans()), data.draw(st.booleans())
        for each in [each for each in owed if each <= tag] if multiple else [tag]:
            owed.remove(each)
            said[passed[each - 1]] = ack
        told += talk.broker(settle(spec.Basic.Ack if ack else spec.Basic.Nack, tag, multiple))
    answers = dict(expand(told, waiting))
    wanted = {tag: HEARD[fate] for tag, fate in enumerate(fates, 1) if HEARD[fate] is not None}
    assert answers == {tag: said[tag] if heard == "as said" else heard for tag, heard in wanted.items()}
    assert waiting == [tag for tag, fate in enumerate(fates, 1) if fate == "silence"]


DOINGS = st.sampled_from(["hand", "copy", "swallow"])


@given(st.lists(DOINGS, max_size=30), st.data())
def test_each_delivery_is_settled_once_whatever_the_client_counted(
    doings: list[str], data: st.DataObject
) -> None:
    talk = Talk(Fated(deliveries=list(doings)))
    unsettled = list(range(1, len(doings) + 1))
    got: list[object] = []
    for tag in range(1, len(doings) + 1):
        got += talk.broker(deliver(tag, tag))
        expand(talk.at_broker(), unsettled)
    assert unsettled == [tag for tag, doing in enumerate(doings, 1) if doing != "swallow"]
    methods = [each for each in got if isinstance(each, spec.Basic.Deliver)]
    handed = [body.decode(each).seq for each in got if isinstance(each, bytes)]  # type: ignore[union-attr]
    assert [each.delivery_tag for each in methods] == list(range(1, len(methods) + 1))
    twice = [
        tag
        for tag, doing in enumerate(doings, 1)
        for _ in range(doing != "swallow")
        for _ in range(1 + (doing == "copy"))
    ]
    assert handed == twice
    open_tags = [each.delivery_tag for each in methods]
    while open_tags:
        tag = data.draw(st.sampled_from(open_tags))
        multiple = data.draw(st.booleans())
        open_tags = [each for each in open_tags if each != tag and not (multiple and each < tag)]
        expand(talk.client(settle(spec.Basic.Ack, tag, multiple)), unsettled)
    assert unsettled == []


def test_reject_and_nack_keep_what_they_ask_for() -> None:
    talk = Talk(Fated(deliveries=["swallow"]))
    for tag in (1, 2, 3, 4):
        talk.broker(deliver(tag, tag))
    talk.at_broker()
    (reject,) = talk.client(settle(spec.Basic.Reject, 1, True))
    assert (reject.delivery_tag, reject.requeue) == (2, True)  # type: ignore[attr-defined]
    (nack,) = talk.client(settle(spec.Basic.Nack, 3, True, True))
    assert (nack.delivery_tag, nack.multiple, nack.requeue) == (4, True, True)  # type: ignore[attr-defined]


def test_what_the_middleman_still_keeps_is_settled_by_nobody() -> None:
    act = Fated(deliveries=["hand", "keep", "hand", "hand"])
    talk = Talk(act)
    for tag in (1, 2, 3, 4):
        talk.broker(deliver(tag, tag))
    acks = talk.client(settle(spec.Basic.Ack, 2, True))
    assert [(each.delivery_tag, each.multiple) for each in acks] == [(1, False), (3, False)]  # type: ignore[attr-defined]
    (kept,) = act.kept
    talk.passage._lanes[CHANNEL].hand(kept)
    nacks = talk.client(settle(spec.Basic.Nack, 4, True, False))
    assert [(each.delivery_tag, each.multiple) for each in nacks] == [(4, True)]  # type: ignore[attr-defined]


def test_nack_of_several_is_one_of_each_where_another_lies_between() -> None:
    talk = Talk(Fated(deliveries=["hand", "keep", "hand"]))
    for tag in (1, 2, 3):
        talk.broker(deliver(tag, tag))
    nacks = talk.client(settle(spec.Basic.Nack, 2, True, True))
    told = [(each.delivery_tag, each.multiple, each.requeue) for each in nacks]  # type: ignore[attr-defined]
    assert told == [(1, False, True), (3, False, True)]


def test_message_is_whole_with_its_last_frame_only() -> None:
    raw = content(spec.Basic.Publish(exchange="x", routing_key="k"), bytes(range(120)), room=50)
    assembler = frames.Assembler()
    items = [assembler.take(each) for each in frames.Splitter().feed(raw)]
    assert items[:-1] == [None] * 4
    assert isinstance(items[-1], Message)
    assert items[-1].body == bytes(range(120))


def test_ack_of_everything_is_translated() -> None:
    talk = Talk(Fated(deliveries=["hand", "copy", "hand"]))
    for tag in (1, 2, 3):
        talk.broker(deliver(tag, tag))
    (ack,) = talk.client(settle(spec.Basic.Ack, 0, True))
    assert (ack.delivery_tag, ack.multiple) == (3, True)  # type: ignore[attr-defined]


def test_unacted_stream_passes_byte_for_byte() -> None:
    talk = Talk(Fated())
    sent = (
        b"AMQP\0\0\x09\x01"
        + bytes(frame.Heartbeat().marshal())
        + publish(0)
        + content(
            spec.Basic.Publish(exchange="x", routing_key="k", mandatory=True), bytes(range(200)), room=50
        )
    )
    for at in range(0, len(sent), 7):
        talk.passage.from_client(sent[at : at + 7])
    assert bytes(talk.passage.to_broker) == sent
    back = (
        deliver(1, 5)
        + settle(spec.Basic.QosOk)
        + content(spec.Basic.Return(312, "NO_ROUTE", "x", "k"), b"", room=50)
        + content(spec.Basic.Deliver("c", 2, True, "", "q"), bytes(300), room=50)
    )
    for at in range(0, len(back), 7):
        talk.passage.from_broker(back[at : at + 7])
    assert bytes(talk.passage.to_client) == back


def test_returned_publish_is_the_brokers_return() -> None:
    talk = Talk(Fated(publishes=["return"]))
    talk.client(publish(3))
    method, payload = talk.at_client()
    assert isinstance(method, spec.Basic.Return)
    assert (method.reply_code, method.reply_text) == (312, "NO_ROUTE")
    assert (method.exchange, method.routing_key) == ("x", "k")
    assert payload == stamped(3)


def test_body_is_replaced_in_frames_of_the_same_size() -> None:
    raw = content(spec.Basic.Publish(exchange="x", routing_key="k"), b"~" * 120, room=50)
    message = Message(frames.Splitter().feed(raw))
    assert message.with_body(b"b" * 120).raw == raw.replace(b"~", b"b")


def test_publishes_without_confirms_are_left_alone() -> None:
    act = Fated(publishes=["confirm"])
    passage = Passage(act, lambda: 0)
    passage.from_client(bytes(frame.Method(CHANNEL, spec.Channel.Open()).marshal()) + publish(0))
    assert act.publishes == ["confirm"]
    assert bytes(passage.to_broker).endswith(publish(0))
