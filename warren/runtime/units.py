"""What systemd is asked and told about a service: commands for a host's shell, readers of their answers.

https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html says what the
properties are. Freezing is the kernel's, by the control group (version 2) of the service:
https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from warren.runtime.protocol import NodeState

#: Debian's unit of the broker, and the account that it runs as.
BROKER, BROKER_USER = "rabbitmq-server.service", "rabbitmq"
#: Where its settings and certificates are.
CONFIG = "/etc/rabbitmq"
_STATES = {
    "active": NodeState.RUNNING,
    "activating": NodeState.RUNNING,
    "reloading": NodeState.RUNNING,
    "refreshing": NodeState.RUNNING,
    "deactivating": NodeState.RUNNING,
    "inactive": NodeState.STOPPED,
    "failed": NodeState.STOPPED,
    "maintenance": NodeState.STOPPED,
}
_ASKED = (
    "LoadState", "ActiveState", "MainPID", "ControlGroup", "CPUQuotaPerSecUSec", "MemoryMax", "MemorySwapMax",
)  # fmt: skip
#: All that is asked about a service at once. Whether it is frozen the kernel says, not systemd, which has it
#: only from itself; and controllers that are not there make a limit a word on paper.
LOOK = f"""\
systemctl show {BROKER} --property={",".join(_ASKED)}
group=/sys/fs/cgroup$(systemctl show {BROKER} --property=ControlGroup --value)
[ "$group" != /sys/fs/cgroup ] || exit 0
[ ! -r "$group/cgroup.events" ] || sed -n 's/^frozen /Frozen=/p' "$group/cgroup.events"
for each in cpu memory; do [ ! -e "$group/$each.max" ] || echo "Limits=$each"; done
"""
#: SIGKILL to every process of the service; then systemd is told that this was meant, or it would start it
#: anew (Debian's unit has Restart=on-failure). systemd kills no frozen unit, and one whose processes died
#: while frozen stays frozen for it for good: so they are stopped where they are, thawed, which lets none go
#: on, and then killed.
KILL = f"""\
group=/sys/fs/cgroup$(systemctl show {BROKER} --property=ControlGroup --value)
if grep -qs '^frozen 1' "$group/cgroup.events"; then
  find "$group" -name cgroup.procs -exec cat {{}} + | xargs -r kill -STOP
  systemctl thaw {BROKER} || exit 1
fi
systemctl kill --kill-whom=all --signal=SIGKILL {BROKER}
systemctl stop {BROKER}
"""
START = f"systemctl reset-failed {BROKER} 2>/dev/null; exec systemctl start --no-block {BROKER}"
_JOINED = "warren-fault-"
#: The units of what was joined, whether they run or have ended.
LIST_JOINED = (
    f"systemctl list-units --all --plain --no-legend --no-pager '{_JOINED}*' | while read -r unit rest; do"
    ' echo "$unit $(systemctl show --property=SubState --value "$unit")"; done'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A service as it is now: ``group`` is the folder of its control group (empty while it does not run),
    ``limits`` those of ``cpu`` and ``memory`` that the kernel can enforce. Limits are in cores and bytes, 0
    is none; of swap None is none, for it may be limited to nothing."""

    state: NodeState
    process_id: int | None
    group: str
    limits: frozenset[str]
    cores: float
    memory_bytes: int
    swap_bytes: int | None


def read_look(text: str) -> Look:
    """What `LOOK` printed."""
    pairs = [line.partition("=")[::2] for line in text.splitlines() if "=" in line]
    found = dict(pairs)
    state = _STATES.get(found.get("ActiveState", ""), NodeState.STOPPED)
    if found.get("LoadState") == "not-found":
        state = NodeState.ABSENT
    elif state is NodeState.RUNNING and found.get("Frozen") == "1":
        state = NodeState.PAUSED
    group = found.get("ControlGroup", "")
    swap = found.get("MemorySwapMax", "")
    return Look(
        state=state,
        process_id=int(found.get("MainPID") or 0) or None,
        group=f"/sys/fs/cgroup{group}" if group else "",
        limits=frozenset(value for key, value in pairs if key == "Limits"),
        cores=span_s(found.get("CPUQuotaPerSecUSec", "")),
        memory_bytes=_bytes(found.get("MemoryMax", "")),
        swap_bytes=int(swap) if swap.isdecimal() else None,
    )


def span_s(text: str) -> float:
    """Seconds of systemd's time span (``500ms``, ``1min 30s``), 0 for ``infinity``. Of processor time a
    second that is cores."""
    if not text or text == "infinity":
        return 0.0
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
    parts = re.findall(r"([\d.]+)(us|ms|min|h|s)\b", text)
    return round(sum(float(number) * units[unit] for number, unit in parts), 6)


def _bytes(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def stop(grace_s: float) -> str:
    """Stop the service as it wants to be stopped, and with SIGKILL after ``grace_s``."""
    return f"timeout {max(1, round(grace_s))} systemctl stop {BROKER} && exit 0\n{KILL}"


def properties(settings: Mapping[str, str]) -> list[str]:
    """The command that sets ``settings`` of the service until the host boots anew."""
    return ["systemctl", "set-property", "--runtime", BROKER, *(f"{k}={v}" for k, v in settings.items())]


def joined_unit(fault: str) -> str:
    """The unit of what was joined for ``fault``; a character that systemd gives a meaning is written as it
    writes it itself."""
    plain = re.sub(r"[^A-Za-z0-9:_.-]", lambda found: f"\\x{ord(found[0]):02x}", fault)
    return f"{_JOINED}{plain}.service"


def fault_of(unit: str) -> str:
    """The fault of a unit that `joined_unit` has named."""
    plain = unit.removeprefix(_JOINED).removesuffix(".service")
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), plain)


def end_joined(unit: str) -> str:
    """End a transient unit, whatever it does, and let nothing be left of it; one that is not there is as
    good."""
    name = shlex.quote(unit)
    return (
        f"systemctl stop {name} 2>/dev/null; systemctl reset-failed {name} 2>/dev/null;"
        f' [ "$(systemctl show --property=LoadState --value {name})" = not-found ]'
    )
