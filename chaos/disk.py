"""A node's disk that is slow, full or broken: words in a file that the node's processes map.

Nodes that were brought up ``--with-disk-faults`` preload a library of ours through which their syncs and
writes pass (deploy/images/disk-faults/disk_faults.c, which has the same words in the same order). It does
what the words say and counts there what it did, which is the proof. The file ends with the container's
process, as a packet filter does. What the kernel does with its page cache is not touched.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from chaos.fault import Args, Facts, Parameter, Site, alive_where, start_node
from warren.disk_faults import CONTROL
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import Ability, NodeState
from warren.stats import median

#: For `chaos list`.
NEEDS = "nodes that preload the library of disk faults: cluster up --with-disk-faults"
_REMEDY = "warren cluster down, then warren cluster up --with-disk-faults; messages are kept"
_MAGIC = 0x31464457
_TIMES_FROM, _TIMES_COUNT = 16, 512
#: A command in a container, on a busy machine.
_TOOL_S = 30.0
_READ = ("od", "-An", "-v", "-w8", "-t", "u8", CONTROL)
#: The write-ahead logs of quorum queues and of the metadata store, by their registered names.
_LOGS_RUN = "lists:all(fun(Name) -> whereis(Name) =/= undefined end, [ra_log_wal, ra_coordination_log_wal])."
#: A broker without its logs ends within seconds (7 s measured).
_GRACE_S = 30.0
#: Lines that a node whose disk failed says last, at most.
_LAST_LINES = 400
_LINE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Words:
    """A node's words as they were read; totals are counted from the start of its container."""

    values: tuple[int, ...]

    @property
    def syncs(self) -> int:
        return self.values[8]

    @property
    def syncs_delayed(self) -> int:
        return self.values[9]

    @property
    def writes_delayed(self) -> int:
        return self.values[10]

    @property
    def refused_full(self) -> int:
        return self.values[11]

    @property
    def refused_broken(self) -> int:
        return self.values[12]

    def sync_ms(self, last: int = _TIMES_COUNT) -> tuple[float, ...]:
        """How long each of the ``last`` syncs took, in ms, as far as they are kept (512 of them)."""
        first = max(0, self.syncs - min(last, _TIMES_COUNT))
        places = (_TIMES_FROM + count % _TIMES_COUNT for count in range(first, self.syncs))
        return tuple(self.values[place] / 1000 for place in places)


def read(site: Site, node: str) -> Words:
    """A node's words; raises NotReadyError where it does not run, or was not made for disk faults."""
    done = site.runtime.execute(node, _READ, timeout_s=_TOOL_S)
    if not done.ok and "No such file" not in done.stderr:
        raise NotReadyError(node, f"cannot be asked about its disk: {done.reason()}")
    values = tuple(int(word) for word in done.stdout.split())
    if len(values) < _TIMES_FROM + _TIMES_COUNT or values[0] != _MAGIC:
        raise NotReadyError(node, "was brought up without the library of disk faults", _REMEDY)
    return Words(values)


def write(site: Site, node: str, place: range, values: tuple[int, ...]) -> None:
    """Set a node's words in ``place``, one after the other, each in one step."""
    argv = ["dd", f"of={CONTROL}", "bs=8", f"seek={place.start}", "conv=notrunc,nocreat", "status=none"]
    packed = struct.pack(f"<{len(values)}Q", *values)
    done = site.runtime.execute(node, argv, timeout_s=_TOOL_S, stdin=packed)
    if not done.ok:
        raise NotReadyError(node, f"its disk cannot be told what to do: {done.reason()}")


