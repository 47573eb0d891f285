"""Raft members told that they are alone, where the others are lost for good.

``rabbitmqctl force_standalone_khepri_boot`` does it to the metadata store; for queues RabbitMQ has functions
and no command on purpose (https://github.com/rabbitmq/rabbitmq-server/pull/8322), and for the streams'
coordinator the function of Ra that both use (https://github.com/rabbitmq/ra/pull/306). Each keeps what the
member has, entries that were never confirmed among it, and forgets all others.
"""

from __future__ import annotations

import json

from warren import broker_tools
from warren.errors import NotReadyError
from warren.operating.model import Site
from warren.wait import until

#: The broker tries to reach each lost member of each queue to delete it there, seven seconds at worst.
_QUEUES_S = 1800.0
#: A query that the leader answers only once most members have told it that it still is the leader. (The state
#: of a member does not do: a leader that has lost the others goes on as one.)
_HAS_MAJORITY = """
Store = {rabbit_khepri:get_store_id(), node()},
Said = case ra:consistent_query(Store, fun(_) -> ok end, 4000) of {ok, _, _} -> yes; _ -> no end,
io:format("majority=~s~n", [Said]).
"""
_COORDINATOR = """
Coordinator = {rabbit_stream_coordinator, node()},
case whereis(rabbit_stream_coordinator) of
  undefined -> io:format("coordinator=none~n");
  _ -> ok = ra_server_proc:force_shrink_members_to_current_member(Coordinator),
       io:format("coordinator=alone~n")
end.
"""
#: Members are names, or names with what identifies each, as since 4.3.
_MEMBERS = """
Members = fun(Q) -> case maps:get(nodes, amqqueue:get_type_state(Q)) of
  Known when is_map(Known) -> maps:keys(Known); Known -> Known end end,
Name = fun(Q) -> {resource, V, queue, N} = amqqueue:get_name(Q), [V, N] end,
Quorum = [Q || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) =:= rabbit_quorum_queue],
"""
_QUEUES = f"""{_MEMBERS}
Ours = [Q || Q <- Quorum, lists:member(node(), Members(Q)), Members(Q) =/= [node()]],
Force = fun([V, N]) -> rabbit_quorum_queue:force_shrink_member_to_current_member(V, N) end,
_ = [Force(Name(Q)) || Q <- Ours],
Kept = [Q || Q <- Quorum, lists:member(node(), Members(Q))],
io:format("kept=~b~n", [length(Kept)]).
"""
_ELSEWHERE = f"""{_MEMBERS}
Elsewhere = [Name(Q) || Q <- Quorum, not lists:member(node(), Members(Q))],
io:format("elsewhere=~s~n", [rabbit_json:encode(Elsewhere)]).
"""


def has_majority(site: Site, node: str) -> bool:
    """Whether most members of the metadata store answer, as ``node`` sees it; no where it cannot be asked."""
    try:
        return _said(site, node, _HAS_MAJORITY, "majority") == "yes"
    except NotReadyError:
        return False


def store(site: Site, node: str, *, deadline_s: float) -> None:
    """The metadata store. A node that boots has it before it has anything else; raises DeadlineError."""
    argv = ["rabbitmqctl", "force_standalone_khepri_boot"]
    until(
        lambda: broker_tools.run(site.runtime, node, argv),
        what="its metadata store to be there",
        deadline_s=deadline_s,
        every_s=2.0,
        remedy=f"warren cluster logs {node}",
        clock=site.clock,
    )


def coordinator(site: Site, node: str) -> None:
    """The streams' coordinator, where there has ever been a stream; raises NotReadyError."""
    _said(site, node, _COORDINATOR, "coordinator")


def queues(site: Site, node: str) -> int:
    """Every quorum queue that has a member on ``node``, but for those that are alone already; how many have
    one. Raises NotReadyError where the first did not take it."""
    return int(_said(site, node, _QUEUES, "kept", timeout_s=_QUEUES_S))


def queues_elsewhere(site: Site, node: str) -> list[tuple[str, str]]:
    """The quorum queues without a member on ``node``: their virtual hosts and names."""
    found = json.loads(_said(site, node, _ELSEWHERE, "elsewhere"))
    return [(str(vhost), str(name)) for vhost, name in found]


def _said(site: Site, node: str, expression: str, key: str, *, timeout_s: float = broker_tools.TOOL_S) -> str:
    said = broker_tools.run(site.runtime, node, ["rabbitmqctl", "eval", expression], timeout_s=timeout_s)
    for line in said.splitlines():
        if line.startswith(f"{key}="):
            return line.partition("=")[2]
    raise NotReadyError(node, f"rabbitmqctl eval said nothing of '{key}': {said.strip()[-200:]}")
