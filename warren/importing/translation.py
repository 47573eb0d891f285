"""What an export becomes, while it is read: the parts of a topology, and what there is to say about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from warren.importing.notes import Note, What
from warren.importing.rows import Row

#: The queue types that a topology can say.
TYPES = ("quorum", "classic", "stream")
#: Why an object is left out that is called otherwise.
NO_NAME = "its name cannot be said: letters, digits, dots, dashes and underscores, 200 at most"


@dataclass(slots=True)
class Translation:
    """The parts of a topology that follow from an export, growing, and what there is to say about them."""

    vhosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    #: Name in the export -> name in the topology.
    called: dict[str, str] = field(default_factory=dict)
    #: How many objects went with a virtual host that was left out.
    gone: dict[str, Counter[str]] = field(default_factory=dict)
    #: The users that were taken over.
    accounts: set[str] = field(default_factory=set)

    def left_out(self, place: str, name: str, why: str) -> None:
        self.notes.append(Note(what=What.LEFT_OUT, place=place, name=name, why=why))

    def added(self, place: str, name: str, why: str) -> None:
        self.notes.append(Note(what=What.ADDED, place=place, name=name, why=why))

    def changed(self, place: str, name: str, why: str) -> None:
        self.notes.append(Note(what=What.CHANGED, place=place, name=name, why=why))

    def home(self, row: Row, kind: str) -> dict[str, Any] | None:
        """The virtual host of ``row``, None where it was left out (and the row is counted)."""
        name = row["vhost"]
        if name in self.gone:
            self.gone[name][kind] += 1
            return None
        if name not in self.called:
            said = row.get("name") or row.get("user") or f"{row.get('source')} -> {row.get('destination')}"
            self.left_out(kind, said, f"its virtual host '{name}' is not in the export")
            return None
        return self.vhosts[self.called[name]]
