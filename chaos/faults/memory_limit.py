"""A node that has no memory to spare: the kernel takes its file cache, makes it wait, and at last kills it.
The broker's watermark follows the limit that it booted with, and does not know of this one.

Proven by what the node uses being all that it may, by the kernel's count of how often the limit was met, or
by the node's death.
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from chaos.fault import Facts, Parameter, Site, start_node
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import Ability, MemoryLimit, NodeState

_MIB = 1024 * 1024
#: In the folder of the node's control group: of version 2, and of version 1.
_READ = r"""
cd "$1" || exit 1
if [ -e memory.events ]; then
  echo "used $(cat memory.current)"; grep -E '^(in)?active_file ' memory.stat
  grep -E '^(max|oom_kill) ' memory.events
else
  cd memory; echo "used $(cat memory.usage_in_bytes)"
  sed -n -E 's/^total_((in)?active_file) /\1 /p' memory.stat
  echo "max $(cat memory.failcnt)"; grep '^oom_kill ' memory.oom_control
fi"""
_READ_S = 10.0
#: How the limit is lowered: by how much at once, how often at most, and how near it the node is to be.
_STEP, _MOST_STEPS, _NEAR = 4 * _MIB, 40, 2 * _MIB
#: How near its limit a node is proven to be at it: where the kernel refused a step, the one before counts.
_PROOF = 8 * _MIB
#: What the kernel says of a limit that it cannot bring the node below.
_REFUSED = "device or resource busy"
#: What the engine says of a node that died of the limit before, before it knows so itself.
_DIED = "stopped container"


def _parameters() -> Mapping[str, Parameter]:
    help_ = "its limit; 0: as little as it can do with, found by lowering it until the node is at it"
    return {"limit_mib": Parameter(default=0, high=1024 * 1024, help=help_)}


@dataclass(frozen=True, slots=True)
class Memory:
    summary: str = "leave the node no memory to spare; heal gives it back, and starts it if it died"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False
    outlives_process: bool = True
    ability: Ability = Ability.LIMIT_MEMORY

    def before(self, site: Site, target: str) -> Facts:
        limit, found = site.runtime.memory_limit(target), _read(site, target)
        return {
            "limit_before_bytes": limit.memory_bytes,
            "limit_with_swap_before_bytes": limit.with_swap_bytes,
            "used_before_bytes": found["used"] - found.get("inactive_file", 0) - found.get("active_file", 0),
            "met_before_total": found["max"],
            "process_id_before": site.runtime.process_id(target),
        }

    def inject(self, site: Site, fault: Journaled) -> None:
        """Takes seconds: a broker keeps memory that it does not need, so the limit follows what is left."""
        if limit_mib := float(fault.args["limit_mib"]):
            with suppress(_RefusedError):  # the proof will say that it has the limit that it had
                _hold_to(site, fault.target, round(limit_mib * _MIB))
            return
        wanted, is_held = int(fault.evidence["used_before_bytes"]), False
        for _ in range(_MOST_STEPS):
            try:
                used = _hold_to(site, fault.target, wanted)
            except _RefusedError:
                if is_held:
                    return
                wanted += 2 * _STEP  # it cannot do without all of its file cache
                continue
            is_held = True
            if used is None or used >= wanted - _NEAR:
                return
            wanted = used - _STEP

    def prove(self, site: Site, fault: Journaled) -> Facts:
        limit = site.runtime.memory_limit(fault.target).memory_bytes
        if limit == fault.evidence["limit_before_bytes"]:
            raise NotReadyError(fault.target, "has the limit that it had")
        if site.runtime.process_id(fault.target) != fault.evidence["process_id_before"]:
            return {"limit_bytes": limit, "state": site.state(fault.target).value}
        found = _read(site, fault.target)
        if found["max"] <= int(fault.evidence["met_before_total"]) and found["used"] < limit - _PROOF:
            raise NotReadyError(fault.target, f"uses {(limit - found['used']) // _MIB} MiB less than it may")
        return {
            "limit_bytes": limit,
            "used_bytes": found["used"],
            "met_after_total": found["max"],
            "oom_kills_total": found["oom_kill"],
        }

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """For a fault that was only found, the topology's limit. A node that was killed is started."""
        own = int(site.topology.broker.memory_limit_mib) * _MIB
        wanted = MemoryLimit(
            memory_bytes=int(fault.evidence.get("limit_before_bytes", own)),
            with_swap_bytes=int(fault.evidence.get("limit_with_swap_before_bytes", 2 * own)),
        )
        site.runtime.limit_memory(fault.target, wanted)
        found = site.runtime.memory_limit(fault.target)
        if found.memory_bytes != wanted.memory_bytes:
            raise NotReadyError(fault.target, f"is still held to {found.memory_bytes // _MIB} MiB")
        was_killed = site.state(fault.target) is NodeState.STOPPED
        healed = start_node(site, fault.target) if was_killed else {}
        return {"limit_healed_bytes": found.memory_bytes, "was_killed": was_killed, **healed}

    def residue(self, site: Site) -> tuple[str, ...]:
        """A limit outlives the node's process, so a node that was killed by it is asked too."""
        own = int(site.topology.broker.memory_limit_mib) * _MIB
        there = [node for node, state in site.runtime.states().items() if state is not NodeState.ABSENT]
        return tuple(node for node in there if 0 < site.runtime.memory_limit(node).memory_bytes < own)


class _RefusedError(Exception):
    """The kernel does not set a limit below what it finds to be in use and cannot take."""


def _hold_to(site: Site, node: str, limit_bytes: int) -> int | None:
    """Limit ``node`` and return what it uses then; None where it died of it. Raises _RefusedError where the
    kernel refuses, and the limit is what it was."""
    try:
        site.runtime.limit_memory(node, MemoryLimit(memory_bytes=limit_bytes, with_swap_bytes=limit_bytes))
    except NotReadyError as error:
        if _DIED in error.what.lower() or site.state(node) is not NodeState.RUNNING:
            return None
        if _REFUSED not in error.what.lower():
            raise
        raise _RefusedError from error
    try:
        return _read(site, node)["used"]
    except NotReadyError:
        if site.state(node) is NodeState.RUNNING:
            raise
        return None


def _read(site: Site, node: str) -> dict[str, int]:
    """What the kernel counts: ``used`` and the two parts of it that are file cache, in bytes, ``max`` how
    often the limit was met, ``oom_kill`` how often it killed. Raises NotReadyError where that is not said."""
    command = ["sh", "-c", _READ, "sh", site.runtime.control_group(node)]
    done = site.runtime.execute(node, command, timeout_s=_READ_S)
    found = {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", done.stdout, re.MULTILINE)}
    if not {"used", "max", "oom_kill"} <= set(found):
        raise NotReadyError(node, f"the kernel does not say what memory it uses: {done.reason()}")
    return found


FAULT = Memory()
