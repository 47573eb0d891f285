"""Several results as one: the worst verdict with its reasons, ledgers summed, histograms merged exactly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from loadgen import summary, summing
from loadgen.collect import Totals
from loadgen.histogram import record
from loadgen.measured import Measured
from loadgen.spec import LoadSpec
from loadgen.summing import Part
from loadgen.verdict import Timing
from warren.results import Availability, Ledger, LoadResult, ThresholdOutcome, Verdict

SECOND = 1_000_000_000
AT = datetime(2026, 1, 1, tzinfo=UTC)


def part(
    name: str,
    verdict: Verdict = Verdict.PASSED,
    *,
    start_s: int = 100,
    latency_s: float = 0.1,
    ledger: Ledger | None = None,
    **changes: Any,
) -> Part:
    totals = Totals()
    totals.counts["consumed"] = 20
    totals.counts["published"] = 10
    totals._seconds[0]["published"] = 10
    record(totals.histograms["confirm"], int(latency_s * SECOND))
    spec = LoadSpec(
        run_id=name, nonce=1, seed=1, profile=name, vhost="/", endpoints=(), ca_pem=None, users=(),
        publishers=(), consumers=(), folder="",
    )  # fmt: skip
    timing = Timing(
        started=AT,
        ended=AT,
        t0_ns=start_s * SECOND,
        published_ns=(start_s + 10) * SECOND,
        drained_ns=(start_s + 20) * SECOND,
        drained=True,
    )
    measured = Measured(
        spec=spec, timing=timing, clock_offset_ns=0, totals=totals.to_plain(), notes=(), publishers=(),
        workers=(), publisher_died=False, interrupted=False,
    )  # fmt: skip
    values: dict[str, Any] = {
        "run_id": f"day-{name}",
        "profile": name,
        "started_at": f"2026-01-01T00:{start_s % 60:02}:00Z",
        "ended_at": "2026-01-01T01:00:00Z",
        "verdict": verdict,
        "reasons": (f"because of {name}",),
        "ledger": ledger or Ledger(published=10, confirmed=10, received=20, dead_lettered={"rejected": 1}),
        "params": {"notes": ["1.0 s: something"]},
        "oracles": {"ends": {"passed": verdict is not Verdict.FAILED, "why": "so"}},
        "thresholds": (ThresholdOutcome(expression="lost == 0", value=0.0, passed=True),),
        "availability": Availability(confirm_gap_max_s=latency_s, failed_publishes=1),
    }
    return Part(name=name, result=LoadResult(**{**values, **changes}), measured=measured)


def joined(*parts: Part) -> LoadResult:
    return summing.joined(parts, run_id="day", profile="mixed", params={"seed": 1})


def test_parts_that_passed_are_a_pass() -> None:
    found = joined(part("work"), part("mail"))
    assert (found.verdict, found.exit_code) == (Verdict.PASSED, 0)
    assert found.reasons == ("2 parts passed: 20 confirmed, none lost, nothing unexpected",)
    assert [(each["name"], each["verdict"], each["run_id"]) for each in found.parts] == [
        ("work", "passed", "day-work"),
        ("mail", "passed", "day-mail"),
    ]


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ((Verdict.PASSED, Verdict.INCONCLUSIVE), Verdict.INCONCLUSIVE),
        ((Verdict.INCONCLUSIVE, Verdict.FAILED), Verdict.FAILED),
        ((Verdict.FAILED, Verdict.PASSED), Verdict.FAILED),
    ],
)
def test_verdict_is_the_worst_and_says_of_which_part(
    verdicts: tuple[Verdict, Verdict], worst: Verdict
) -> None:
    found = joined(part("a", verdicts[0]), part("b", verdicts[1]))
    assert found.verdict is worst
    at_fault = [name for name, each in zip("ab", verdicts, strict=True) if each is worst]
    assert found.reasons[0] == f"{at_fault[0]}: because of {at_fault[0]}"
    assert not any("passed" in reason for reason in found.reasons)


def test_ledgers_are_summed() -> None:
    one = Ledger(published=5, confirmed=4, lost=1, dead_lettered={"rejected": 2}, lost_examples=("q: 1",))
    two = Ledger(published=7, confirmed=7, reordered=3, dead_lettered={"rejected": 1, "expired": 4})
    found = summing.ledger({"a": one, "b": two})
    assert (found.published, found.confirmed, found.lost, found.reordered) == (12, 11, 1, 3)
    assert found.dead_lettered == {"expired": 4, "rejected": 3}
    assert found.lost_examples == ("a: q: 1",)


def test_order_that_nobody_judged_is_not_judged() -> None:
    assert summing.ledger({"a": Ledger(), "b": Ledger()}).reordered is None


def test_latencies_are_merged_and_not_averaged() -> None:
    slow, fast = part("slow", latency_s=2.0), part("fast", latency_s=0.1)
    found = joined(slow, fast).latency_s.confirm
    assert found.count == 2
    assert found.max == pytest.approx(2.0, rel=0.01)
    assert found.p50 == pytest.approx(0.1, rel=0.01)


def test_series_of_a_part_that_began_later_are_moved() -> None:
    found = joined(part("first"), part("later", start_s=103))
    assert [each.published_per_s for each in found.series] == [10, 0, 0, 10]


def test_rates_are_over_the_time_of_all() -> None:
    found = joined(part("first"), part("later", start_s=110))
    assert (found.rates.published_per_s, found.rates.consumed_per_s) == (1.0, round(40 / 30, 3))


def test_longest_silence_and_all_failed_publishes_are_told() -> None:
    found = joined(part("a", latency_s=2.0), part("b", latency_s=0.5)).availability
    assert (found.confirm_gap_max_s, found.failed_publishes) == (2.0, 2)


def test_checks_thresholds_and_notes_name_their_part() -> None:
    found = joined(part("a"), part("b", Verdict.FAILED))
    assert found.oracles["b_ends"]["passed"] is False
    assert [each.expression for each in found.thresholds] == ["a: lost == 0", "b: lost == 0"]
    assert found.params["notes"] == ["a: 1.0 s: something", "b: 1.0 s: something"]
    assert found.interrupted is False


def test_result_is_read_back_with_its_parts() -> None:
    found = joined(part("a"), part("b"))
    assert LoadResult.from_dict(found.to_dict()).parts == found.parts


def test_summary_tells_each_part_and_of_the_checks_only_what_is_broken() -> None:
    told = summary.text(joined(part("good"), part("bad", Verdict.FAILED)))
    assert "part       good: passed  published 10" in told
    assert "bad ends: does not hold" in told
    assert "good ends" not in told
    assert "threshold" not in told
