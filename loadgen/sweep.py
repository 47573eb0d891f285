"""The highest rate at which a profile's verdict holds, and latency from nearly nothing to just above it.

Each trial is a real run. The search doubles the rate until a run does not pass, then halves the distance;
what it found must pass once more, since one run alone may be luck. Then each share of that rate is run and
measured: latency against throughput.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from warren.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, EXIT_OK, StoppedError
from warren.results import LoadResult, Verdict

SCHEMA = 1
SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0, 1.05)
#: Rates outside of these are not tried.
LOWEST_PER_S, HIGHEST_PER_S = 1.0, 1_000_000.0
#: Publishing may end this share of its time later than planned, and so many seconds for the last confirms;
#: later than that, the rate was not held but paid off at the end.
_LATE_SHARE, _LATE_S = 0.02, 0.5

_INTERRUPTED = "interrupted"

#: Does one run at a rate (messages per second).
Try = Callable[[float], LoadResult]
#: Told of each run: what it was for, and what came of it.
Tell = Callable[[str, "Trial"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to search. ``precision`` is the share by which the highest passing and the lowest failing rate may
    differ; ``trials`` bounds the search."""

    start_per_s: float
    precision: float = 0.05
    trials: int = 24
    shares: tuple[float, ...] = SHARES


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run. ``share`` is of the highest rate, None while it is searched for; latencies in seconds.
    ``planned_s`` is how long publishing was to last, ``took_s`` how long it did until the last confirm."""

    rate_per_s: float
    share: float | None
    run_id: str
    verdict: str
    reasons: tuple[str, ...]
    published_per_s: float
    consumed_per_s: float
    planned_s: float
    took_s: float
    lost: int
    confirm_p50_s: float
    confirm_p99_s: float
    confirm_p999_s: float
    end_to_end_p50_s: float
    end_to_end_p99_s: float
    end_to_end_p999_s: float
    own_lag_p99_s: float
    interrupted: bool = False

    @property
    def reached(self) -> bool:
        """Whether the rate was held to the end, however late single messages were."""
        return not self.planned_s or self.took_s <= self.planned_s * (1 + _LATE_SHARE) + _LATE_S

    @property
    def passed(self) -> bool:
        return self.verdict == Verdict.PASSED.value and self.reached

    @property
    def why(self) -> str:
        """Why it did not pass, in one line."""
        if self.passed:
            return ""
        if self.verdict == Verdict.PASSED.value:
            return f"publishing took {self.took_s:.1f} s instead of {self.planned_s:.1f} s"
        return self.reasons[0] if self.reasons else self.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What was found. ``highest_per_s`` is None where not even the lowest rate passed; ``limited_by`` is why
    the next higher one did not, empty where the search ended before one failed."""

    profile: str
    highest_per_s: float | None
    limited_by: str
    search: tuple[Trial, ...]
    points: tuple[Trial, ...]
    stopped: str = ""

    @property
    def unsteady(self) -> str:
        """What makes the answer doubtful: a lower rate that did not pass where a higher one did."""
        lower = [each for each in self.points if each.share and each.share < 1 and not each.passed]
        if not lower:
            return ""
        shares = ", ".join(f"{each.share or 0:.0%}" for each in lower)
        return f"{shares} of it did not pass: something else was at work, measure again on a quieter machine"

    @property
    def exit_code(self) -> int:
        """0 found; 1 messages were lost on the way; 4 no rate passed, or not steadily; 130 ^C."""
        trials = (*self.search, *self.points)
        if any(each.interrupted for each in trials) or self.stopped == _INTERRUPTED:
            return EXIT_INTERRUPTED
        if any(each.lost for each in trials):
            return EXIT_FAILED
        return EXIT_INCONCLUSIVE if self.highest_per_s is None or self.unsteady else EXIT_OK

    def to_dict(self) -> dict[str, Any]:
        plain = {"schema": SCHEMA, **asdict(self), "unsteady": self.unsteady}
        for key, trials in (("search", self.search), ("points", self.points)):
            plain[key] = [{**asdict(each), "passed": each.passed, "why": each.why} for each in trials]
        return plain


class _StopError(Exception):
    """No more runs: ^C, or messages were lost, which no lower rate excuses."""


