"""SIGKILL of a process that consumes for a load run: its kernel closes the connection at once, and the broker
gives back what it held.

A run starts another process in its place, up to five times; what that cost stands in the run's result.
https://www.rabbitmq.com/docs/consumers#acknowledgement-modes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos import workers
from chaos.fault import Args, Facts, Parameter, Site
from warren.errors import DeadlineError, NotReadyError, RefusedError
from warren.journal import Fault as Journaled
from warren.wait import until

#: The broker's list of consumers is 5 s old, and older where a node is busy: a run that has just begun is not
#: in it yet.
_LISTED_S = 15.0


def _parameters() -> Mapping[str, Parameter]:
    what = "whose consumer it is to be, one of each where there are several with commas between; empty: any"
    return {"queue": Parameter(default="", of="queue", many=True, help=what)}


@dataclass(frozen=True, slots=True)
class ConsumerCrash:
    summary: str = "SIGKILL a consumer of a running load run; the run replaces it, heal has nothing to do"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = False
    is_silent: bool = False
    is_wide: bool = True

    def before(self, site: Site, target: str) -> Facts:  # noqa: ARG002 - there is only one target
        """Raises RefusedError where no run lasts that has such a consumer: nothing would be struck."""
        if not workers.processes(site):
            raise RefusedError("load", "no run lasts here", "start one: make load PROFILE=work")
        what = "no run that lasts consumes from it"

        def found() -> Mapping[str, Mapping[str, Any]]:
            known = workers.consumers(site)
            for queue in _queues(site.args):
                if not _of(queue, known):
                    raise NotReadyError(f"queue {queue}" if queue else "load", what)
            return known

        try:
            listed = until(found, what="the run's consumers", deadline_s=_LISTED_S, clock=site.clock)
        except DeadlineError as error:
            raise RefusedError(error.where, what, "see which there are: make cluster-status") from error
        return {"consumers_before": listed}

    def inject(self, site: Site, fault: Journaled) -> None:
        for worker in _victims(fault).values():
            workers.kill(site, worker)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        """Each process is gone, and the broker has its connection no more."""
        victims, running, heirs = _victims(fault), workers.processes(site), 0
        for connection, worker in victims.items():
            now = running.get(worker["run"], {})
            if now.get(str(worker["process_id"])) == worker["file"]:
                raise NotReadyError(connection, "its process still runs")
            heirs += sum(f"/{worker['worker']}~" in file for file in now.values())
        rows = site.access.management.rows("connections", columns=("user_provided_name",))
        for connection in {str(row.get("user_provided_name")) for row in rows} & set(victims):
            raise NotReadyError(connection, "is still open, by the broker's list")
        queues = ", ".join(worker["queue"] for worker in victims.values())
        return {"killed": ", ".join(victims), "queue_of_killed": queues, "processes_in_its_place": heirs}

    def heal(self, site: Site, fault: Journaled) -> Facts:  # noqa: ARG002
        return {"healed_by": "the run itself, which replaces its dead"}

    def residue(self, site: Site) -> tuple[str, ...]:  # noqa: ARG002
        return ()  # a dead consumer looks like one that never was


def _victims(fault: Journaled) -> dict[str, Mapping[str, Any]]:
    """Whom the fault strikes, always the same: of the consumers that were there, and of each queue, one that
    may hold the most messages."""
    found = (_of(queue, fault.evidence["consumers_before"]) for queue in _queues(fault.args))
    return dict(max(each.items(), key=lambda item: (item[1]["prefetch"], item[0])) for each in found)


def _queues(args: Args) -> tuple[str, ...]:
    given = _parameters()["queue"].names(args.get("queue", ""))
    return tuple(name.rpartition(":")[2] for name in given)


def _of(queue: str, consumers: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Those of a queue; of none: all."""
    return {name: each for name, each in consumers.items() if queue in ("", each["queue"])}


FAULT = ConsumerCrash()
