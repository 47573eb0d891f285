from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from warren.errors import RefusedError
from warren.queues import work


@dataclass
class Busy:
    """A queue, and hands on it: ``comes`` messages are published as soon as somebody has counted."""

    waits: int
    comes: int = 0
    title: str = "/orders:orders.work"

    @contextmanager
    def hands(self) -> Iterator[Busy]:
        yield self

    def waiting(self) -> int:
        seen, self.waits = self.waits, self.waits + self.comes
        return seen

    def purge(self) -> int:
        removed, self.waits = self.waits, 0
        return removed


def purge(queue: Busy, *, agreed: bool) -> int:
    return work.purge(queue, agreed=agreed)  # type: ignore[arg-type]


@pytest.mark.parametrize("comes", [0, 5])
def test_nothing_is_removed_that_nobody_agreed_to(comes: int) -> None:
    """A queue that is empty for a moment, between two messages of a busy publisher."""
    queue = Busy(waits=0, comes=comes)
    assert purge(queue, agreed=False) == 0
    assert queue.waits == comes


def test_queue_that_is_not_empty_is_refused_with_what_it_holds() -> None:
    queue = Busy(waits=1_200)
    with pytest.raises(RefusedError, match="holds 1,200 messages") as caught:
        purge(queue, agreed=False)
    assert "warren queue purge /orders:orders.work --yes" in caught.value.remedy
    assert queue.waits == 1_200


def test_agreed_purge_says_what_the_broker_removed() -> None:
    queue = Busy(waits=3, comes=2)
    assert purge(queue, agreed=True) == 3
    assert queue.waits == 0
