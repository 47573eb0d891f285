"""What the fake's nodes answer to ``rabbitmqctl eval``: as much of Erlang as faults speak.

A Raft process is a number that grows whenever another one takes its place; 0 while there is none.
"""

from __future__ import annotations

import re
from typing import Any

_SHARED = ("ra_log_wal", "ra_log_segment_writer")


def evaluate(machine: dict[str, Any], expression: str) -> str:
    """What ``expression`` prints, once it has changed ``machine`` as it says; nothing for what is unknown."""
    if "is_being_drained" in expression or "list_local_quorum_queues" in expression:
        return _maintenance(machine, expression)
    if "undefined" in expression and "ra_coordination_log_wal" in expression:
        return "true\n"
    if "rabbit_chaos" in expression:
        return _chaos(machine, expression)
    if "restart_server" in expression:
        for name, process in machine["raft"].items():
            machine["raft"][name] = process or 1
        return "ok\n"
    names = _named(machine, expression)
    if "kill" in expression:
        for name in names:
            machine["raft"][name] += 1
        return "ok\n"
    return "".join(f"{name}={_shown(machine['raft'].get(name, 0))}\n" for name in names) + "ok\n"


def _maintenance(machine: dict[str, Any], expression: str) -> str:
    """Whether the node is marked, and how many of its members do not run, which `recover` starts."""
    stopped = [name for name, process in machine["raft"].items() if name not in _SHARED and not process]
    if "recover" not in expression:
        return f"drained={str(machine['drained']).lower()} stopped={len(stopped)}\nok\n"
    machine["raft"].update(dict.fromkeys(stopped, 1))
    return "failed=0\nok\n"


def _chaos(machine: dict[str, Any], expression: str) -> str:
    if "begin_quorum_chaos" in expression:
        machine["chaos"] = True
    elif ":stop()" in expression:
        machine["chaos"] = False
        return "chaos=ok\n"
    if machine["chaos"]:
        machine["raft"]["ra_log_wal"] += 1
    return f"chaos={'on' if machine['chaos'] else 'off'}\n"


def _named(machine: dict[str, Any], expression: str) -> list[str]:
    if "list_registered" in expression:
        return [name for name in machine["raft"] if name not in _SHARED]
    if found := re.search(r"queue, <<([\d,]+)>>", expression):
        queue = bytes(int(each) for each in found[1].split(",")).decode()
        return [f"vh_{queue}"]
    found = re.search(r"Names = \[([\w, ]+)\]", expression)
    return found[1].split(", ") if found else []


def _shown(process: int) -> str:
    return f"<0.{process}.0>" if process else "none"
