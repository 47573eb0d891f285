"""Who takes the place of a worker that died while it took messages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from loadgen import roster
from loadgen.roles import deaths
from loadgen.spec import ConsumerSpec, LoadSpec, PublisherSpec, RelaySpec, WorkerSpec

#: How many that nobody asked to die are replaced.
_UNPLANNED = 5


@dataclass(slots=True)
class Replacements:
    """Counts the dead of one run. Those that the profile kills are replaced without limit: it kills only so
    many."""

    spec: LoadSpec
    folder: str
    _started: int = 0
    _unplanned: int = 0
    _armed: dict[str, int] = field(default_factory=dict)

    def next(self, dead: WorkerSpec) -> ConsumerSpec | RelaySpec | None:
        """Another process of the dead one's role, with a part of the ledger of its own; None when too many
        have died."""
        base = dead.name.partition("~")[0]
        role = next(each for each in self.spec.takers if base.rpartition("-")[0] == each.name)
        planned = not isinstance(dead, PublisherSpec) and dies(dead)
        if not planned and self._unplanned >= _UNPLANNED:
            return None
        self._unplanned += not planned
        self._started += 1
        armed = self._armed.setdefault(role.name, min(role.count, deaths(role)))
        self._armed[role.name] += armed < deaths(role)
        name = f"{base}~{self._started}"
        found = roster.taker(self.spec, role, self.folder, name, self._started, death=armed)
        if isinstance(found, ConsumerSpec) and isinstance(dead, ConsumerSpec):
            return replace(found, from_epoch_s=dead.from_epoch_s)
        return found


def dies(worker: ConsumerSpec | RelaySpec) -> bool:
    """Whether the profile has ``worker`` kill itself."""
    return worker.crash_after is not None or worker.crash_try is not None