def times(when: str, sync_ms: tuple[float, ...]) -> Facts:
    """Median and maximum of what syncs took, as facts of ``when``; none of no syncs."""
    if not sync_ms:
        return {}
    return {
        f"sync_p50_ms_{when}": round(median(sync_ms), 3),
        f"sync_max_ms_{when}": round(max(sync_ms), 3),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFault:
    """A fault of a node's disk; chaos/faults/ names each.

    ``orders`` makes of its settings the words in its ``place``, and ``met`` counts the calls that met it. One
    that delays syncs says what each takes at least (``least_ms``), and is proven by what they took. Where the
    broker may end of it, ``ends`` is the word of its log that says so: a node that ended with it is a proof
    too, and healing brings back what ended.
    """

    summary: str
    parameters: Mapping[str, Parameter]
    place: range
    orders: Callable[[Args], tuple[int, ...]]
    met: Callable[[Words], int]
    least_ms: Callable[[Args], float] | None = None
    ends: str = ""
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False
    needs: str = NEEDS
    ability: Ability = Ability.DISK

    def before(self, site: Site, target: str) -> Facts:
        words = read(site, target)
        return {
            "met_before": self.met(words),
            "syncs_delayed_before": words.syncs_delayed,
            **times("before", words.sync_ms()),
        }

    def inject(self, site: Site, fault: Journaled) -> None:
        write(site, fault.target, self.place, self.orders(fault.args))

    def prove(self, site: Site, fault: Journaled) -> Facts:
        if self.ends and site.state(fault.target) is NodeState.STOPPED:
            return _last_words(site, fault.target, self.ends)
        words = read(site, fault.target)
        met = self.met(words) - int(fault.evidence["met_before"])
        if met <= 0:
            raise NotReadyError(fault.target, "no sync and no write has met the fault yet")
        found = self._delayed_ms(words, fault)
        if self.least_ms and max(found, default=0.0) < self.least_ms(fault.args):
            raise NotReadyError(fault.target, "no sync was measured that took as long as it should")
        return {"calls_met": met, **times("after", found)}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """Take its own orders back, and no others: faults of one disk compose."""
        if site.state(fault.target) is NodeState.STOPPED:
            ended = {"disk": "as it was since the node's process ended"}
            return {**ended, **start_node(site, fault.target)} if self.ends else ended
        words = read(site, fault.target)
        write(site, fault.target, self.place, (0,) * len(self.place))
        if self._stands(read(site, fault.target)):
            raise NotReadyError(fault.target, "its disk still has a fault")
        facts = {"disk": "as it was", **times("during", self._delayed_ms(words, fault))}
        return {**facts, **(_revive(site, fault.target) if self.ends else {})}

    def _delayed_ms(self, words: Words, fault: Journaled) -> tuple[float, ...]:
        """What the syncs took that the fault has delayed; none for a fault that delays none, or was not seen
        to begin."""
        before = fault.evidence.get("syncs_delayed_before")
        if self.least_ms is None or before is None:
            return ()
        return words.sync_ms(max(0, words.syncs_delayed - int(before)))

    def residue(self, site: Site) -> tuple[str, ...]:
        """None on a node without the library, nor on a frozen one, which cannot be asked."""

        def stands(node: str) -> bool:
            with suppress(NotReadyError):
                return self._stands(read(site, node))
            return False

        return alive_where(site, stands)

    def _stands(self, words: Words) -> bool:
        return any(words.values[place] for place in self.place)


def _revive(site: Site, node: str) -> Facts:
    """Start a node anew whose Raft logs have ended. The members of its queues and its metadata are gone with
    them, and the broker, which calls itself running, does not begin them again (seen on 4.3.6, Ra 3.1.10)."""
    done = site.runtime.execute(node, ["rabbitmqctl", "eval", _LOGS_RUN], timeout_s=_TOOL_S)
    if not done.ok:
        raise NotReadyError(node, f"cannot be asked whether its Raft logs run: {done.reason()}")
    if "false" not in done.stdout:
        return {}
    site.say(f"{node}: its Raft logs have ended of the fault and do not begin again; starting the node anew")
    site.runtime.stop(node, grace_s=_GRACE_S)
    return {"started_anew": "its Raft logs had ended", **start_node(site, node)}


def _last_words(site: Site, node: str, word: str) -> Facts:
    said = [line for line in site.runtime.logs(node, lines=_LAST_LINES).splitlines() if word in line]
    if not said:
        raise NotReadyError(node, f"has ended, and its log says nothing of {word}")
    return {"state": NodeState.STOPPED.value, "said": said[-1].strip()[:_LINE_LENGTH]}
