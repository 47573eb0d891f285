"""Assertions about versions, machines and membership. https://www.rabbitmq.com/docs/production-checklist"""

from __future__ import annotations

import re

from warren.assertions.facts import Facts
from warren.assertions.model import Assertion, Outcome, everywhere

#: Quorum queues recover safely from here on; 4.3.3 mends a commit that could be lost.
_FIRST_GOOD_43 = (4, 3, 5)
_ERLANG = {27: "supported", 28: "supported for clusters that began on it"}
_OPEN_FILES = 50_000
_CORES = 4
_MEMORY_BYTES = 4 * 1024**3
_WATERMARK = (0.4, 0.7)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _broker_version(facts: Facts) -> Outcome:
    running, wanted = facts.overview.rabbitmq_version, facts.topology.broker.version
    return Outcome(running == wanted, f"runs {running}, the topology says {wanted}")


def _broker_mended(facts: Facts) -> Outcome:
    running = facts.overview.rabbitmq_version
    good = _version(running) >= _FIRST_GOOD_43
    return Outcome(good, f"{running}; wanted is 4.3.5 or later")


def _erlang_supported(facts: Facts) -> Outcome:
    releases = {name: int(node.otp_release) for name, node in facts.nodes.items()}
    bad = {name: f"Erlang {release}" for name, release in releases.items() if release not in _ERLANG}
    return everywhere(bad, f"Erlang {sorted(set(releases.values()))}")


def _erlang_same(facts: Facts) -> Outcome:
    releases = sorted({node.otp_release for node in facts.nodes.values()})
    return Outcome(len(releases) == 1, f"Erlang {', '.join(releases)}")


def _all_members(facts: Facts) -> Outcome:
    wanted = set(facts.topology.by_erlang_name)
    running = {member.name for member in facts.members if member.running}
    good = running == wanted and len(running) % 2 == 1
    return Outcome(good, f"{len(running)} of {len(wanted)} nodes run: {', '.join(sorted(running))}")


def _open_files(facts: Facts) -> Outcome:
    counts = {member.name: member.fd_total or 0 for member in facts.members}
    bad = {name: f"{count} open files" for name, count in counts.items() if count < _OPEN_FILES}
    return everywhere(bad, f"{min(counts.values())} open files or more")


def _cores(facts: Facts) -> Outcome:
    counts = {member.name: member.processors or 0 for member in facts.members}
    bad = {name: f"{count} cores" for name, count in counts.items() if count < _CORES}
    return everywhere(bad, f"{min(counts.values())} cores or more on each node")


def _memory(facts: Facts) -> Outcome:
    sizes = {name: node.total_memory_bytes for name, node in facts.nodes.items()}
    bad = {name: f"{size / 1024**3:.1f} GiB" for name, size in sizes.items() if size < _MEMORY_BYTES}
    return everywhere(bad, "4 GiB or more on each node")


def _clock(facts: Facts) -> Outcome:
    words = {False: "is not synchronised", None: "cannot be asked for"}
    bad = {
        place: f"the clock {words[seen]}" for place, seen in facts.around.clocks.items() if seen is not True
    }
    return everywhere(bad, f"synchronised: {', '.join(facts.around.clocks)}")


def _data_directories(facts: Facts) -> Outcome:
    """Each node's at a place of its own: two nodes on one would destroy each other's data."""
    seen: dict[str, str] = {}
    bad: dict[str, str] = {}
    for node, place in facts.around.data_directories.items():
        if not place or place in seen:
            bad[node] = f"shares {place} with {seen[place]}" if place else "has no data directory of its own"
        seen.setdefault(place, node)
    return everywhere(bad, ", ".join(seen))


def _memory_watermark(facts: Facts) -> Outcome:
    broker = facts.topology.broker
    wanted = broker.memory_limit_mib * 1024**2 * broker.memory_watermark
    low, high = _WATERMARK
    bad = {
        member.name: f"alarm at {(member.mem_limit_bytes or 0) / 1024**2:.0f} MiB"
        for member in facts.members
        if abs((member.mem_limit_bytes or 0) - wanted) > 0.01 * wanted
    }
    if not low <= broker.memory_watermark <= high:
        bad["topology"] = f"watermark {broker.memory_watermark}, wanted {low} to {high}"
    return everywhere(bad, f"alarm at {wanted / 1024**2:.0f} MiB of {broker.memory_limit_mib} MiB")


def _disk_limit(facts: Facts) -> Outcome:
    bad = {
        member.name: f"{member.disk_free_limit_bytes} bytes, memory alarm at {member.mem_limit_bytes}"
        for member in facts.members
        if (member.disk_free_limit_bytes or 0) < (member.mem_limit_bytes or 0)
    }
    return everywhere(bad, f"{(facts.members[0].disk_free_limit_bytes or 0) / 1024**2:.0f} MiB on each node")


_API, _EVAL = "management API", "the node's own runtime"

ASSERTIONS = (
    Assertion(
        id="broker-version",
        level="must",
        title="the broker runs the topology's version",
        reads=_API,
        check=_broker_version,
    ),
    Assertion(
        id="broker-mended",
        level="production",
        title="the broker is 4.3.5 or later, which mends the recovery of quorum queues",
        reads=_API,
        check=_broker_mended,
    ),
    Assertion(
        id="erlang-supported",
        level="production",
        title="Erlang is a release that RabbitMQ 4.3 supports: 27, or 28 on a new cluster",
        reads=_EVAL,
        check=_erlang_supported,
    ),
    Assertion(
        id="erlang-same",
        level="must",
        title="every node runs the same Erlang release",
        reads=_EVAL,
        check=_erlang_same,
    ),
    Assertion(
        id="all-members",
        level="must",
        title="exactly the topology's nodes run, an odd number of them",
        reads=_API,
        check=_all_members,
    ),
    Assertion(
        id="open-files",
        level="production",
        title="a node may open 50,000 files",
        reads=_API,
        check=_open_files,
    ),
    Assertion(id="cores", level="production", title="a node has four cores", reads=_API, check=_cores),
    Assertion(
        id="memory", level="production", title="a node has 4 GiB of memory", reads=_EVAL, check=_memory
    ),
    Assertion(
        id="clock-synchronised",
        level="production",
        title="the nodes' clock follows a time server",
        reads="the kernel of this machine, or of each host",
        check=_clock,
    ),
    Assertion(
        id="data-directory-own",
        level="must",
        title="every node has a data directory of its own",
        reads="the container engine, or each host's file systems",
        check=_data_directories,
    ),
    Assertion(
        id="memory-watermark",
        level="must",
        title="the memory alarm follows from the node's limit, at 0.4 to 0.7 of it",
        reads=_API,
        check=_memory_watermark,
    ),
    Assertion(
        id="disk-free-limit",
        level="must",
        title="the disk alarm leaves room for all that is in memory",
        reads=_API,
        check=_disk_limit,
    ),
)
