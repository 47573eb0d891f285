"""Heals what a driver left that died while it held a fault: SIGKILL, a lost terminal, no memory.

The driver starts it before the act, in a session of its own, and holds the only writing end of a pipe to it.
However the driver ends, the kernel closes that end; the watchdog then looks into the journal, and heals what
is still open. A time limit ends what a driver holds that lives and does not come to its end.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chaos.context import ChaosContext
from chaos.healing import HealReport, heal_these
from chaos.striking import belongs
from warren.errors import NotReadyError

#: How much longer than its hold a fault may last before the watchdog ends it: an act, its proof and a look at
#: who leads now may each take their own deadline.
SLACK_S = 120.0
_LEAVES_S = 5.0


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Starts ``command``, which is to run `keep_watch` on its standard input; ``log`` gets what it says."""

    command: Sequence[str]
    log: Path

    @contextmanager
    def __call__(self, fault_id: str, *, within_s: float) -> Iterator[None]:
        """Watch over ``fault_id`` for as long as the block lasts, at most ``within_s`` seconds.

        Raises NotReadyError, before anything is broken, where it cannot be started.
        """
        reads, writes = os.pipe()  # neither is inherited, but for what the dog is given as its input
        try:
            dog = self._started([*self.command, fault_id, f"{within_s:g}"], reads)
        except BaseException:
            os.close(writes)
            raise
        finally:
            os.close(reads)
        try:
            yield
        finally:
            os.close(writes)
            with suppress(subprocess.TimeoutExpired):  # it may have to heal what could not be healed here
                dog.wait(_LEAVES_S)

    def _started(self, argv: Sequence[str], pipe: int) -> subprocess.Popen[bytes]:
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                return subprocess.Popen(argv, stdin=pipe, stdout=log, stderr=log, start_new_session=True)
            finally:
                os.close(log)
        except OSError as error:
            raise NotReadyError("watchdog", f"cannot be started: {error.strerror}") from error


def keep_watch(context: ChaosContext, fault_id: str, *, within_s: float, pipe: int) -> HealReport | None:
    """Wait until the other end of ``pipe`` is closed, or ``within_s`` seconds, and heal the fault if it is
    open then, or where ``fault_id`` names a game day, all of its faults; None where none is open.

    Raises as `chaos.engine.heal` does."""
    select.select([pipe], [], [], within_s)
    with context.journal.exclusive():
        left = [
            fault
            for fault in context.journal.open_faults()
            if belongs(fault, fault_id) or fault.run_id == fault_id
        ]
        if not left:
            return None
        context.say(f"{fault_id}: its driver is gone, or {within_s:g} s are over; healing it")
        return heal_these(context, left)
