"""Looks, beside a run and from outside of it, at how long its queues are and which faults are open.

For the screen only: what it cannot read it says is not known, and no verdict hangs on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from warren.errors import WarrenError
from warren.journal import Journal
from warren.management import ManagementClient

_EVERY_S = 2.0
_END_S = 5.0

#: The types of the events that a look is told as. Depths cost the broker a listing of its queues each time.
KINDS = frozenset({"depths", "faults"})

Show = Callable[[Mapping[str, Any]], None]
Depths = dict[str, tuple[int, int] | None]


def depths(management: ManagementClient, vhost: str, queues: Sequence[str]) -> Depths:
    """(ready, unacked) of each queue, up to 5 s old; None where the broker does not say."""
    found: Depths = dict.fromkeys(queues)
    try:
        rows = management.queues(vhost)
    except WarrenError:
        return found
    for row in rows:
        if row.name in found and row.messages_ready is not None and row.messages_unacked is not None:
            found[row.name] = (row.messages_ready, row.messages_unacked)
    return found


def open_faults(journal: Journal) -> list[str]:
    """One line for each fault that is in force."""
    try:
        faults = journal.open_faults()
    except WarrenError:
        return []
    records = [record for fault in faults if (record := fault.record()) is not None]
    return [
        f"{record.name} of {record.target} since {record.injected_at[11:19]} UTC"
        + (", being healed" if record.healing_at else "")
        for record in records
    ]


@contextmanager
def watching(
    show: Show,
    management: ManagementClient,
    vhost: str,
    queues: Sequence[str],
    journal: Journal,
    *,
    kinds: Collection[str],
) -> Iterator[None]:
    """Tell ``show`` every two seconds for as long as the block lasts; look only for what is of ``kinds``."""
    if not kinds:
        yield
        return
    over = threading.Event()

    def look() -> None:
        while not over.wait(_EVERY_S):
            if "depths" in kinds:
                show({"type": "depths", "queues": depths(management, vhost, queues)})
            if "faults" in kinds:
                show({"type": "faults", "open": open_faults(journal)})

    watcher = threading.Thread(target=look, name="watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(_END_S)
