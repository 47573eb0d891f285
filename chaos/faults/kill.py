"""SIGKILL of the node: the power cut. Proven by its first process being gone, or another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.fault import Facts, Parameter, Site, process_facts, prove_process_gone, start_node
from warren.journal import Fault as Journaled


@dataclass(frozen=True, slots=True)
class Kill:
    summary: str = "SIGKILL the node; heal starts it again"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_down: bool = True
    is_silent: bool = False
    is_wide: bool = False

    def before(self, site: Site, target: str) -> Facts:
        return process_facts(site, target)

    def inject(self, site: Site, fault: Journaled) -> None:
        site.runtime.kill(fault.target)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        return prove_process_gone(site, fault)

    def heal(self, site: Site, fault: Journaled) -> Facts:
        return start_node(site, fault.target)

    def residue(self, site: Site) -> tuple[str, ...]:  # noqa: ARG002
        return ()  # a killed node looks like a stopped one: `stop` finds both


FAULT = Kill()
