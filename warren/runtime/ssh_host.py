"""Questions to the hosts of one cluster, all of them or one: what everybody asks systemd there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime import units
from warren.runtime.ssh_login import Ssh
from warren.topology import Topology
from warren.wait import Clock

T = TypeVar("T")

#: How long a host may take for a question, and for one act on one service.
ASK_S, ACT_S = 15.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """What begins with an underscore is for the classes that build on this one."""

    ssh: Ssh
    topology: Topology
    clock: Clock = field(default_factory=Clock)

    def look(self, node: str) -> units.Look:
        """The broker's service on a host as it is now; raises NotReadyError where the host is not reached."""
        return units.read_look(self._shell(node, units.LOOK, timeout_s=ASK_S).stdout)

    def _nodes(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.topology.nodes)

    def _everywhere(self, ask: Callable[[str], T]) -> dict[str, T | NotReadyError]:
        """``ask`` of every host at once: the answer, or why there is none."""

        def asked(node: str) -> T | NotReadyError:
            try:
                return ask(node)
            except NotReadyError as error:
                return error

        nodes = self._nodes()
        with ThreadPoolExecutor(len(nodes)) as pool:
            return dict(zip(nodes, pool.map(asked, nodes), strict=True))

    def _reached(self, ask: Callable[[str], T]) -> Mapping[str, T]:
        """``ask`` of every host that is reached; raises the first one's error where none is."""
        found = self._everywhere(ask)
        there = {node: each for node, each in found.items() if not isinstance(each, NotReadyError)}
        for each in found.values():
            if not there and isinstance(each, NotReadyError):
                raise each
        return there

    def _shell(self, node: str, script: str, *, timeout_s: float, stdin: bytes | None = None) -> Completed:
        """A script as root; raises NotReadyError where it fails."""
        return self.ssh.checked(node, ["sh", "-c", script], timeout_s=timeout_s, stdin=stdin)

    def _act(self, node: str, argv: Sequence[str], *, timeout_s: float = ACT_S) -> None:
        self.ssh.checked(node, argv, timeout_s=timeout_s)
