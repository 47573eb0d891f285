"""The broker's own tools, run on one of its nodes: what the management API cannot do, or not while clients
are kept out. https://www.rabbitmq.com/docs/cli
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from warren.errors import NotReadyError
from warren.runtime.protocol import Runtime

#: A tool boots an Erlang machine of its own, on a busy machine slowly.
TOOL_S = 60.0
#: Its connection to a node that is busy is given up after seven seconds, before anything was asked.
#: ``net_setuptime`` of https://www.erlang.org/doc/apps/kernel/kernel_app.html
_UNREACHED = "unable to perform an operation on node"


def run(
    runtime: Runtime,
    node: str,
    argv: Sequence[str],
    *,
    timeout_s: float = TOOL_S,
    stdin: bytes | None = None,
) -> str:
    """What a tool prints on ``node``; raises NotReadyError with its own reason when it fails."""
    done = runtime.execute(node, argv, timeout_s=timeout_s, stdin=stdin)
    if not done.ok:
        raise NotReadyError(node, f"{' '.join(argv[:2])}: {done.reason()}")
    return done.stdout


def encoded(name: str) -> str:
    """A name inside an expression, where ``base64:decode`` reads it: no character of it can mean anything."""
    return base64.b64encode(name.encode()).decode()


def evaluate(runtime: Runtime, node: str, expression: str, *, tries: int = 1) -> str:
    """What an Erlang ``expression`` prints on ``node``; where nobody was reached it is tried again.

    Raises NotReadyError when it fails. No secret may stand in ``expression``: it is an argument.
    """
    done = runtime.execute(node, ["rabbitmqctl", "eval", expression], timeout_s=TOOL_S)
    if done.ok:
        return done.stdout
    if tries > 1 and _UNREACHED in done.stderr:
        return evaluate(runtime, node, expression, tries=tries - 1)
    raise NotReadyError(node, f"the broker's tool failed: {done.reason()}")


def binary(text: str) -> str:
    """``text`` as an Erlang binary, byte by byte, so that no name can end what it stands in."""
    return f"<<{','.join(str(each) for each in text.encode())}>>"
