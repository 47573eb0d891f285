"""The steps of a run; `engine.run` takes them in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from loadgen import parts, roster
from loadgen.catching_up import unread
from loadgen.collect import Totals
from loadgen.curve import SECOND_NS
from loadgen.evidence import Evidence, read_evidence
from loadgen.expectation import Expectation
from loadgen.fleet import PROGRAM, Fleet, Member
from loadgen.hearing import Hearing
from loadgen.interrupts import Interrupts
from loadgen.judge import missing, waits_for
from loadgen.replacing import Replacements
from loadgen.spec import ConsumerSpec, LoadSpec, PublisherSpec
from loadgen.suspicion import Suspicion
from loadgen.telling import Emit, Telling
from warren.errors import NotReadyError, StoppedError

#: What is started together with others waits for the last of them.
_HOLD_DEADLINE_S = 300.0
_START_AHEAD_NS = 200_000_000
_LISTEN_S = 0.1
_CHECK_EVERY_S = 0.5
#: After the ledger is complete: time for a duplicate that is on its way to show itself.
QUIET_S = 1.0
_END_DEADLINE_S = 15.0
#: What a closed connection held comes at once; the rest is for connecting to another node.
_ANEW_S = 30.0
#: Messages of a publisher that are looked at between two turns of listening: some 10 ms.
_PREPARED_AT_ONCE = 5_000


class Run:
    """One run; its steps in order are those of `run`."""

    def __init__(
        self, spec: LoadSpec, emit: Emit, interrupts: Interrupts, *, program: Sequence[str] = PROGRAM
    ) -> None:
        self.spec = spec
        self.totals = Totals()
        self.t0_ns = 0
        self.clock_offset_ns = 0
        #: How long a complete drain has waited for nothing at its end.
        self.quiet_s = QUIET_S
        self._telling = Telling(spec, self.totals, emit)
        self.notes, self._note = self._telling.notes, self._telling.note
        self._interrupts = interrupts
        self._ledger = Path(spec.folder) / "ledger"
        workers = Path(spec.folder) / "workers"
        for folder in (self._ledger, workers):
            folder.mkdir(parents=True, mode=0o700)
        self._fleet = Fleet(workers, program)
        self._consumers: list[str] = []
        self._publishers: list[str] = []
        self._replacements = Replacements(spec, str(self._ledger))
        self._hearing = Hearing(
            fleet=self._fleet,
            totals=self.totals,
            vhost=spec.vhost,
            note=self._note,
            replace=self._replace,
        )
        #: Why what is missing after the drain may still be in the broker.
        self.unfinished = ""
        #: How many came only when the consumers had connected anew.
        self.stuck = 0

    # --- steps

    def open(self) -> None:
        """Start every worker and wait until each is connected. Raises NotReadyError when one is not."""
        folder = str(self._ledger)
        for consumer in roster.consumers(self.spec, folder, begins="before_publishing"):
            self._consumers.append(self._fleet.start(consumer).name)
        self._until_ready(self._consumers)
        for publisher in roster.publishers(self.spec, folder):
            self._publishers.append(self._fleet.start(publisher).name)
        self._until_ready(self._publishers)

    def hold(self, released: Callable[[], bool]) -> None:
        """Say that this is ready, and wait to be released. Raises NotReadyError when nobody does."""
        self._telling.ready()
        end = time.monotonic() + _HOLD_DEADLINE_S
        while not released() and not self._interrupts.count:
            self._listen()
            if time.monotonic() > end:
                what = f"was ready, and not released within {_HOLD_DEADLINE_S:g} s"
                raise NotReadyError("load", what, "start it again")

    def publish(self, expected: Expectation) -> int:
        """Publish for the run's duration; returns when the last publisher was done (monotonic ns).

        What is ``expected`` of the messages is worked out on the way, so that no drain has to wait for it.
        """
        now_ns = time.monotonic_ns()
        self.clock_offset_ns = time.time_ns() - now_ns
        self.t0_ns = now_ns + _START_AHEAD_NS
        if self.spec.start_at_s is not None:
            offset_ns = self.clock_offset_ns
            self.t0_ns = parts.start_ns(self.spec.start_at_s, now_ns=now_ns, clock_offset_ns=offset_ns)
        self._telling.begin(self.t0_ns)
        self._hearing.begun = True
        self._suspicion = Suspicion(self.spec.hold_back_s, time.monotonic)
        self._start(self._consumers + self._publishers)
        longest_s = self.spec.duration_s + self.spec.publish_deadline_s + _END_DEADLINE_S
        end_ns = self.t0_ns + int(longest_s * SECOND_NS)
        stopped = False
        while not all(self._fleet.members[name].finished for name in self._publishers):
            self._listen()
            for publisher, count in self._hearing.sent.items():
                expected.prepare(publisher, count, most=_PREPARED_AT_ONCE)
            self._look_for_lost(expected, self._read)
            if self._interrupts.count and not stopped:
                stopped = True
                self._note("interrupted: no more is published, what is under way is drained and judged")
                self._fleet.command(self._publishers, "stop")
            if self._interrupts.count > 1:
                break
            if time.monotonic_ns() > end_ns:
                self._note("a publisher did not finish in time")
                break
        return time.monotonic_ns()

    def _read(self) -> Evidence:
        """As much of the evidence as tells what is missing."""
        return read_evidence(self._ledger, logs_of=self._publishers)

    def _look_for_lost(self, expected: Expectation, read: Callable[[], Evidence]) -> None:
        """Suspect, now and then; in a part of a run another part may have what is missing here."""
        if self.spec.part is None:
            self._suspicion.look(read, expected)
            self._telling.suspected = self._suspicion.count

    def _start(self, names: list[str]) -> None:
        ahead_ns = self.clock_offset_ns if self.spec.part is not None else 0
        self._fleet.command(names, "start", t0_ns=self.t0_ns, body_clock_ns=ahead_ns)

    def _open_late(self) -> None:
        """Start those that begin when all is published."""
        began_s = (self.t0_ns + self.clock_offset_ns) / SECOND_NS
        late = roster.consumers(
            self.spec, str(self._ledger), begins="after_publishing", began_epoch_s=began_s
        )
        names = [self._fleet.start(consumer).name for consumer in late]
        self._consumers += names
        self._start(names)

    def drain(self, expected: Expectation) -> bool:
        """Wait until nothing confirmed is missing and readers of streams are at the end; False when the
        wait was given up or skipped."""
        self._telling.step = "drain"
        self._fleet.command(self._consumers, "release")
        self._open_late()
        if self.spec.part is not None:
            return self._drain_part()
        spec = self.spec
        left = self._await_all(expected, spec.drain_silence_s + spec.hold_back_s)
        if left and not self._deserted():
            left = self._await_anew(expected, left)
        if left:
            self.unfinished = self._deserted()
        return self._skipped() if left is None else not left

    def _await_anew(self, expected: Expectation, missing_count: int) -> int | None:
        """Have the consumers connect anew before anything is called lost, and wait once more.

        A broker may never take what a consumer has said of a message (docs/surprises.md): then it keeps the
        message for a consumer that is done with it, for as long as that one stays connected. In the lab the
        host does something too: `unsticking`.
        """
        spec = self.spec
        self._note("the consumers connect anew, for what the broker may still keep for them")
        self._telling.anew()
        self._fleet.command(self._consumers, "anew")
        left = self._await_all(expected, min(spec.drain_silence_s, _ANEW_S) + spec.hold_back_s)
        if left is not None:
            self.stuck = max(0, missing_count - left)
        return left

    def _await_all(self, expected: Expectation, silence_s: float) -> int | None:
        """Wait until nothing is missing (0), or nothing came for ``silence_s``: how many then are missing.
        None: the wait was skipped."""
        last_ns, before, empty_ns, settled = time.monotonic_ns(), -1, 0, False
        while self._interrupts.count < 2:  # noqa: PLR2004 - the second ^C skips the drain
            evidence = self._read()
            self._look_for_lost(expected, lambda: evidence)  # noqa: B023 - it is called at once
            gone = missing(evidence, expected)
            waiting = sum(bits.bit_count() for bits in gone.values()) + self._unread()
            if not waiting and settled:
                self.quiet_s = (time.monotonic_ns() - empty_ns) / SECOND_NS
                return 0
            settled = not waiting
            if settled:
                empty_ns = time.monotonic_ns()
                self._settle()
                continue
            now = time.monotonic_ns()
            if waiting != before:
                before, last_ns = waiting, now
            if now - last_ns > silence_s * SECOND_NS:
                self._note(f"the drain gave up: nothing came for {silence_s:g} s, {waiting} still missing")
                return waiting
            left_s = silence_s - (now - last_ns) / SECOND_NS
            self._telling.waits_for = waits_for(gone, self._unread(), self.spec.hold_back_s, left_s)
            self._pause(_CHECK_EVERY_S)
        return None

    def _skipped(self) -> bool:
        self._note("the drain was skipped")
        self.unfinished = "it was skipped"
        return False

    def _deserted(self) -> str:
        """Says so where nobody takes from a queue any more: what waits there is not lost."""
        taking = {member.role for name in self._consumers if (member := self._fleet.members[name]).linked}
        wanted = [role for role in self.spec.takers if role.does in ("work", "finish")]
        left = [role for role in wanted if role.name not in taking]
        return f"nobody was connected to take from {left[0].queue}" if left else ""

    def _settle(self) -> None:
        """Wait for what nobody expects, and let the publishers go.

        One that the broker blocked to the end has messages in its socket. They may be stored and confirmed
        until its connection is closed: only then what is confirmed is all, and has to be looked for again.
        """
        self._telling.waits_for = ""
        self._pause(QUIET_S)
        self._finish(self._publishers)

    def _unread(self) -> int:
        specs = (self._fleet.members[name].spec for name in self._consumers)
        return unread((spec for spec in specs if isinstance(spec, ConsumerSpec)), self._hearing.offsets)

    def _drain_part(self) -> bool:
        """Wait until nothing has come for a while: what is missing here may be another part's to have.

        After a lost connection, what the broker holds back for it is waited for in full.
        """
        last_ns, before = time.monotonic_ns(), -1
        while self._interrupts.count < 2:  # noqa: PLR2004 - the second ^C skips the drain
            spec, now = self.spec, time.monotonic_ns()
            silence_s = (
                spec.drain_silence_s if self._hearing.lost_any else spec.part_silence_s
            ) + spec.hold_back_s
            if self.totals.counts["consumed"] != before:
                before, last_ns = self.totals.counts["consumed"], now
            left_s = silence_s - (now - last_ns) / SECOND_NS
            if left_s <= 0:
                self.quiet_s = silence_s
                return True
            self._telling.waits_for = f"messages of any part (ends after {left_s:.0f} s of silence)"
            self._pause(min(_CHECK_EVERY_S, left_s))
        return self._skipped()

    def close(self) -> None:
        """End the workers; each flushes its acks first."""
        self._telling.step, self._hearing.ending = "end", True
        self._finish([*self._fleet.members])
        self._fleet.close(timeout_s=2.0)

    def _finish(self, names: Sequence[str]) -> None:
        """Tell workers to end, and wait until they have, or will not in time."""
        left = [self._fleet.members[name] for name in names if not self._fleet.members[name].ended]
        self._fleet.command([each.name for each in left], "finish")
        end = time.monotonic() + _END_DEADLINE_S
        while time.monotonic() < end and not all(each.ended for each in left):
            self._listen()

    # --- listening

    def _until_ready(self, names: list[str]) -> None:
        end = time.monotonic() + self.spec.ready_deadline_s
        while not all(self._fleet.members[name].ready for name in names):
            self._listen()
            if self._interrupts.count:
                raise StoppedError("load", "interrupted before the run began")
            if time.monotonic() > end:
                late = next(each for each in self._fleet.members.values() if not each.ready)
                last, limit_s = late.last_error or "nothing", self.spec.ready_deadline_s
                raise NotReadyError(
                    f"load worker {late.name}",
                    f"did not connect within {limit_s:g} s; last: {last}",
                    "see whether the cluster is up (warren cluster status) and listens there",
                )

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._interrupts.count < 2:  # noqa: PLR2004
            self._listen()

    def _listen(self) -> None:
        self._hearing.listen(_LISTEN_S)
        self._telling.tick()

    def _replace(self, member: Member) -> None:
        """Start another process in place of a dead one that took messages."""
        spec = self._replacements.next(member.spec)
        if spec is None:
            self._note("no more consumers are restarted")
            return
        self._consumers.append(self._fleet.start(spec).name)
        self._start([spec.name])

    @property
    def publisher_died(self) -> bool:
        return any(
            isinstance(each.spec, PublisherSpec) and each.process.returncode not in (None, 0)
            for each in self._fleet.members.values()
        )

    @property
    def worker_names(self) -> tuple[list[str], list[str]]:
        """(publishers, consumers of work)"""
        work = [
            name
            for name in self._consumers
            if not (isinstance(spec := self._fleet.members[name].spec, ConsumerSpec) and spec.does != "work")
        ]
        return self._publishers, work

    def evidence(self) -> Evidence:
        return read_evidence(self._ledger)

    @property
    def interrupted(self) -> bool:
        return self._interrupts.count > 0
