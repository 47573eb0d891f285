"""How far those who read a stream again are behind whoever has read the most of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loadgen import stream
from loadgen.spec import ConsumerSpec


def unread(readers: Iterable[ConsumerSpec], offsets: Mapping[str, int]) -> int:
    """How many offsets those of ``readers`` who replay have not come to yet.

    ``offsets`` holds the last one that each process has read, by its name; a process in place of a dead
    one (``name~1``) counts as the dead one.
    """
    furthest: dict[str, int] = {}
    reached: dict[str, int] = {}
    replaying: dict[str, ConsumerSpec] = {}
    for each in readers:
        base = each.name.partition("~")[0]
        last = offsets.get(each.name, -1)
        furthest[each.queue] = max(furthest.get(each.queue, -1), last)
        reached[base] = max(reached.get(base, -1), last, stream.before(each.arguments))
        if each.does == "replay":
            replaying[base] = each
    return sum(max(0, furthest[each.queue] - reached[base]) for base, each in replaying.items())
