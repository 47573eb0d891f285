"""What a run should show: which messages each queue owes, by class, by binding and by relay.

Membership is the plan's pure function, so the sets are computed here, from the first message on and only
as far as somebody asked: a drain that asks twice a second pays once for each message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loadgen.evidence import below, union
from loadgen.plan import Chooser


class Members:
    """Which of one publisher's messages take each of several ways, extended on demand."""

    __slots__ = ("_chooser", "_count", "_ints", "_parts", "_publisher")

    def __init__(self, chooser: Chooser, publisher: int, ways: int) -> None:
        self._chooser = chooser
        self._publisher = publisher
        self._parts = [bytearray() for _ in range(ways)]
        self._ints: dict[int, tuple[int, int]] = {}
        self._count = 0

    def of(self, way: int, count: int) -> int:
        """The messages below ``count`` that go ``way``, as a set of bits."""
        if self._chooser.trivial:
            return below(count) if way == 0 else 0
        if count > self._count:
            self._extend(count)
        known, bits = self._ints.get(way, (-1, 0))
        if known != count:
            bits = int.from_bytes(self._parts[way], "little")
            if count < self._count:
                bits &= below(count)
            self._ints[way] = (count, bits)
        return bits

    def prepare(self, count: int, *, most: int) -> None:
        """Look at ``most`` further messages, up to ``count``, ahead of being asked."""
        if not self._chooser.trivial and count > self._count:
            self._extend(min(count, self._count + most))

    def _extend(self, count: int) -> None:
        size = (count + 7) // 8
        for part in self._parts:
            part.extend(bytes(size - len(part)))
        choose, parts, publisher = self._chooser.of, self._parts, self._publisher
        for seq in range(self._count, count):
            parts[choose(publisher, seq)][seq >> 3] |= 1 << (seq & 7)
        self._count = count


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes of one publisher's messages: how they are chosen, their names, where each leads."""

    chooser: Chooser
    names: tuple[str, ...]
    units: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a relay passes on: of what ``source`` is owed, the messages that go ``way``, to ``target``.

    ``ways`` is how many there are; ``name`` is the relay's.
    """

    name: str
    source: str
    target: str
    way: int
    ways: int
    chooser: Chooser


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a run should show.

    ``destinations`` holds, per publisher, every queue that some of its messages reach, relays included;
    a publisher that is missing in ``classes`` owes every message to each of them. ``owed`` tells which.
    """

    destinations: Mapping[int, tuple[str, ...]]
    judge_order: bool = False
    classes: Mapping[int, Classes] = field(default_factory=dict)
    flows: tuple[Flow, ...] = ()
    _members: dict[tuple[str, int], Members] = field(default_factory=dict, repr=False, compare=False)
    _owed: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)

    def owed(self, queue: str, publisher: int, count: int) -> int:
        """Which of the first ``count`` messages of ``publisher`` must come to ``queue``, as bits.

        A queue in ``destinations`` that no class and no relay leads to is owed nothing.
        """
        if queue not in self.destinations.get(publisher, ()):
            return 0
        if publisher not in self.classes and not self.flows:
            return below(count)
        known, bits = self._owed.get((queue, publisher), (-1, 0))
        if known != count:
            bits = self._direct(queue, publisher, count) | union(
                self.owed(flow.source, publisher, count) & self.passed(flow, publisher, count)
                for flow in self.flows
                if flow.target == queue
            )
            self._owed[queue, publisher] = (count, bits)
        return bits

    def of_class(self, publisher: int, name: str, count: int) -> int:
        """Which of the first ``count`` messages of ``publisher`` are of the class ``name``, as bits."""
        classes = self.classes.get(publisher)
        if classes is None or name not in classes.names:
            return 0
        return self._class_members(classes, publisher).of(classes.names.index(name), count)

    def prepare(self, publisher: int, count: int, *, most: int) -> None:
        """Work ahead for `owed`, by ``most`` messages at once; nothing where classes make no difference."""
        classes = self.classes.get(publisher)
        if classes is not None and len({frozenset(units) for units in classes.units}) > 1:
            self._class_members(classes, publisher).prepare(count, most=most)
        for flow in self.flows:
            self._flow_members(flow, publisher).prepare(count, most=most)

    def passed(self, flow: Flow, publisher: int, count: int) -> int:
        """Which of the first ``count`` messages of ``publisher`` go the way of ``flow``, as bits."""
        return self._flow_members(flow, publisher).of(flow.way, count)

    def _flow_members(self, flow: Flow, publisher: int) -> Members:
        key = (f"relay {flow.name}", publisher)
        if key not in self._members:
            self._members[key] = Members(flow.chooser, publisher, flow.ways)
        return self._members[key]

    def _direct(self, queue: str, publisher: int, count: int) -> int:
        """By bindings alone. Where every class leads to the queue, no class needs to be looked up."""
        classes = self.classes.get(publisher)
        if classes is None:
            fed = any(flow.target == queue for flow in self.flows)
            return 0 if fed else below(count)
        leading = [queue in units for units in classes.units]
        if all(leading):
            return below(count)
        members = self._class_members(classes, publisher)
        return union(members.of(at, count) for at, leads in enumerate(leading) if leads)

    def _class_members(self, classes: Classes, publisher: int) -> Members:
        key = ("classes", publisher)
        if key not in self._members:
            self._members[key] = Members(classes.chooser, publisher, len(classes.names))
        return self._members[key]
