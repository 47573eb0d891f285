"""Client connections reset at both ends, all at the same moment; new ones are not touched.

The node's kernel is told to destroy them (``ss --kill``, INET_DIAG_DESTROY): it sends a reset to the client
and gives the broker an error, at once and without a packet having to come by. Nothing stays of it.
https://man7.org/linux/man-pages/man8/ss.8.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos import connections, network
from chaos.fault import Facts, Parameter, Site
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled


def _parameters() -> Mapping[str, Parameter]:
    return {"client": connections.CLIENT}


@dataclass(frozen=True, slots=True)
class Reset:
    summary: str = "reset the client connections that there are; nothing of it stays to heal"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = False
    is_silent: bool = False
    is_wide: bool = False

    def before(self, site: Site, target: str) -> Facts:
        return connections.look(site, target)

    def inject(self, site: Site, fault: Journaled) -> None:
        kill = "ss --kill -Htn state established dst {0.address}:{0.port} and sport = :{0.local_port}"
        script = "\n".join(kill.format(each) for each in connections.chosen(fault))
        network.run_tool(site, fault.target, "sh", "-e", stdin=f"{script}\n".encode())

    def prove(self, site: Site, fault: Journaled) -> Facts:
        struck = set(connections.chosen(fault))
        if left := struck & set(connections.listed(site, fault.target)):
            raise NotReadyError(fault.target, f"{len(left)} of {len(struck)} connections are still there")
        return {"connections_gone": len(struck)}

    def heal(self, site: Site, fault: Journaled) -> Facts:  # noqa: ARG002
        return {"reset": "ended with the act"}

    def residue(self, site: Site) -> tuple[str, ...]:  # noqa: ARG002
        return ()


FAULT = Reset()
