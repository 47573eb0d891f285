"""RabbitMQ's own chaos: every few seconds it kills the log, the segment writer or a Raft member of a node's
quorum queues, restarts a member after up to 11 s, or floods another node's connection.

It is in the broker since 4.3.0 (``rabbit_chaos``), draws without a seed, and goes on until it is told to
stop, whatever becomes of who began it.
https://github.com/rabbitmq/rabbitmq-server/blob/main/deps/rabbit/src/rabbit_chaos.erl
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos import inside
from chaos.fault import Facts, Parameter, Site, start_node
from chaos.raft import raft_processes_run
from warren.errors import NotReadyError, RefusedError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState

_SINCE = (4, 3)
_BEGIN = "ok = rabbit_chaos:begin_quorum_chaos({interval_ms})."
#: While a member is being restarted it answers nobody for up to 11 s: told to stop, it does so then.
_STOP = """
Said = try rabbit_chaos:stop() catch exit:{timeout, _} -> busy; exit:{noproc, _} -> ok end,
io:format("chaos=~s~n", [Said])."""
_LOOK = """
Found = try sys:get_state(rabbit_chaos, 3000) of
    {rabbit_chaos, #{events := [_ | _]}, _} -> on;
    _ -> off
catch exit:{timeout, _} -> on; exit:_ -> off end,
io:format("chaos=~s~n", [Found])."""


def _parameters() -> Mapping[str, Parameter]:
    # More often, the log's supervisors give up and the node with them (they bear few restarts within 5 s);
    # more seldom, there would be no proof in time.
    return {"interval_ms": Parameter(default=4000, low=1000, high=5000, help="from one event to the next")}


@dataclass(frozen=True, slots=True)
class RaftChaos:
    summary: str = "let the broker's own chaos kill Raft processes of the node; heal stops it"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = False
    is_wide: bool = False
    needs: str = "RabbitMQ 4.3 or later"

    def before(self, site: Site, target: str) -> Facts:
        """Raises NotReadyError for a broker that does not have it, RefusedError where it goes on already."""
        if site.topology.broker.series < _SINCE:
            what = f"is RabbitMQ {site.topology.broker.version}, and rabbit_chaos came with 4.3.0"
            raise NotReadyError(target, what, "kill-wal, kill-segment-writer and kill-member work on it")
        if _goes_on(site, target):
            raise RefusedError(target, "has its own chaos going on already", "stop it: make chaos-heal")
        return {"processes": _processes(site, target)}

    def inject(self, site: Site, fault: Journaled) -> None:
        interval_ms = round(float(fault.args["interval_ms"]))
        inside.evaluate(site, fault.target, _BEGIN.format(interval_ms=interval_ms))

    def prove(self, site: Site, fault: Journaled) -> Facts:
        now, before = _processes(site, fault.target), fault.evidence["processes"]
        struck = {name: now.get(name, inside.NOBODY) for name in before if now.get(name) != before[name]}
        if not struck:
            raise NotReadyError(fault.target, "all Raft processes are those of before")
        return {"processes_struck": struck}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """A node that did not bear it is started again: that too is this fault's doing."""
        if site.state(fault.target) is NodeState.STOPPED:
            return start_node(site, fault.target)
        if "chaos=busy" in inside.evaluate(site, fault.target, _STOP):
            raise NotReadyError(fault.target, "its own chaos is restarting a member, and stops after that")
        if _goes_on(site, fault.target):
            raise NotReadyError(fault.target, "its own chaos goes on")
        return raft_processes_run(site, fault.target)

    def residue(self, site: Site) -> tuple[str, ...]:
        if site.topology.broker.series < _SINCE:
            return ()
        return inside.running_where(site, lambda node: _goes_on(site, node))


def _goes_on(site: Site, node: str) -> bool:
    return "chaos=on" in inside.evaluate(site, node, _LOOK)


def _processes(site: Site, node: str) -> dict[str, str]:
    shared = inside.process_ids(site, node, inside.named(inside.WAL, inside.SEGMENT_WRITER))
    return {**shared, **inside.process_ids(site, node, inside.members(None))}


FAULT = RaftChaos()
