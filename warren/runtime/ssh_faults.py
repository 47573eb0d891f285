"""What chaos alone needs of a host: its network's tools, what stays there, limits of the broker's service."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime import shipped, units
from warren.runtime.protocol import Ability, Joined, MemoryLimit
from warren.runtime.ssh_host import ACT_S, ASK_S, Hosts

_PART_S = 5
#: Where the files of what was joined lie; gone with the next boot.
_FOLDER = "/run/warren"
_NO_CONTROLLER = (
    "the control groups of {nodes} have no {what} controller, so that systemd cannot enforce a limit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFaults(Hosts):
    """The part of the `Runtime` protocol by which faults act on nodes that go on running."""

    def in_network(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        """As root on the host itself, whose network is the node's."""
        return self.ssh.as_root(node, argv, timeout_s=timeout_s, stdin=stdin)

    def network_address(self, node: str) -> str:
        """As another host resolves the name, for that is whom it connects to."""
        other = next((each for each in self._nodes() if each != node), node)
        done = self.ssh.as_root(other, ["getent", "ahostsv4", node], timeout_s=ASK_S)
        found = done.stdout.split()
        if not done.ok or not found:
            raise NotReadyError(node, f"{other} knows no address (IPv4) of it", "see /etc/hosts there")
        return found[0]

    def control_ports(self, node: str) -> tuple[int, ...]:
        return (self.ssh.logins[node].port,)

    def join(self, node: str, fault: str, argv: Sequence[str]) -> None:
        """As a transient service of root's; ``python3 -m`` a package of ours has it sent along."""
        self.part(fault)
        unit, environment = units.joined_unit(fault), []
        if tuple(argv[:2]) == ("python3", "-m"):
            folder = shlex.quote(f"{_FOLDER}/{fault}")
            put = f"umask 022; mkdir -p {folder} && exec tar --extract --no-same-owner --directory={folder}"
            self._shell(node, put, timeout_s=ACT_S, stdin=shipped.archive(argv[2]))
            environment = [f"--setenv=PYTHONPATH={_FOLDER}/{fault}"]
        settings = ("RemainAfterExit=yes", "KillMode=mixed", f"TimeoutStopSec={_PART_S}")
        command = ["systemd-run", "--quiet", f"--unit={unit}", *environment]
        command += [f"--property={each}" for each in settings]
        self._act(node, [*command, "--", *argv])

    def joined(self) -> tuple[Joined, ...]:
        return tuple(
            Joined(fault=units.fault_of(unit), node=node, is_running=state in ("running", "start"))
            for node, listed in self._reached(self._joined_units).items()
            for unit, state in listed
        )

    def joined_said(self, fault: str) -> str:
        unit = units.joined_unit(fault)
        for node, listed in self._reached(self._joined_units).items():
            if unit in [name for name, _ in listed]:
                command = ["journalctl", "--quiet", "--output=cat", "--lines=1", f"_SYSTEMD_UNIT={unit}"]
                return self.ssh.checked(node, command, timeout_s=ASK_S).stdout.strip()
        raise NotReadyError(fault, "nothing is joined for it")

    def part(self, fault: str) -> None:
        unit, folder = units.joined_unit(fault), shlex.quote(f"{_FOLDER}/{fault}")
        for node in self._reached(self._joined_units):
            self._shell(node, f"{units.end_joined(unit)} && rm -rf {folder}", timeout_s=ACT_S)

    def detach(self, node: str) -> None:
        raise NotReadyError(node, self.lacks(Ability.DETACH))

    def attach(self, node: str, address: str) -> None:
        """A host is always on its network."""

    def is_detached(self, node: str) -> bool:  # noqa: ARG002 - the protocol's
        return False

    def cpu_limit(self, node: str) -> float:
        return self.look(node).cores

    def limit_cpu(self, node: str, cores: float) -> None:
        """Until the host boots anew, which the protocol's users do not do."""
        quota = f"{round(cores * 100, 3):g}%" if cores else ""
        self._act(node, units.properties({"CPUQuota": quota}))

    def memory_limit(self, node: str) -> MemoryLimit:
        found = self.look(node)
        with_swap = 0 if found.swap_bytes is None else found.memory_bytes + found.swap_bytes
        return MemoryLimit(memory_bytes=found.memory_bytes, with_swap_bytes=with_swap)

    def limit_memory(self, node: str, limit: MemoryLimit) -> None:
        memory, both = limit.memory_bytes, limit.with_swap_bytes
        swap = str(max(0, both - memory)) if both else "infinity"
        wanted = {"MemoryMax": str(memory or "infinity"), "MemorySwapMax": swap}
        self._act(node, units.properties(wanted))

    def lacks(self, ability: Ability) -> str:
        if ability is Ability.DETACH:
            return "a host that is taken from its network is not reached any more, to be put back"
        if ability is Ability.HELPERS:
            return "hosts have no place for programs that are not theirs"
        if ability is Ability.DISK:
            return "services of hosts do not preload the library of disk faults"
        name, what = ("cpu", "processor") if ability is Ability.LIMIT_CPU else ("memory", "memory")
        looks = self._reached(self.look)
        without = [node for node, look in looks.items() if look.group and name not in look.limits]
        return _NO_CONTROLLER.format(nodes=", ".join(without), what=what) if without else ""

    def _joined_units(self, node: str) -> list[tuple[str, str]]:
        """Unit and state of everything that was joined on a host."""
        lines = self._shell(node, units.LIST_JOINED, timeout_s=ASK_S).stdout.splitlines()
        return [(unit, state) for unit, _, state in (line.partition(" ") for line in lines) if unit]
