"""Nodes as services of systemd on hosts that are reached by SSH: the `Runtime` of what Ansible has deployed.

A host is called as its node is. What a container would give and a host does not (a network to be taken from,
a place for programs beside the nodes) is refused with the reason: `HostFaults.lacks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime import units
from warren.runtime.protocol import Ability, Helper, NodeState
from warren.runtime.ssh_data import HostData
from warren.runtime.ssh_faults import HostFaults
from warren.runtime.ssh_host import ACT_S
from warren.runtime.units import BROKER, BROKER_USER
from warren.wait import until

_STARTS_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SshRuntime(HostFaults, HostData):
    """The hosts of one cluster as nodes. A host that is not reached counts as absent, so that what was done
    to the others can be undone; where none is reached, the first one's reason is raised."""

    @property
    def network_ends_with_node(self) -> bool:
        return False

    def states(self) -> Mapping[str, NodeState]:
        looks = self._reached(self.look)
        return {node: looks[node].state if node in looks else NodeState.ABSENT for node in self._nodes()}

    def state_of(self, node: str) -> NodeState:
        """Of its own host alone; where that is not reached, of all, which tells whether any is."""
        if node in self._nodes():
            try:
                return self.look(node).state
            except NotReadyError:
                pass
        return self.states().get(node, NodeState.ABSENT)

    def start(self, node: str) -> None:
        if self.look(node).state in (NodeState.RUNNING, NodeState.PAUSED):
            return
        self._shell(node, units.START, timeout_s=ACT_S)

        def runs() -> None:
            if self.look(node).process_id is None:
                raise NotReadyError(node, f"has no process; it says: {self._last_line(node)}")

        until(runs, what="its process", deadline_s=_STARTS_S, clock=self.clock)

    def stop(self, node: str, *, grace_s: float) -> None:
        """Frozen processes hear nothing: they are let go on first."""
        self.unpause(node)
        self._shell(node, units.stop(grace_s), timeout_s=grace_s + ACT_S)

    def kill(self, node: str) -> None:
        if self.look(node).state in (NodeState.RUNNING, NodeState.PAUSED):
            self._shell(node, units.KILL, timeout_s=ACT_S)

    def pause(self, node: str) -> None:
        """By the kernel's freezer, and seen to hold: systemd alone knows only what it has asked for."""
        if self.look(node).state is NodeState.PAUSED:
            return
        self._act(node, ["systemctl", "freeze", BROKER])
        if (found := self.look(node).state) is not NodeState.PAUSED:
            what = f"was not frozen: it is {found.value}; its control groups have to be of version 2"
            raise NotReadyError(node, what)

    def unpause(self, node: str) -> None:
        if self.look(node).state is NodeState.PAUSED:
            self._act(node, ["systemctl", "thaw", BROKER])

    def process_id(self, node: str) -> int | None:
        return self.look(node).process_id

    def control_group(self, node: str) -> str:
        return self.look(node).group

    def execute(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        return self.ssh.as_user(node, BROKER_USER, argv, timeout_s=timeout_s, stdin=stdin)

    def address(self, node: str, port: str) -> tuple[str, int]:
        return self.ssh.logins[node].address, int(getattr(self.topology.ports, port))

    def logs(self, node: str, *, lines: int) -> str:
        command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={lines}"]
        return self.ssh.checked(node, [*command, f"--unit={BROKER}"], timeout_s=ACT_S).stdout

    def helpers(self, role: str) -> tuple[Helper, ...]:  # noqa: ARG002 - the protocol's
        return ()

    def start_helper(self, fault: str, argv: Sequence[str], *, stdin: bytes) -> None:  # noqa: ARG002
        raise NotReadyError(fault, self.lacks(Ability.HELPERS))

    def in_helper(self, helper: str, argv: Sequence[str], *, timeout_s: float) -> Completed:  # noqa: ARG002
        self._no_helper(helper)

    def helper_said(self, helper: str) -> str:
        self._no_helper(helper)

    def remove_helper(self, helper: str) -> None:
        """There is none to be removed."""

    def _no_helper(self, helper: str) -> NoReturn:
        raise NotReadyError(helper, "is not there")

    def _last_line(self, node: str) -> str:
        lines = self.logs(node, lines=1).strip()
        return lines or "nothing"
