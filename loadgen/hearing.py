"""What is heard from the workers of a run: how far each has come, whether it is connected, how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadgen.collect import Totals
from loadgen.fleet import Fleet, Member
from loadgen.spec import PublisherSpec
from warren.errors import NotReadyError


@dataclass(slots=True, kw_only=True)
class Hearing:
    """Keeps what the members of ``fleet`` say; what a person may want to know goes to ``note``, and a worker
    that took messages and died to ``replace``."""

    fleet: Fleet
    totals: Totals
    vhost: str
    note: Callable[[str], None]
    replace: Callable[[Member], None]
    #: How many messages each publisher has sent, by its index; how far each reader of a stream has read.
    sent: dict[int, int] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    #: Whether any worker has lost its connection.
    lost_any: bool = False
    #: The run has begun, is ending: what an end or a refusal means depends on it.
    begun: bool = False
    ending: bool = False

    def listen(self, timeout_s: float) -> None:
        """Hear whoever speaks within ``timeout_s``. Raises NotReadyError where a worker is refused, or ends,
        before the run has begun."""
        for member, message in self.fleet.listen(timeout_s):
            self._hear(member, message)

    def _hear(self, member: Member, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        if kind in ("tick", "end"):
            self._came_on(member, message)
            member.ended = member.ended or kind == "end"
        elif kind == "ready":
            member.ready = True
            member.connected()
        elif kind == "finished":
            member.finished = True
        elif kind == "refused":
            self._refused(member, message)
        elif kind == "gone":
            self._gone(member)
        elif kind == "lost":
            self._cut_off(member, f"{message['where']}: {message['what']}")
        elif kind == "connected":
            member.connected()
            self.note(f"{member.name} connected to {message['where']}")
        else:
            self.note(f"{member.name} {message['text']}")

    def _came_on(self, member: Member, message: Mapping[str, Any]) -> None:
        self.totals.add(member.name, message)
        if message.get("offset") is not None:
            self.offsets[member.name] = int(message["offset"])
        if isinstance(member.spec, PublisherSpec):
            self.sent[member.spec.index] = self.totals.published_by(member.name)

    def _refused(self, member: Member, message: Mapping[str, Any]) -> None:
        """Once the run has begun a node on its way down looks the same: the worker tells of it as lost next,
        and tries again."""
        if self.begun:
            return
        user, what = member.spec.link.credentials.username, str(message["what"])
        remedy = "check the account, its password, its permissions and the virtual host"
        if what.startswith("TLS"):
            remedy = "check the address, the certificate's dates and the authority (--ca-file)"
        where = str(message.get("where", "broker"))
        raise NotReadyError(where, f"{user!r} does not get into {self.vhost}: {what}", remedy)

    def _cut_off(self, member: Member, why: str) -> None:
        """Each vain try to connect says so once and not again and again, for as long as none succeeds."""
        told = f"{member.name} {'lost' if member.linked else 'does not reach'} {why}"
        self.lost_any, member.linked, member.last_error = True, False, why
        if told not in member.tries_told:
            member.tries_told.add(told)
            self.note(told)

    def _gone(self, member: Member) -> None:
        let_go = member.ended
        if not let_go:
            self.totals.died(member.name, time.monotonic_ns())
        member.ended = member.finished = True
        member.linked = False
        if self.ending or let_go:
            return
        why = self.fleet.why_gone(member)
        if not (member.ready or self.begun):
            raise NotReadyError(f"load worker {member.name}", f"ended before it was ready: {why}")
        self.totals.counts["died"] += 1
        self.note(f"{member.name} died: {why}; its part of the ledger is kept")
        if not isinstance(member.spec, PublisherSpec):
            self.replace(member)
