"""The graceful end: SIGTERM, and SIGKILL after a grace time. Proven as a kill is.

https://www.rabbitmq.com/docs/upgrade#maintenance-mode says what a drain before it would add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chaos.fault import Facts, Parameter, Site, process_facts, prove_process_gone, start_node
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState

#: A broker with many queues takes its time to close them; one of the lab ends within seconds.
GRACE_S = 60.0
#: How much longer than its grace a stop may take from the moment that it was journaled.
_SLACK_S = 5.0


def _parameters() -> Mapping[str, Parameter]:
    return {"grace_s": Parameter(default=GRACE_S, high=600, help="from SIGTERM to SIGKILL")}


@dataclass(frozen=True, slots=True)
class Stop:
    summary: str = "stop the node as an operator would (SIGTERM); heal starts it again"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = False
    is_wide: bool = False

    def before(self, site: Site, target: str) -> Facts:
        return process_facts(site, target)

    def inject(self, site: Site, fault: Journaled) -> None:
        site.runtime.stop(fault.target, grace_s=float(fault.args["grace_s"]))

    def prove(self, site: Site, fault: Journaled) -> Facts:
        return prove_process_gone(site, fault)

    def heal(self, site: Site, fault: Journaled) -> Facts:
        _refuse_while_stopping(site, fault)
        return start_node(site, fault.target)

    def residue(self, site: Site) -> tuple[str, ...]:
        return tuple(node for node, state in site.runtime.states().items() if state is NodeState.STOPPED)


def _refuse_while_stopping(site: Site, fault: Journaled) -> None:
    """Raise NotReadyError while a stop whose driver died may still be on its way.

    Starting a node that is shutting down does nothing, and it would end a moment later. Stopping it to the
    end instead could take a healthy node down, if the driver died just before the act.
    """
    if fault.is_proven or fault.begun_at is None:
        return
    found = site.runtime.process_id(fault.target)
    if found is None or found != fault.evidence.get("process_id"):
        return
    age_s = (site.now() - datetime.fromisoformat(fault.begun_at)).total_seconds()
    grace_s = float(fault.args.get("grace_s", GRACE_S))
    if 0 <= age_s < grace_s + _SLACK_S:
        raise NotReadyError(fault.target, "was told to stop and may still do so")


FAULT = Stop()
