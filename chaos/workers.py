"""The processes of load runs that last: which there are, and which of them consumes from which queue.

A worker is known by the file to which it writes its errors, which is named after it, and by its connection's
name; both stand in the run's own code (``loadgen.fleet``, ``loadgen.roster``), and a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from chaos.fault import Site
from warren.errors import NotReadyError

_ROLE = "load"
_TOOL_S = 20.0
#: The file of a process's standard error, for those that are a worker's.
_LIST = """
for each in /proc/[0-9]*; do
  case $(readlink "$each/fd/2") in
    */workers/*.stderr) echo "${each#/proc/} $(readlink "$each/fd/2")" ;;
  esac
done
true
"""
#: Only while it is still the same: process ids are used again.
_KILL = '[ "$(readlink "/proc/$1/fd/2")" = "$2" ] && kill -KILL "$1"'


def connection_of(run_id: str, worker: str) -> str:
    """What a worker calls its connection."""
    return f"warren-load {run_id} {worker}"


def processes(site: Site) -> dict[str, dict[str, str]]:
    """By run that lasts: its workers' files of errors, by process id inside the run's container."""
    prefix = f"{site.topology.cluster}-load-"
    found = {}
    for each in site.runtime.helpers(_ROLE):
        if each.is_running and each.name.startswith(prefix):
            done = site.runtime.in_helper(each.name, ["sh", "-c", _LIST, "list"], timeout_s=_TOOL_S)
            rows = (line.split(" ", 1) for line in done.stdout.splitlines())
            found[each.name.removeprefix(prefix)] = dict(rows)
    return found


def consumers(site: Site) -> dict[str, dict[str, Any]]:
    """By the name of its connection, each worker that consumes: ``run``, ``worker``, ``process_id``,
    ``file``, ``queue`` and ``prefetch``."""
    reads = _consumed(site)
    found = {}
    for run_id, workers in processes(site).items():
        for process, file in workers.items():
            worker = PurePosixPath(file).stem
            connection = connection_of(run_id, worker)
            if connection in reads:
                known = {"run": run_id, "worker": worker, "process_id": int(process), "file": file}
                found[connection] = {**known, **reads[connection]}
    return found


def kill(site: Site, worker: Mapping[str, Any]) -> None:
    """SIGKILL one of `consumers`; raises NotReadyError where it is not the same process any more."""
    helper = f"{site.topology.cluster}-load-{worker['run']}"
    argv = ["sh", "-c", _KILL, "kill", str(worker["process_id"]), str(worker["file"])]
    done = site.runtime.in_helper(helper, argv, timeout_s=_TOOL_S)
    if not done.ok:
        raise NotReadyError(helper, f"worker {worker['worker']} is not there any more")


def _consumed(site: Site) -> dict[str, dict[str, Any]]:
    """By a connection's own name: from which queue it consumes, and how many messages it may hold."""
    management = site.access.management
    rows = management.rows("connections", columns=("name", "user_provided_name"))
    own = {row["name"]: str(row.get("user_provided_name") or "") for row in rows}
    found = {}
    for row in management.rows("consumers"):
        name = own.get((row.get("channel_details") or {}).get("connection_name"))
        if name:
            queue = row.get("queue") or {}
            found[name] = {"queue": queue.get("name"), "prefetch": row.get("prefetch_count") or 0}
    return found
