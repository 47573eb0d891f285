"""What the nodes stand in where they are services of hosts: one shell on each host, as root."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from warren.assertions.facts import Around, ServiceFacts
from warren.process import Completed
from warren.runtime.units import BROKER

#: A busy host, and systemd asked a dozen times.
_LOOK_S = 60.0
#: Every unit that the collection starts for good; those that do not run on a host are passed over.
UNITS = (
    BROKER,
    "prometheus.service",
    "prometheus-alertmanager.service",
    "grafana-server.service",
    "warren-exporter.service",
    "warren-probe.service",
    "warren-drift.service",
)
#: File systems of another machine, by the names that findmnt knows (man findmnt, man nfs, man mount.cifs).
_SHARED = ("nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "9p", "lustre")
_ASKED = "MainPID,MemoryMax,TasksMax,Environment,ExecStart,ExecStartPre,Description"
#: Sections parted by lines that begin with "==". mountinfo is asked for how the service itself sees its root:
#: the last one mounted there counts (man proc_pid_mountinfo).
SCRIPT = rf"""
echo == clock; timedatectl show --property=NTPSynchronized --value 2>/dev/null
echo == data; cat /proc/sys/kernel/random/boot_id; stat --format=%d:%i /var/lib/rabbitmq
findmnt --noheadings --output FSTYPE,SOURCE --target /var/lib/rabbitmq
echo == rules; nft list table inet warren 2>/dev/null
for unit in {" ".join(UNITS)}; do
  pid=$(systemctl show --property=MainPID --value "$unit")
  [ "${{pid:-0}}" -gt 0 ] || continue
  echo "== $unit"; systemctl show --property={_ASKED} "$unit"
  sed -n 's/^\(Uid\|CapBnd\|NoNewPrivs\):[[:space:]]*/\1=/p' "/proc/$pid/status"
  while read -r _ _ _ _ point options _; do [ "$point" != / ] || echo "Root=${{options%%,*}}"; done \
    <"/proc/$pid/mountinfo"
done
exit 0
"""
#: nft prints the counter's figures between the port and what becomes of the packet.
_DROPPED = re.compile(r"tcp dport (\d+)(?:-\d+)? counter.* drop")

Ask = Callable[[str, Sequence[str], float], Completed]


def around(hosts: Sequence[str], nodes: Sequence[str], ask: Ask) -> Around:
    """Look at ``hosts``, those of ``nodes`` and those beside them. ``ask`` runs a command on a host as root
    and raises NotReadyError where it cannot, or where the command fails."""
    seen = {host: sections(ask(host, ["sh", "-c", SCRIPT], _LOOK_S).stdout) for host in hosts}
    return Around(
        kind="hosts",
        clocks={host: _clock(parts.get("clock", "")) for host, parts in seen.items()},
        data_directories={node: _place(seen[node].get("data", "")) for node in nodes},
        services=tuple(
            _service(host, unit, parts[unit])
            for host, parts in seen.items()
            for unit in UNITS
            if unit in parts
        ),
        guarded={
            host: frozenset(map(int, _DROPPED.findall(parts.get("rules", ""))))
            for host, parts in seen.items()
        },
    )


def sections(text: str) -> dict[str, str]:
    """What stands below each line that begins with ``==``, by what that line names."""
    parts = (part.partition("\n") for part in f"\n{text}".split("\n== ")[1:])
    return {name.strip(): body for name, _, body in parts}


def _clock(answer: str) -> bool | None:
    return {"yes": True, "no": False}.get(answer.strip())


def _place(answer: str) -> str:
    """Where a folder really is: the file system's own source where another machine has it, else this boot of
    this machine, the device and the number of the folder. Copies of a virtual machine differ by their boot,
    and containers of one machine by the device."""
    lines = answer.split("\n")
    if len(lines) < 3:  # noqa: PLR2004 - the script's
        return ""
    boot, folder, (kind, _, source) = lines[0], lines[1], lines[2].partition(" ")
    if kind in _SHARED:
        return f"{source.strip()} ({kind})"
    return f"{folder} since boot {boot[:8]}" if folder else ""


def _service(host: str, unit: str, text: str) -> ServiceFacts:
    found: Mapping[str, str] = dict(line.partition("=")[::2] for line in text.splitlines())
    return ServiceFacts(
        host=host,
        unit=unit,
        is_node=unit == BROKER,
        user=int((found.get("Uid") or "0").split()[0]),
        capabilities=found.get("CapBnd") or "ffffffffffffffff",
        no_new_privileges=found.get("NoNewPrivs") == "1",
        root=found.get("Root", ""),
        memory_bytes=_limit(found.get("MemoryMax", "")),
        processes=_limit(found.get("TasksMax", "")),
        shown=text,
    )


def _limit(value: str) -> int | None:
    return int(value) if value.isdecimal() else None
