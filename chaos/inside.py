"""What chaos asks and tells a broker in its own language, by ``rabbitmqctl eval`` on the node itself.

Names of users' objects go in as bytes (`binary`), so that no name can end what it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from chaos.fault import Site
from warren import broker_tools
from warren.broker_tools import binary
from warren.errors import NotReadyError
from warren.runtime.protocol import NodeState

#: So often a node is asked that is too busy to be reached.
_TRIES = 3
#: The Ra system of quorum queues, and the registered names of what all its members on a node share: the
#: write-ahead log and the process that turns it into segments (``rabbit_chaos`` names them so, too).
WAL, SEGMENT_WRITER = "ra_log_wal", "ra_log_segment_writer"
_ALL_MEMBERS = "Names = [Name || {Name, _} <- ra_directory:list_registered(quorum_queues)]"
_ONE_MEMBER = """
{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r({vhost}, queue, {queue})),
{{Name, _}} = amqqueue:get_pid(Queue),
Names = [Name]"""
_SHOW = """
lists:foreach(fun(Each) ->
    Shown = case whereis(Each) of undefined -> "none"; Pid -> pid_to_list(Pid) end,
    io:format("~ts=~s~n", [Each, Shown])
end, Names)."""
_KILL = """
lists:foreach(fun(Each) -> catch exit(whereis(Each), kill) end, Names)."""
_RESTART_MEMBERS = """
Names = [Name || {Name, _} <- ra_directory:list_registered(quorum_queues), whereis(Name) =:= undefined],
lists:foreach(fun(Each) -> ra:restart_server(quorum_queues, {Each, node()}) end, Names)."""
#: What ``whereis`` finds nobody under.
NOBODY = "none"


def evaluate(site: Site, node: str, expression: str) -> str:
    """What ``expression`` prints on ``node``; raises NotReadyError when it fails or nobody answers."""
    return broker_tools.evaluate(site.runtime, node, expression)


def members(queue: tuple[str, str] | None) -> str:
    """The expression that names a queue's (virtual host, name) Raft member, or with None every one of the
    node. Node names and vhosts are never part of the text itself."""
    if queue is None:
        return _ALL_MEMBERS
    return _ONE_MEMBER.format(vhost=binary(queue[0]), queue=binary(queue[1])).strip()


def named(*names: str) -> str:
    """The expression that names processes by their registered names, which are ours."""
    return f"Names = [{', '.join(names)}]"


def process_ids(site: Site, node: str, who: str) -> Mapping[str, str]:
    """The Erlang process under each name of ``who`` (`members` or `named`), or `NOBODY`."""
    shown = broker_tools.evaluate(site.runtime, node, f"{who},{_SHOW}", tries=_TRIES)
    return dict(re.findall(rf"^(.+)=(<[\d.]+>|{NOBODY})$", shown, re.MULTILINE))


def kill_processes(site: Site, node: str, who: str) -> None:
    """Kill each process that ``who`` names; its supervisor starts another."""
    broker_tools.evaluate(site.runtime, node, f"{who},{_KILL}", tries=_TRIES)


def restart_members(site: Site, node: str) -> None:
    """Start the Raft members of the node's quorum queues that do not run."""
    evaluate(site, node, _RESTART_MEMBERS)


def running_where(site: Site, probe: Callable[[str], bool]) -> tuple[str, ...]:
    """The nodes that run and for which ``probe`` holds, all asked at once; not those that cannot be asked:
    a node that does not answer has trouble that shows elsewhere."""

    def holds(node: str) -> bool:
        try:
            return probe(node)
        except NotReadyError:
            return False

    nodes = [node for node, state in site.runtime.states().items() if state is NodeState.RUNNING]
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        return tuple(node for node, found in zip(nodes, pool.map(holds, nodes), strict=True) if found)
