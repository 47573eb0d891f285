"""Whether a run showed what was done to it, no more and no less."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadgen.selftest.cases import Case
from warren.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK
from warren.results import LoadResult, Verdict

#: Figures of the ledger that are no class of trouble: how much there was, and the publishers' own attempts.
_VOLUME = frozenset(("published", "confirmed", "received", "deliveries", "republished", "lost_examples"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One case. ``found`` has the classes that were not at rest; ``contradicted`` the counters by which the
    broker's own account differs from the run's, None where there is none; ``faults`` says what is wrong."""

    case: str
    does: str
    did: int
    expected: Mapping[str, int]
    found: Mapping[str, int]
    verdict: Verdict
    contradicted: tuple[str, ...] | None
    run_id: str
    faults: tuple[str, ...] = ()
    bit: bool = True

    @property
    def passed(self) -> bool:
        return self.bit and not self.faults


def classes(result: LoadResult) -> dict[str, int]:
    """Every class of trouble that a result shows, with its count; order that was not judged shows none."""
    found: dict[str, int] = {}
    for name, value in dataclasses.asdict(result.ledger).items():
        if name in _VOLUME:
            continue
        if isinstance(value, Mapping):
            found.update({f"{name}.{key}": count for key, count in value.items() if count})
        elif value:
            found[name] = value
    if late := result.availability.failed_publishes:
        found["late_publishes"] = late
    return found


def judge(case: Case, report: Mapping[str, Any], result: LoadResult) -> Outcome:
    """Hold the middleman's ``report`` against the run's ``result``."""
    did = int(report["did"] if case.purge_at_s is None else report["vanished"])
    expected = {name: times * did for name, times in case.shows.items()}
    found = classes(result)
    return Outcome(
        case=case.name,
        does=case.does,
        did=did,
        expected=expected,
        found=found,
        verdict=result.verdict,
        contradicted=contradicted(result),
        run_id=result.run_id,
        faults=tuple(_faults(case, report, result, expected, found)),
        bit=did > 0 or case.name == "clean",
    )


def _faults(
    case: Case,
    report: Mapping[str, Any],
    result: LoadResult,
    expected: Mapping[str, int],
    found: Mapping[str, int],
) -> Sequence[str]:
    faults = [
        f"{name}: {found.get(name, 0)} found, {expected.get(name, 0)} expected"
        for name in sorted({*expected, *found})
        if found.get(name, 0) != expected.get(name, 0)
    ]
    heard = contradicted(result)
    if heard is not None and heard != case.contradicts:
        faults.append(f"the broker's counts contradict {_names(heard)}, not {_names(case.contradicts)}")
    wanted = case.verdict
    if wanted is Verdict.PASSED and heard:
        wanted = Verdict.INCONCLUSIVE
    if result.verdict is not wanted:
        faults.append(f"verdict {result.verdict}, not {wanted}: {'; '.join(result.reasons)}")
    slowest = result.latency_s.end_to_end.max
    if slowest < case.slows_s:
        faults.append(f"the slowest delivery took {slowest:.3f} s, though held for {case.slows_s:g} s")
    ledger = result.ledger
    if ledger.published != ledger.confirmed + ledger.nacked + ledger.in_doubt:
        faults.append("published is not confirmed + nacked + in doubt")
    faults += [f"middleman: {problem}" for problem in report.get("problems", ())]
    return faults


def contradicted(result: LoadResult) -> tuple[str, ...] | None:
    """The broker's counters that do not fit what the run counted, by name; None where nothing can be said:
    they were not to be had, or somebody else was on the cluster."""
    account = result.reconciliation
    if account is None or account["explained"]:
        return None
    return tuple(sorted(name for name, each in account["counters"].items() if not each["agrees"]))


def _names(counters: Sequence[str]) -> str:
    return ", ".join(counters) or "nothing"


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 when each case passed, 1 when one showed something else, 4 when one did nothing at all."""
    if any(each.faults for each in outcomes):
        return EXIT_FAILED
    return EXIT_OK if outcomes and all(each.bit for each in outcomes) else EXIT_INCONCLUSIVE


def table(outcomes: Sequence[Outcome]) -> str:
    """A row per case, and below what is wrong with those that failed."""
    rows = [("case", "did", "expected", "found", "contradicted by the broker", "verdict", "result")]
    rows += [
        (
            each.case,
            str(each.did),
            _shown(each.expected),
            _shown(each.found),
            "not known" if each.contradicted is None else _names(each.contradicted),
            str(each.verdict),
            _word(each),
        )
        for each in outcomes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    faults = [f"{each.case} ({each.run_id}): {fault}" for each in outcomes for fault in each.faults]
    return "\n".join([*(line.rstrip() for line in lines), *faults])


def as_dict(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """For ``--json``."""
    cases = [{**dataclasses.asdict(each), "passed": each.passed} for each in outcomes]
    return {"schema": 1, "passed": all(each.passed for each in outcomes), "cases": cases}


def _shown(figures: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(figures.items()) if count) or "nothing"


def _word(outcome: Outcome) -> str:
    if outcome.faults:
        return "WRONG"
    return "ok" if outcome.bit else "did nothing"