class Sweeper:
    """Runs the plan; ``attempt`` does one run, ``tell`` hears of each."""

    def __init__(self, plan: Plan, attempt: Try, tell: Tell) -> None:
        self._plan = plan
        self._attempt = attempt
        self._tell = tell
        self._search: list[Trial] = []
        self._points: list[Trial] = []
        self._limit = ""

    def run(self, profile: str) -> Sweep:
        """Search, then measure."""
        highest, stopped = None, ""
        try:
            highest = self._confirmed(self._bisect(*self._bracket()))
            for share in self._plan.shares if highest else ():
                assert highest is not None  # noqa: S101 - the line above
                self._points.append(self._once(highest * share, share, f"{share:.0%} of it"))
        except _StopError as stop:
            stopped = str(stop)
        return Sweep(
            profile=profile,
            highest_per_s=highest,
            limited_by=self._limit,
            search=tuple(self._search),
            points=tuple(self._points),
            stopped=stopped,
        )

    def _bracket(self) -> tuple[float | None, float | None]:
        """(a rate that passed, a higher one that did not); None for one that was not found."""
        rate = self._plan.start_per_s
        if not self._passes(rate):
            while rate > LOWEST_PER_S and self._left():
                failed, rate = rate, max(LOWEST_PER_S, rate / 2)
                if self._passes(rate):
                    return rate, failed
            return None, rate
        while rate < HIGHEST_PER_S and self._left():
            passed, rate = rate, min(HIGHEST_PER_S, rate * 2)
            if not self._passes(rate):
                return passed, rate
        return rate, None

    def _bisect(self, passed: float | None, failed: float | None) -> float | None:
        if passed is None or failed is None:
            return passed
        while failed > passed * (1 + self._plan.precision) and self._left():
            middle = (passed + failed) / 2
            if self._passes(middle):
                passed = middle
            else:
                failed = middle
        return passed

    def _confirmed(self, rate: float | None) -> float | None:
        """``rate``, or the next lower one by the precision, that passes once more."""
        while rate is not None and rate >= LOWEST_PER_S:
            if self._passes(rate, "once more"):
                return rate
            rate = rate / (1 + self._plan.precision) if self._left() else None
        return None

    def _left(self) -> bool:
        return len(self._search) < self._plan.trials

    def _passes(self, rate: float, what: str = "search") -> bool:
        trial = self._once(rate, None, what)
        self._search.append(trial)
        if not trial.passed:
            self._limit = trial.why
        return trial.passed

    def _once(self, rate: float, share: float | None, what: str) -> Trial:
        try:
            result = self._attempt(round(rate, 3))
        except StoppedError as error:
            raise _StopError(_INTERRUPTED) from error
        trial = trial_of(result, rate=round(rate, 3), share=share)
        self._tell(what, trial)
        if trial.lost or trial.interrupted:
            (self._points if share is not None else self._search).append(trial)
            raise _StopError(f"{trial.lost} messages were lost" if trial.lost else _INTERRUPTED)
        return trial


def trial_of(result: LoadResult, *, rate: float, share: float | None) -> Trial:
    """The figures of a run that a sweep shows."""
    confirm, end_to_end = result.latency_s.confirm, result.latency_s.end_to_end
    published_per_s = result.rates.published_per_s
    return Trial(
        rate_per_s=rate,
        share=share,
        run_id=result.run_id,
        verdict=result.verdict.value,
        reasons=result.reasons,
        published_per_s=published_per_s,
        planned_s=result.phases[-1].t_to_s if result.phases else 0.0,
        took_s=round(result.ledger.published / published_per_s, 3) if published_per_s else 0.0,
        consumed_per_s=result.rates.consumed_per_s,
        lost=result.ledger.lost,
        confirm_p50_s=confirm.p50,
        confirm_p99_s=confirm.p99,
        confirm_p999_s=confirm.p999,
        end_to_end_p50_s=end_to_end.p50,
        end_to_end_p99_s=end_to_end.p99,
        end_to_end_p999_s=end_to_end.p999,
        own_lag_p99_s=result.latency_s.schedule_lag_self.p99,
        interrupted=result.interrupted,
    )


def text(found: Sweep) -> str:
    """The sweep as a table, the answer first."""
    lines = [_answer(found), ""]
    rows: list[tuple[str, ...]] = [
        ("share", "asked/s", "published/s", "confirm p50", "p99", "end to end p50", "p99", "p99.9", "")
    ]
    rows += [_cells(each) for each in found.points]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows if found.points else ():
        lines.append("  ".join(_aligned(row, widths)).rstrip())
    return "\n".join(lines).rstrip()


def _answer(found: Sweep) -> str:
    if found.highest_per_s is None:
        why = found.stopped or found.limited_by or "no run was made"
        return f"{found.profile}: no rate was found that passes ({why})"
    answer = f"{found.profile}: the highest rate that passes is {found.highest_per_s:.0f}/s"
    limit = f"; above it: {found.limited_by}" if found.limited_by else ""
    doubts = "".join(
        f"\n{each}" for each in (found.stopped and f"stopped: {found.stopped}", found.unsteady) if each
    )
    return answer + limit + doubts


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    yield from (cell.rjust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True))
    yield row[-1]


def _cells(trial: Trial) -> tuple[str, ...]:
    shown = [trial.confirm_p50_s, trial.confirm_p99_s]
    shown += [trial.end_to_end_p50_s, trial.end_to_end_p99_s, trial.end_to_end_p999_s]
    return (
        f"{trial.share or 0:.0%}",
        f"{trial.rate_per_s:.0f}",
        f"{trial.published_per_s:.0f}",
        *(f"{each * 1000:.1f} ms" for each in shown),
        trial.why,
    )
