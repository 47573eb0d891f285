"""A node that gets little of the processor: the kernel lets it run for its share of each tenth of a second.

Proven by the kernel's own count of the periods in which it was made to wait (``nr_throttled``).
https://docs.kernel.org/scheduler/sched-bwc.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.fault import Facts, Parameter, Site, alive_where
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import Ability

#: In the folder of the node's control group: of version 2, and of version 1.
_STAT = 'cd "$1" && { cat cpu.stat 2>/dev/null || cat cpu/cpu.stat; }'
_READ_S = 10.0


def _parameters() -> Mapping[str, Parameter]:
    return {"cores_count": Parameter(default=0.1, low=0.01, high=64, help="cores that are left to the node")}


@dataclass(frozen=True, slots=True)
class Cpu:
    summary: str = "starve the node of processor time; heal gives it back what it had"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False
    outlives_process: bool = True
    ability: Ability = Ability.LIMIT_CPU

    def before(self, site: Site, target: str) -> Facts:
        return {"cores_before": site.runtime.cpu_limit(target), "throttled_before": _throttled(site, target)}

    def inject(self, site: Site, fault: Journaled) -> None:
        site.runtime.limit_cpu(fault.target, float(fault.args["cores_count"]))

    def prove(self, site: Site, fault: Journaled) -> Facts:
        found = _throttled(site, fault.target)
        if found <= int(fault.evidence["throttled_before"]):
            raise NotReadyError(fault.target, "was not made to wait for the processor yet")
        return {"throttled_after": found}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        wanted = float(fault.evidence.get("cores_before", 0.0))
        site.runtime.limit_cpu(fault.target, wanted)
        if (found := site.runtime.cpu_limit(fault.target)) != wanted:
            raise NotReadyError(fault.target, f"is still held to {found:g} cores")
        return {"cores_healed": wanted}

    def residue(self, site: Site) -> tuple[str, ...]:
        """The lab's nodes have no limit of their own."""
        return alive_where(site, lambda node: bool(site.runtime.cpu_limit(node)))


def _throttled(site: Site, node: str) -> int:
    """In how many periods the node had to wait; raises NotReadyError where the kernel does not say."""
    command = ["sh", "-c", _STAT, "sh", site.runtime.control_group(node)]
    done = site.runtime.execute(node, command, timeout_s=_READ_S)
    found = re.search(r"^nr_throttled (\d+)$", done.stdout, re.MULTILINE)
    if found is None:
        raise NotReadyError(node, f"the kernel does not say how often it waited: {done.reason()}")
    return int(found[1])


FAULT = Cpu()
