"""Every node stopped and started, one after the other, as for an upgrade; with ``drain`` in the way that
RabbitMQ advises. It ends by itself. https://www.rabbitmq.com/docs/upgrade#rolling-upgrade

Proven by every node running as another process than before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from chaos.fault import Facts, Parameter, Site, Step, start_node
from warren import maintenance, rolling
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.results import iso
from warren.runtime.protocol import NodeState

#: For the cluster to be whole again after one node's restart: it is back within 10 s, its members follow.
_WHOLE_S = 180.0
#: How much longer than its grace a stop may take whose driver died.
_SLACK_S = 5.0


def _parameters() -> Mapping[str, Parameter]:
    drain = "drain each node before it is stopped, once every queue can spare it (rabbitmq-upgrade)"
    return {
        "drain": Parameter(default="yes", choices=("yes", "no"), help=drain),
        "grace_s": Parameter(default=rolling.GRACE_S, high=600, help="from SIGTERM to SIGKILL"),
    }


@dataclass(frozen=True, slots=True)
class Restart:
    summary: str = "restart all nodes, one after the other; it ends by itself, heal starts what is down"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = False
    is_wide: bool = True

    def before(self, site: Site, target: str) -> Facts:  # noqa: ARG002
        return {"processes": {node: site.runtime.process_id(node) for node in site.runtime.states()}}

    def course(self, site: Site, fault: Journaled) -> Iterator[Step]:
        nodes = tuple(fault.evidence["processes"])
        for place, node in enumerate(nodes, start=1):
            yield from _down(site, fault, node, f"{node} ({place} of {len(nodes)})")
            if place == 1:
                what = f"{node}: whether it is down"
                yield Step(what=what, do=partial(_gone, site, fault, node), is_proof=True)
            yield Step(what=f"{node}: starting it", do=partial(start_node, site, node), is_act=True)
            yield Step(what=f"{node}: waiting until the cluster is whole", do=partial(site.whole, _WHOLE_S))
        yield Step(what="whether every node is another process", do=partial(self.prove, site, fault))

    def inject(self, site: Site, fault: Journaled) -> None:
        """The whole course without a word in the journal between its steps."""
        for step in self.course(site, fault):
            step.do()

    def prove(self, site: Site, fault: Journaled) -> Facts:
        after = {node: site.runtime.process_id(node) for node in fault.evidence["processes"]}
        for node, process in after.items():
            if process is None:
                raise NotReadyError(node, "does not run")
            if process == fault.evidence["processes"][node]:
                raise NotReadyError(node, f"still runs as process {process}")
        return {"processes_after": after}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """Start what is down of the nodes that ran before, and end the maintenance of one that is drained."""
        _refuse_while_stopping(site, fault)
        healed = []
        for node in fault.evidence["processes"]:
            if site.state(node) is NodeState.STOPPED:
                start_node(site, node)
                healed.append(node)
            if fault.args.get("drain") == "yes" and maintenance.is_left_out(site.runtime, node):
                maintenance.revive(site.runtime, node)
                healed.append(node)
        return {"put_back": sorted(set(healed))}

    def residue(self, site: Site) -> tuple[str, ...]:  # noqa: ARG002
        return ()  # a node that is down is found by `stop`, one that is drained by `drain`


def _down(site: Site, fault: Journaled, node: str, shown: str) -> Iterator[Step]:
    grace_s, drain = float(fault.args["grace_s"]), fault.args["drain"] == "yes"
    *before, stop = rolling.down(site.runtime, node, drain=drain, grace_s=grace_s)
    for part in before:
        yield Step(what=f"{shown}: {part.what}", do=part.do, is_act=part.is_act)
    facts = {"stopping": node, "stopping_since": iso(site.now())}
    yield Step(what=f"{shown}: {stop.what}", do=stop.do, facts=facts, is_act=stop.is_act)


def _gone(site: Site, fault: Journaled, node: str) -> Facts:
    found = site.runtime.process_id(node)
    if found is not None and found == fault.evidence["processes"][node]:
        raise NotReadyError(node, f"still runs as process {found}")
    return {"first_down": node}


def _refuse_while_stopping(site: Site, fault: Journaled) -> None:
    """Raise NotReadyError while a stop whose driver died may still be on its way: starting a node that is
    shutting down does nothing, and it would end a moment later."""
    node = fault.evidence.get("stopping")
    if node is None or site.runtime.process_id(node) != fault.evidence["processes"][node]:
        return
    age_s = (site.now() - datetime.fromisoformat(fault.evidence["stopping_since"])).total_seconds()
    if 0 <= age_s < float(fault.args.get("grace_s", rolling.GRACE_S)) + _SLACK_S:
        raise NotReadyError(node, "was told to stop and may still do so")


FAULT = Restart()
