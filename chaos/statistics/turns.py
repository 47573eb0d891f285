"""Runs game days one after the other: within a budget of time, each record kept as it ends, resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaos.record import GameDay, Verdict
from chaos.statistics.store import Store, Trouble, Turn
from warren.console import Say
from warren.errors import BadInputError, NotReadyError, StoppedError, WarrenError
from warren.stats import median
from warren.wait import Clock

#: The turns that are made in one run, side by side; most often one.
Bout = tuple[Turn, ...]
#: Does one run, and gives the record of each of its turns. Raises StoppedError or KeyboardInterrupt where the
#: user stops it, and another WarrenError where it could not be made; both after everything was healed.
Conduct = Callable[[Bout], Sequence[GameDay]]
#: So many runs in a row that cannot be made say that the cluster is at fault, and not the runs.
TROUBLES_IN_A_ROW = 3
INTERRUPTED = "it was interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What runs are made with. ``budget_s`` is the time that all may take together, None: any. ``mend`` puts
    the cluster back, after a run that hung or could not be made: else none that follows would be. ``kin``
    says of a cell which others may take as long: all those of which it says the same."""

    conduct: Conduct
    store: Store
    clock: Clock
    say: Say
    budget_s: float | None = None
    mend: Callable[[], None] = lambda: None
    kin: Callable[[str], str] = lambda cell: cell


def derived_seed(seed: int, *parts: object) -> int:
    """A seed of its own for each of ``parts``, the same every time: 31 bits, from SHA-256."""
    text = ":".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def run(bouts: Sequence[Bout], means: Means) -> str:
    """Do those of ``bouts`` of which the store does not have every turn, in their order; return why it ended
    before the last of them, empty where it did not.

    A run begins only if as much of the budget is left as the longest of its cell took so far, or for the
    first of a cell the longest of its kin, or for the first of these the median of all (most are short, and
    one that waits for what the broker holds back is not the measure of them); the very first always begins.
    What cannot be made is noted, and a
    refused cell left alone; when the cluster was not ready `TROUBLES_IN_A_ROW` times the rest is given up.
    """
    have = means.store.read().days
    course = _Course(means)
    waiting = [bout for bout in bouts if not all(turn in have for turn in bout)]
    for number, bout in enumerate(waiting, start=1):
        if course.refused.intersection(turn.cell for turn in bout):
            continue
        if not course.fits(bout):
            return f"the budget of {means.budget_s:g} s was used up"
        cells, first = " and ".join(turn.cell for turn in bout), bout[0]
        means.say(f"run {number} of {len(waiting)}: {cells}, repeat {first.repeat + 1}, seed {first.seed}")
        stopped = course.attempt(bout)
        if stopped:
            return stopped
    return ""


class _Course:
    """The going of one command: how long runs took, what was refused, how many in a row failed."""

    def __init__(self, means: Means) -> None:
        self.refused: set[str] = set()
        self._means = means
        self._began_s = means.clock.now()
        self._longest_s: dict[str, float] = {}
        self._in_a_row = 0

    def fits(self, bout: Bout) -> bool:
        if self._means.budget_s is None or not self._longest_s:
            return True
        gone_s = self._means.clock.now() - self._began_s
        return gone_s + self._expected_s(bout[0].cell) <= self._means.budget_s

    def _expected_s(self, cell: str) -> float:
        kin = self._means.kin
        alike = [took_s for each, took_s in self._longest_s.items() if kin(each) == kin(cell)]
        own_s = self._longest_s.get(cell)
        return own_s or (max(alike) if alike else median(list(self._longest_s.values())))

    def attempt(self, bout: Bout) -> str:
        """Do one run and keep it; return why no other one may follow, empty where it may."""
        means, began_s = self._means, self._means.clock.now()
        try:
            found = means.conduct(bout)
        except (KeyboardInterrupt, StoppedError):
            return INTERRUPTED
        except WarrenError as error:
            return self._troubled(bout, error)
        if cut := next((each for each in found if _was_cut_short(each)), None):
            why = cut.reasons[0] if cut.reasons else "its load was told to stop"
            return self._troubled(bout, NotReadyError(cut.run_id, f"was cut short: {why}"))
        took_s, first = means.clock.now() - began_s, bout[0].cell
        self._in_a_row = 0
        self._longest_s[first] = max(took_s, self._longest_s.get(first, 0.0))
        for turn, day in zip(bout, found, strict=True):
            means.store.keep(turn, day)
            reason = f": {day.reasons[0]}" if day.reasons else ""
            means.say(f"  {f'{turn.cell} ' if len(bout) > 1 else ''}{day.verdict.value}{reason}")
        if any(day.verdict is Verdict.HANG for day in found):
            self._mend()
        return ""

    def _mend(self) -> None:
        try:
            self._means.mend()
        except WarrenError as error:  # the next run's gate will say it too
            self._means.say(f"  {error.where}: {error.what}")

    def _troubled(self, bout: Bout, error: WarrenError) -> str:
        refused = isinstance(error, BadInputError)
        for turn in bout:
            self._means.store.note(Trouble(turn=turn, where=error.where, what=error.what, refused=refused))
        self._means.say(f"  not made: {error.where}: {error.what}")
        if refused:
            self.refused.update(turn.cell for turn in bout)
            return ""
        if isinstance(error, NotReadyError):
            self._in_a_row += 1
            self._mend()
        if self._in_a_row < TROUBLES_IN_A_ROW:
            return ""
        return f"{self._in_a_row} runs in a row could not be made; the last: {error.where}: {error.what}"


def _was_cut_short(day: GameDay) -> bool:
    """Whether trouble ended it early, so that it is no repeat of the others. One that a stop condition ended
    is: it failed."""
    return bool(day.load.get("interrupted")) and day.verdict is Verdict.INCONCLUSIVE
