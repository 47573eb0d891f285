"""The verdict: what fails a run, what leaves it open, and the reasons in words."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.spec import ConsumerRole, LoadSpec, PublisherRole, Tolerances
from loadgen.verdict import decide
from warren.results import Availability, Latencies, Ledger, Percentiles, ThresholdOutcome, Verdict

SPEC = LoadSpec(
    run_id="r",
    nonce=1,
    seed=1,
    profile="work",
    vhost="/",
    endpoints=(),
    ca_pem=None,
    users=(),
    publishers=(PublisherRole(name="p", user="u", exchange="", routing_key="q"),),
    consumers=(ConsumerRole(name="c", user="u", queue="q"),),
    folder="",
    tolerances=Tolerances(failed_publishes=0, self_lag_p99_s=0.05),
)
CLEAN = Ledger(published=10, confirmed=10, received=10)


def decided(
    *,
    spec: LoadSpec = SPEC,
    ledger: Ledger = CLEAN,
    own_lag_s: float = 0.0,
    failed: int = 0,
    checks: dict[str, Any] | None = None,
    outcomes: tuple[ThresholdOutcome, ...] = (),
    publisher_died: bool = False,
    drained: bool = True,
) -> tuple[Verdict, str]:
    latencies = Latencies(schedule_lag_self=Percentiles(p99=own_lag_s, count=10))
    verdict, reasons = decide(
        spec,
        ledger,
        latencies,
        Availability(failed_publishes=failed),
        checks or {},
        outcomes=outcomes,
        publisher_died=publisher_died,
        drained=drained,
    )
    return verdict, "; ".join(reasons)


def test_clean_run_passes() -> None:
    assert decided() == (Verdict.PASSED, "10 confirmed, none lost, nothing unexpected")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"ledger": Ledger(published=10, confirmed=10, lost=1, lost_examples=("q: 1",))}, "lost, e.g. q: 1"),
        ({"ledger": Ledger(published=10, confirmed=10, unexpected=1)}, "nobody published"),
        ({"failed": 1}, "no confirm within 30 s"),
        ({"checks": {"tries": {"passed": False, "why": "3 too many"}}}, "tries: 3 too many"),
    ],
)
def test_run_fails_and_says_why(given: dict[str, Any], word: str) -> None:
    verdict, reasons = decided(**given)
    assert verdict is Verdict.FAILED
    assert word in reasons


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"own_lag_s": 0.06}, "the generator itself was late"),
        ({"ledger": Ledger()}, "nothing was published"),
        ({"ledger": Ledger(published=5, in_doubt=5)}, "nothing was confirmed"),
        ({"publisher_died": True}, "a publisher process died"),
        ({"drained": False}, "the drain did not end"),
    ],
)
def test_run_is_inconclusive_and_says_why(given: dict[str, Any], word: str) -> None:
    verdict, reasons = decided(**given)
    assert verdict is Verdict.INCONCLUSIVE
    assert word in reasons


def test_loss_fails_a_run_that_was_inconclusive_too() -> None:
    verdict, reasons = decided(ledger=Ledger(published=10, confirmed=10, lost=1), own_lag_s=1.0)
    assert verdict is Verdict.FAILED
    assert "late" in reasons


def test_window_that_filled_does_not_void_a_run() -> None:
    latencies = Latencies(schedule_lag_blocked=Percentiles(p99=20.0, count=10))
    verdict, _ = decide(SPEC, CLEAN, latencies, Availability(), {}, publisher_died=False, drained=True)
    assert verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "ledger",
    [
        Ledger(published=10, confirmed=9, in_doubt=1, recovered=1),
        Ledger(published=10, confirmed=9, nacked=1, nacked_delivered=1),
        Ledger(published=10, confirmed=10, duplicates_redelivered=4, duplicates_own_retry=2),
        Ledger(published=10, confirmed=10, foreign=5),
    ],
)
def test_what_at_least_once_allows_passes(ledger: Ledger) -> None:
    assert decided(ledger=ledger)[0] is Verdict.PASSED


def test_violated_threshold_fails_the_run_with_its_figure() -> None:
    outcome = ThresholdOutcome(expression="p99_confirm_s < 0.2", value=0.25, passed=False)
    assert decided(outcomes=(outcome,)) == (Verdict.FAILED, "p99_confirm_s < 0.2: it is 0.25")


def test_threshold_without_a_figure_leaves_the_run_open() -> None:
    outcome = ThresholdOutcome(expression="reordered == 0", value=None, passed=None)
    verdict, reasons = decided(outcomes=(outcome,))
    assert verdict is Verdict.INCONCLUSIVE
    assert "reordered == 0" in reasons


def test_check_that_was_not_judged_fails_nothing() -> None:
    assert decided(checks={"inversions": {"passed": None}})[0] is Verdict.PASSED
