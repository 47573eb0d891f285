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
    return {"queue": Parameter(default="", of="queue", help="whose consumer it is to be; empty: any")}


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
        queue = _queue(site.args)
        whose, what = f"queue {queue}" if queue else "load", "no run that lasts consumes from it"

        def found() -> Mapping[str, Mapping[str, Any]]:
            known = workers.consumers(site)
            if not _of(queue, known):
                raise NotReadyError(whose, what)
            return known

        try:
            listed = until(found, what="the run's consumers", deadline_s=_LISTED_S, clock=site.clock)
        except DeadlineError as error:
            raise RefusedError(whose, what, "see which there are: make cluster-status") from error
        return {"consumers_before": listed}

    def inject(self, site: Site, fault: Journaled) -> None:
        _, worker = _victim(fault)
        workers.kill(site, worker)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        """Its process is gone, and the broker has its connection no more."""
        connection, worker = _victim(fault)
        now = workers.processes(site).get(worker["run"], {})
        if now.get(str(worker["process_id"])) == worker["file"]:
            raise NotReadyError(connection, "its process still runs")
        rows = site.access.management.rows("connections", columns=("user_provided_name",))
        if any(row.get("user_provided_name") == connection for row in rows):
            raise NotReadyError(connection, "is still open, by the broker's list")
        heirs = [file for file in now.values() if f"/{worker['worker']}~" in file]
        struck = {"killed": connection, "queue_of_killed": worker["queue"]}
        return {**struck, "processes_in_its_place": len(heirs)}

    def heal(self, site: Site, fault: Journaled) -> Facts:  # noqa: ARG002
        return {"healed_by": "the run itself, which replaces its dead"}

    def residue(self, site: Site) -> tuple[str, ...]:  # noqa: ARG002
        return ()  # a dead consumer looks like one that never was


def _victim(fault: Journaled) -> tuple[str, Mapping[str, Any]]:
    """Whom the fault strikes, always the same: of the consumers that were there, one that may hold the most
    messages."""
    found = _of(_queue(fault.args), fault.evidence["consumers_before"])
    return max(found.items(), key=lambda item: (item[1]["prefetch"], item[0]))


def _queue(args: Args) -> str:
    return str(args.get("queue", "")).rpartition(":")[2]


def _of(queue: str, consumers: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Those of a queue; of none: all."""
    return {name: each for name, each in consumers.items() if queue in ("", each["queue"])}


FAULT = ConsumerCrash()
