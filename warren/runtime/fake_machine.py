"""What the fake's nodes know besides their state: alarms, packet filters, queueing, limits, and their disks.

Just as much of the broker's and the kernel's tools as faults use, each in its own words: `answer` takes what
would be run and returns what it would print.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Collection, Sequence
from typing import Any

from warren.process import Completed
from warren.runtime import fake_erlang

MIB = 1024 * 1024
#: What a node is to begin with; JSON-ready, since the fake keeps it in a file. ``asked`` makes counters grow,
#: ``disk`` are the words of `chaos.disk`: what its disk is told, and what was counted.
_FRESH: dict[str, Any] = {
    "alarms": [],
    "tables": {},
    "tbf": None,
    "interface": "eth0",
    "cores": 0.0,
    "memory": [1024 * MIB, 2048 * MIB],
    "drained": False,
    "chaos": False,
    "raft": {"ra_log_wal": 1, "ra_log_segment_writer": 1, "vh_orders.work": 1, "vh_orders.retry": 1},
    "joined": {},
    "detached": False,
    "clients": ["[::ffff:10.0.0.90]:4001", "10.0.0.91:4002"],
    "files": {},
    "disk": [0x31464457, *[0] * 1023],
    "asked": 0,
}
#: What is set on the container, or stands beside it, and outlives its process.
_OUTLIVES = ("cores", "memory", "joined", "detached", "files")
#: What is set on a node's network.
NETWORK = ("tables", "tbf")
_GONE = "Error: No such file or directory; did you mean something else?"


def fresh() -> dict[str, Any]:
    return copied(_FRESH)


def copied(machine: dict[str, Any]) -> dict[str, Any]:
    """Another one like it. A tenth of what ``copy.deepcopy`` takes, which tests by the thousand notice."""
    found: dict[str, Any] = json.loads(json.dumps(machine))
    return found


def restarted(machine: dict[str, Any], outlives: Collection[str] = ()) -> dict[str, Any]:
    """After the end of its process: what is set on the container stays, and ``outlives``; all else goes with
    the process."""
    return {**fresh(), **{key: machine[key] for key in (*_OUTLIVES, *outlives)}}


def answer(machine: dict[str, Any], argv: Sequence[str], stdin: bytes | None) -> Completed:
    """What ``argv`` prints, once it has changed ``machine`` as it says; nothing and 0 for anything else."""
    machine["asked"] += 1
    text, failed = "", False
    if argv[0] == "nft":
        text, failed = _filter(machine, argv[1:], (stdin or b"").decode())
    elif argv[0] == "tc":
        text, failed = _queueing(machine, argv[1:])
    elif argv[0] == "sh":
        text = _script(machine, argv, (stdin or b"").decode())
    elif argv[0] == "od":
        text, failed = _disk(machine), not machine["disk"]
    elif argv[0] == "dd":
        place, words = int(argv[3].removeprefix("seek=")), (stdin or b"")
        machine["disk"][place : place + len(words) // 8] = struct.unpack(f"<{len(words) // 8}Q", words)
    elif argv[0] == "ss":
        text = "".join(f"0 0 10.0.0.3:5671 {each}\n" for each in machine["clients"])
    else:
        text = _broker(machine, argv)
    out, error = ("", text) if failed else (text, "")
    return Completed(argv=tuple(argv), returncode=int(failed), stdout=out, stderr=error)


def _script(machine: dict[str, Any], argv: Sequence[str], stdin: str) -> str:
    if argv[1] == "-e":
        killed = re.findall(r"dst (\S+) and", stdin)
        # A client connects again at once, by another port of its own.
        machine["clients"] = [
            f"{each}7" if re.sub(r"\[::ffff:|\]", "", each) in killed else each for each in machine["clients"]
        ]
    elif argv[2].startswith("nft"):
        return "\n".join(answer(machine, tool.split(), None).stdout for tool in argv[2].split(" && "))
    elif "cpu.stat" in argv[2]:
        return f"nr_periods 10\nnr_throttled {machine['asked'] if machine['cores'] else 0}\n"
    elif "memory.events" in argv[2]:
        met = machine["asked"] if machine["memory"] != _FRESH["memory"] else 0
        used = min(200 * MIB, machine["memory"][0])
        return f"used {used}\ninactive_file {30 * MIB}\nactive_file {20 * MIB}\nmax {met}\noom_kill 0\n"
    return ""


def _broker(machine: dict[str, Any], argv: Sequence[str]) -> str:
    if argv[0] == "rabbitmq-upgrade":
        machine["drained"] = {"drain": True, "revive": False}.get(argv[1], machine["drained"])
        return ""
    if argv[:2] == ["rabbitmqctl", "eval"] and not re.search("get_local_alarms|disk_free_limit", argv[2]):
        return fake_erlang.evaluate(machine, argv[2])
    return _alarms(machine, argv[1:]) if argv[0] == "rabbitmqctl" else ""


def _alarms(machine: dict[str, Any], argv: Sequence[str]) -> str:
    kind = {"set_vm_memory_high_watermark": "memory", "set_disk_free_limit": "disk"}.get(argv[0])
    if kind is not None:
        others = [each for each in machine["alarms"] if each != kind]
        machine["alarms"] = [*others, kind] if argv[-1] == "1MB" else others
    elif argv[:1] == ["eval"] and "set_disk_free_limit" in argv[1]:
        machine["alarms"] = [*(each for each in machine["alarms"] if each != "disk"), "disk"]
    elif argv[:1] == ["eval"] and "get_local_alarms" in argv[1]:
        return str([f"{{{{resource_limit,{each},rabbit@here}},[]}}" for each in machine["alarms"]])
    return ""


def _disk(machine: dict[str, Any]) -> str:
    """The words, once a sync has been tried that did what they say. Without any there is no such file."""
    words: list[int] = machine["disk"]
    if not words:
        return "od: /run/warren/disk-faults: No such file or directory"
    delayed, full, broken = words[1] or words[3], words[5], words[6]
    if not (full or broken):
        words[16 + words[8] % 512] = 1000 + words[1]
        words[8] += 1
    for place, told in ((9, delayed), (11, full), (12, broken)):
        words[place] += bool(told)
    return "\n".join(str(word) for word in words)


def _filter(machine: dict[str, Any], argv: Sequence[str], script: str) -> tuple[str, bool]:
    tables: dict[str, str] = machine["tables"]
    if argv[0] == "-f":
        for name in re.findall(r"^table inet (\w+) \{", script, re.MULTILINE):
            tables[name] = script
        return "", False
    if argv[:2] == ["delete", "table"]:
        return ("", False) if tables.pop(argv[3], None) is not None else (_GONE, True)
    if argv[:3] == ["-j", "list", "tables"]:
        return json.dumps(
            {"nftables": [{"table": {"family": "inet", "name": name}} for name in tables]}
        ), False
    if argv[:3] == ["-j", "list", "table"] and argv[4] in tables:
        counter = {"counter": {"packets": machine["asked"], "bytes": 60 * machine["asked"]}}
        return json.dumps({"nftables": [{"rule": {"expr": [counter, {"drop": None}]}}]}), False
    return _GONE, True


def _queueing(machine: dict[str, Any], argv: Sequence[str]) -> tuple[str, bool]:
    at = argv.index("dev") if "dev" in argv else -1
    if at > 0 and argv[at + 1] != machine["interface"]:
        return f'Cannot find device "{argv[at + 1]}"', True
    if argv[:2] == ["qdisc", "replace"]:
        machine["tbf"] = argv[argv.index("handle") + 1]
        return "", False
    if argv[:2] == ["qdisc", "del"]:
        found = machine["tbf"] == argv[argv.index("handle") + 1]
        machine["tbf"] = None if found else machine["tbf"]
        return ("", False) if found else ("Error: Invalid handle.", True)
    limit = {"kind": "tbf", "handle": machine["tbf"], "overlimits": machine["asked"]}
    shown = limit if machine["tbf"] else {"kind": "noqueue", "handle": "0:"}
    lo = {"kind": "noqueue", "handle": "0:", "dev": "lo"}
    return json.dumps([lo, {**shown, "dev": machine["interface"]}]), False


def in_load_run(workers: dict[str, str], argv: Sequence[str]) -> Completed:
    """What the two scripts of ``chaos.workers`` print in a load run's container: the one lists ``workers``
    (their files of errors, by process id), the other kills one that is still who it was."""
    text, failed = "", False
    if argv[-1] == "list":
        text = "".join(f"{process} {file}\n" for process, file in workers.items())
    elif argv[3] == "kill":
        failed = workers.get(argv[4]) != argv[5]
        if not failed:
            del workers[argv[4]]
    return Completed(argv=tuple(argv), returncode=int(failed), stdout=text, stderr="")
