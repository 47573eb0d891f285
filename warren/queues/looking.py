"""Looks into a quorum queue without taking anything out, through the broker's own tools.

What ``basic.get`` takes must be put back, and that is not harmless: it counts the message as acquired, flags
it as redelivered, and where the message's failed deliveries are above the queue's delivery limit already, as
those of every message that died of ``delivery_limit`` in a queue of the same limit are, the broker drops it
instead (seen on 4.3.6: gone, from a failed queue that has no dead-letter exchange). So a quorum queue is read
as ``rabbitmq-queues peek`` reads it: a query of its leader, which changes nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from warren import broker_tools
from warren.errors import NotReadyError
from warren.queues.faithful import decoded, read
from warren.queues.message import Message
from warren.runtime.protocol import NodeState, Runtime

#: The tool boots an Erlang machine of its own, and the leader walks to each position from the head: a
#: thousand messages are half a million steps.
TOOL_S = 120.0
#: The most that is asked for at once: the walk grows with the square of it.
MOST = 1000
#: Bytes of a body that are read where it is not shown.
NO_BODY = 0

_LOOK = """
Text = fun(Encoded) -> base64:decode(Encoded) end,
{ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(Text(<<"%(vhost)s">>), queue, Text(<<"%(queue)s">>))),
Leader = amqqueue:get_pid(Queue),
Count = fun(Key, Header) when is_map(Header) -> maps:get(Key, Header, 0); (_, _) -> 0 end,
One = fun(Header, Kept) ->
  Content = mc:protocol_state(mc:convert(mc_amqpl, Kept)),
  Properties = case element(4, Content) of
    none -> iolist_to_binary(rabbit_framing_amqp_0_9_1:encode_properties(element(3, Content)));
    Encoded -> Encoded
  end,
  Body = iolist_to_binary(lists:reverse(element(6, Content))),
  Shown = binary:part(Body, 0, min(%(bytes)d, byte_size(Body))),
  #{properties => base64:encode(Properties), exchange => base64:encode(mc:exchange(Kept)),
    keys => [base64:encode(Key) || Key <- mc:routing_keys(Kept)], size => byte_size(Body),
    body => base64:encode(Shown), failed => Count(delivery_count, Header),
    acquired => Count(acquired_count, Header)}
end,
Walk = fun Walk(Position, Found) when Position > %(last)d -> Found;
           Walk(Position, Found) ->
  case ra:aux_command(Leader, {peek, Position}) of
    {ok, {Header, Kept}} -> Walk(Position + 1, [One(Header, Kept) | Found]);
    {error, no_message_at_pos} -> Found
  end
end,
io:format("~s~n", [rabbit_json:encode(lists:reverse(Walk(%(first)d, [])))]).
"""


def look(
    runtime: Runtime, *, vhost: str, queue: str, first: int = 1, last: int, bytes_shown: int = NO_BODY
) -> tuple[Message, ...]:
    """The messages that are ready at positions ``first`` to ``last`` of quorum queue ``queue``, from its
    head; those that a consumer holds have no position. Bodies are cut to ``bytes_shown``.

    Raises NotReadyError where no node runs, the tool fails, or what it says cannot be read.
    """
    wanted = _LOOK % {
        "vhost": broker_tools.encoded(vhost),
        "queue": broker_tools.encoded(queue),
        "first": first,
        "last": last,
        "bytes": bytes_shown,
    }
    node = _running(runtime)
    done = runtime.execute(node, ["rabbitmqctl", "eval", wanted], timeout_s=TOOL_S)
    if not done.ok:
        raise NotReadyError(
            f"queue {queue} in {vhost}", f"cannot be read: {done.reason()}", "make cluster-status"
        )
    return parse(done.stdout, where=f"queue {queue} in {vhost}")


def parse(text: str, *, where: str) -> tuple[Message, ...]:
    """What the tool printed; raises NotReadyError naming ``where`` when it is of another shape."""
    line = next((each for each in text.splitlines() if each.startswith("[")), "")
    try:
        return tuple(_message(row) for row in json.loads(line))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise NotReadyError(
            where, f"the broker's tool says what cannot be read: {error!r}", "report this bug"
        ) from error


def _message(row: dict[str, Any]) -> Message:
    keys: Sequence[str] = row["keys"]
    body = base64.b64decode(row["body"])
    properties = decoded(base64.b64decode(row["properties"]))
    exchange = base64.b64decode(row["exchange"]).decode(errors="replace")
    key = base64.b64decode(keys[0]).decode(errors="replace") if keys else ""
    message = read(exchange, key, properties, body, int(row["size"]))
    return replace(message, failed=int(row["failed"]), acquired=int(row["acquired"]))


def _running(runtime: Runtime) -> str:
    for node, state in runtime.states().items():
        if state is NodeState.RUNNING:
            return node
    raise NotReadyError("the cluster", "no node runs", "make cluster-up")
