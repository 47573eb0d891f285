"""What an import could not take over as it was: told by name and place, never dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class What(StrEnum):
    """What became of it."""

    LEFT_OUT = "left out"
    CHANGED = "changed"
    ADDED = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """``place`` is in the export (``queues[3]``) or in the topology, ``name`` what a person calls it."""

    what: What
    place: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.what.value:<8}  {self.place}: {self.name}: {self.why}"

    def as_result(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def text(notes: Iterable[Note]) -> str:
    """A line a note: what was left out first, then what was changed, then what was added."""
    order = list(What)
    return "\n".join(str(each) for each in sorted(notes, key=lambda each: order.index(each.what)))
