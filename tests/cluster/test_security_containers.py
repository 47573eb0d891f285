"""What a program that was broken into could do inside of each container: tried there, as its own user.

What the engine says of them (user, capabilities, limits, mounts) is test_assertions'; here the same is read
and tried from inside.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from warren.context import Context

_EXEC_S = 30
#: Where a file is written, what needs a capability, and what would gain one. Each must fail.
DEEDS = {
    "write into /": "touch /attack",
    "write into /etc": "touch /etc/attack",
    "write a program": "touch /usr/bin/attack",
    "write where configuration lies": "for d in rabbitmq warren prometheus alertmanager; do"
        " touch /etc/$d/attack 2>/dev/null && exit 0; done; exit 1",
    "mount": "mount -t tmpfs none /tmp",
    "mount / anew": "mount -o remount,rw /",
    "give a file away": "f=$(mktemp -p /dev/shm) && chown 0:0 $f",
    "make a device": "mknod /dev/shm/attack b 8 0",
    "become root by su": "su -c true </dev/null",
    "become root by setpriv": "setpriv --reuid 0 true",
    "change the host's name": "hostname attack",
    "set the clock": "date -s 2001-01-01",
    "read the shadow": "cat /etc/shadow",
    "see the host's disks": "cat /dev/sda /dev/vda /dev/nvme0n1",
    "reach the engine": "ls /var/run/docker.sock /run/docker.sock | grep .",
    "set a kernel's value": "echo 1 >/proc/sys/kernel/panic",
    "leave its namespaces": "nsenter -t 1 -n true && nsenter -t 1 -m sh -c 'touch /attack'",
    "load a module": "modprobe dummy",
    "make a namespace of its own with rights": "unshare -U -r mount -t tmpfs none /mnt",
}  # fmt: skip
#: As the kernel has it for the first process and for what is started beside it: proc(5).
_STATUS = "cat /proc/1/status; echo; cat /proc/self/status"
_LIMITS = {
    "Memory": ("memory.max", "memory/memory.limit_in_bytes"),
    "PidsLimit": ("pids.max", "pids/pids.max"),
}


def _inside(context: Context, box: Mapping[str, Any], script: str) -> subprocess.CompletedProcess[str]:
    command = [context.engine.docker, "exec", str(box["Id"]), "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=_EXEC_S, check=False)


def _name(box: Mapping[str, Any]) -> str:
    return str(box["Name"]).lstrip("/")


def test_no_forbidden_deed_succeeds_in_any_container(context: Context, boxes: list[dict[str, Any]]) -> None:
    """All of them in one shell for each container: a word for each deed that succeeded."""
    script = "\n".join(
        f"( {deed} ) >/dev/null 2>&1 && echo {place}" for place, deed in enumerate(DEEDS.values())
    )
    names = list(DEEDS)
    done = {_name(box): _inside(context, box, f"{script}\necho end") for box in boxes}
    assert {name: each.stdout.split()[-1:] for name, each in done.items()} == {name: ["end"] for name in done}
    found = [
        f"{name}: {names[int(word)]}" for name, each in done.items() for word in each.stdout.split()[:-1]
    ]
    assert found == []


def test_deed_that_is_allowed_does_succeed(context: Context, boxes: list[dict[str, Any]]) -> None:
    """Or the deeds above would fail for want of a shell."""
    for box in boxes:
        assert _inside(context, box, "test -d / && cat /proc/self/status >/dev/null").returncode == 0, _name(
            box
        )


def test_processes_have_no_capability_and_can_gain_none(
    context: Context, boxes: list[dict[str, Any]]
) -> None:
    wrong = []
    for box in boxes:
        for text in _inside(context, box, _STATUS).stdout.split("\n\n"):
            status = dict(line.split(":", 1) for line in text.strip().splitlines())
            held = {key: value.strip() for key, value in status.items() if key.startswith("Cap")}
            assert set(held) == {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}
            bad = {key: value for key, value in held.items() if int(value, 16)}
            users = set(status["Uid"].split())
            if bad or "0" in users or status["NoNewPrivs"].strip() != "1" or status["Seccomp"].strip() != "2":
                wrong.append(f"{_name(box)}: {bad} uid {users} {status['NoNewPrivs']} {status['Seccomp']}")
    assert wrong == []


@pytest.mark.parametrize("limit", _LIMITS)
def test_limits_are_the_kernels_too(context: Context, boxes: list[dict[str, Any]], limit: str) -> None:
    """What the engine was told holds for the control group that the container sees as its own."""
    paths = " ".join(f"/sys/fs/cgroup/{path}" for path in _LIMITS[limit])
    for box in boxes:
        told = _inside(context, box, f"cat {paths} 2>/dev/null").stdout.split()
        assert told, f"{_name(box)}: no control group to be seen"
        assert int(told[0]) == box["HostConfig"][limit], _name(box)


def test_open_files_of_nodes_are_limited(context: Context, boxes: list[dict[str, Any]]) -> None:
    for box in boxes:
        assert _inside(context, box, "ulimit -H -n").stdout.strip().isdigit(), _name(box)


def test_containers_share_nothing_of_the_host(boxes: list[dict[str, Any]]) -> None:
    """Neither its network nor its processes, its users' names apart; mounts of it are read-only."""
    wrong = []
    for box in boxes:
        host = box["HostConfig"]
        shared = [key for key in ("NetworkMode", "PidMode", "IpcMode", "UTSMode") if host.get(key) == "host"]
        mounts = [each["Source"] for each in box["Mounts"] if each["Type"] == "bind" and each["RW"]]
        devices = host.get("Devices") or []
        if shared or mounts or devices:
            wrong.append(f"{_name(box)}: {shared} {mounts} {devices}")
    assert wrong == []
