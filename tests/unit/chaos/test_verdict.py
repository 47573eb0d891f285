"""The verdict and its measures out of evidence alone: what no whole day of test_conduct brings about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chaos import alerting, measure
from chaos.checks import gaps, progress, redundancy
from chaos.evidence import Evidence, Left, Seen
from chaos.experiment import ExpectedAlert, Experiment, Interval, Load, Progress
from chaos.eyes import QueueState
from chaos.lookout import Look
from chaos.record import Expectation, Held, Verdict
from chaos.verdict import decide, judge
from warren.journal import Fault, Phase
from warren.results import Availability, Ledger, LoadResult, Second, Silence, iso
from warren.results import Verdict as LoadVerdict

BEGAN = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return iso(BEGAN + timedelta(seconds=seconds))


def fault(**changes: Any) -> Fault:
    plain = Fault(
        fault_id="kill-1", name="kill", target="rmq2", phase=Phase.HEALED,
        begun_at=at(20), injected_at=at(21), healing_at=at(40), healed_at=at(41),
    )  # fmt: skip
    return replace(plain, **changes)


def load(rates: Sequence[float] = (), **changes: Any) -> LoadResult:
    plain = LoadResult(
        run_id="work-1",
        profile="work",
        started_at=at(0),
        ended_at=at(70),
        verdict=LoadVerdict.PASSED,
        ledger=Ledger(confirmed=10, deliveries=100),
        publishing_at=at(0),
        series=tuple(Second(t_s=float(s), confirmed_per_s=rate) for s, rate in enumerate(rates)),
    )
    return replace(plain, **changes)


def evidence(**changes: Any) -> Evidence:
    experiment = Experiment(
        name="day", title="", description="", teaches="", load=Load(profile="work", duration_s=60.0)
    )
    given = {name: changes.pop(name) for name in ("expectations", "alerts", "progress") if name in changes}
    plain = Evidence(
        experiment=replace(experiment, **given),
        began=BEGAN,
        load=load(),
        faults=(fault(),),
        left=Left(queues=(), channels_unacked={}, logs={}),
    )
    return replace(plain, **changes)


def test_nothing_against_it_passes() -> None:
    assert judge(evidence()).verdict is Verdict.PASSED


DOUBTS = {
    "unproven": ({"faults": (fault(injected_at=None),)}, "there is no proof that it bit"),
    "unhealed": ({"faults": (fault(healed_at=None, phase=Phase.HEALING),)}, "it was not healed"),
    "none": ({"faults": ()}, "nothing was broken"),
    "blind": ({"seen": Seen(died="KeyError: 'x'")}, "nobody looked at the cluster any more"),
    "no load": ({"load": None}, "the load left no result"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_what_cannot_be_told_is_inconclusive(name: str) -> None:
    changes, said = DOUBTS[name]
    found = judge(evidence(**changes))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert said in "; ".join(found.reasons)


def test_gravest_holds_and_every_reason_is_told_once() -> None:
    assert decide(["h"], ["w", "h"], ["d"]) == (Verdict.HANG, ("h", "w", "d"))
    assert decide([], ["w"], ["d", "d"]) == (Verdict.FAILED, ("w", "d"))
    assert decide([], [], []) == (Verdict.PASSED, ())


def looks(*found: tuple[float, bool]) -> Seen:
    names = frozenset({"WarrenNodeDown"})
    return Seen(alerts=tuple((t_s, at(t_s), names if fires else frozenset()) for t_s, fires in found))


ALERTS = {
    "in time": (looks((1, False), (30, True), (44, False)), "", ""),
    "before": (looks((1, True), (30, True), (44, False)), "", "fired before anything was broken"),
    "late": (
        looks((1, False), (39, True), (44, False)),
        "fired 19 s after the fault, 10 s were expected",
        "",
    ),
    "never": (looks((1, False), (44, False)), "did not fire", ""),
    "stays": (looks((1, False), (30, True), (44, True)), "still fires after the healing", ""),
    "stays long": (looks((30, True), (60, True), (66, False)), "cleared 25 s after the healing", ""),
    "nobody asked": (Seen(alerts_trouble="timed out"), "", "could not be asked: timed out"),
}


@pytest.mark.parametrize("name", ALERTS)
def test_alert_is_to_fire_and_to_clear_in_time(name: str) -> None:
    seen, wrong, doubt = ALERTS[name]
    expected = ExpectedAlert(name="WarrenNodeDown", within_s=10, clears_within_s=15)
    (found,) = alerting.judge(evidence(alerts=(expected,), seen=seen))
    assert (wrong in found.wrong, bool(found.wrong)) == (True, bool(wrong)), found
    assert (doubt in found.doubt, bool(found.doubt)) == (True, bool(doubt)), found


def test_every_alert_that_began_after_the_fault_is_told_in_order() -> None:
    names = {1: {"Old"}, 30: {"Old", "B"}, 36: {"Old", "B", "A"}, 60: {"Old", "A"}, 66: {"Old"}}
    seen = Seen(alerts=tuple((t_s, at(t_s), frozenset(found)) for t_s, found in names.items()))
    found = alerting.fired(evidence(seen=seen))
    assert [(each.name, each.fired_at, each.cleared_at) for each in found] == [
        ("B", at(30), at(60)),
        ("A", at(36), at(66)),
    ]


def test_nothing_fired_where_nothing_was_broken() -> None:
    assert alerting.fired(evidence(faults=(), seen=looks((30, True)))) == ()


def test_member_that_is_missing_in_the_end_fails() -> None:
    queue = QueueState(vhost="/", name="q", leader="a", members=("a", "b"), online=("a",))
    passed, why, _ = redundancy.check(evidence(left=Left(queues=(queue,), channels_unacked={})))
    assert (passed, "/:q" in why) == (False, True)


RATES = [300.0] * 20 + [0.0] * 10 + [300.0] * 40


@pytest.mark.parametrize(
    ("goes", "rates", "passed"),
    [
        ("goes-on", RATES, True),
        ("goes-on", [300.0] * 20 + [0.0] * 50, False),
        ("stops", [300.0] * 22 + [0.0] * 50, True),
        ("stops", RATES, False),
    ],
)
def test_progress_is_looked_for_at_the_end_of_the_fault_or_not_at_all(
    goes: Any, rates: list[float], passed: bool
) -> None:
    found = progress.check(evidence(progress=Progress(confirms=goes), load=load(rates)))
    assert found[0] is passed, found


def test_fault_that_is_too_short_says_nothing_of_progress() -> None:
    short = (fault(healing_at=at(21.5), healed_at=at(22)),)
    found = progress.check(evidence(progress=Progress(confirms="goes-on"), load=load(RATES), faults=short))
    assert found[0] is None


def test_gap_is_that_of_the_faults_window_only() -> None:
    silences = (
        Silence(kind="confirm", t_s=5.0, length_s=9.0),
        Silence(kind="confirm", t_s=20.5, length_s=2.5),
        Silence(kind="delivery", t_s=20.5, length_s=4.0),
    )
    found = evidence(load=load(silences=silences, availability=Availability(confirm_gap_max_s=9.0)))
    assert measure.confirm_gap_s(found) == 2.5
    assert measure.delivery_gap_s(found) == 4.0
    passed, why, _ = gaps.check(found)
    assert (passed, "9 s lies outside" in why) == (False, True)


def test_result_without_silences_is_measured_by_the_second() -> None:
    assert measure.confirm_gap_s(evidence(load=load(RATES, publishing_at=None))) == 10.0


def whole(t_s: float, missing: int | None = 0) -> Look:
    return Look(t_s=t_s, nodes_away=None if missing is None else 0, members_missing=missing)


@pytest.mark.parametrize(
    ("found", "value"),
    [
        ((whole(19), whole(25, 3), whole(42, 3), whole(47), whole(48)), 7.0),
        ((whole(25, 3), whole(42, None), whole(43)), 3.0),
        ((whole(25), whole(43)), None),
        ((whole(25, 3), whole(43, 3)), None),
        ((), None),
    ],
)
def test_redundancy_counts_from_the_healing_to_the_first_whole_look(found: Any, value: float | None) -> None:
    assert measure.redundancy_s(evidence(seen=Seen(looks=found))) == value


def test_redundancy_after_a_dead_process_needs_no_look_into_its_absence() -> None:
    dead = (fault(evidence={"state": "stopped"}),)
    found = evidence(seen=Seen(looks=(whole(19), whole(45))), faults=dead)
    assert measure.redundancy_s(found) == 5.0


@pytest.mark.parametrize(
    ("look", "is_whole"),
    [
        (Look(t_s=0, nodes_away=0, members_missing=0), True),
        (Look(t_s=0, nodes_away=1, members_missing=None), False),
        (Look(t_s=0, nodes_away=None, members_missing=2), False),
        (Look(t_s=0, nodes_away=0, members_missing=0, leaderless=("/:q",)), False),
        (Look(t_s=0, nodes_away=0, members_missing=None), None),
        (Look(t_s=0, nodes_away=None, members_missing=0), None),
    ],
)
def test_half_a_look_can_show_that_something_is_away_and_not_that_nothing_is(
    look: Look, is_whole: bool | None
) -> None:
    assert look.is_whole is is_whole


def test_suspicion_is_measured_from_its_first_to_its_last_look() -> None:
    seen = Seen(suspected=((1.0, 0), (40.0, 3), (50.0, 3), (61.0, 0)))
    assert measure.suspected_s(evidence(seen=seen)) == 10.0
    assert measure.suspected_s(evidence(seen=Seen(suspected=((1.0, 0),)))) == 0.0
    assert measure.suspected_s(evidence()) is None


def test_share_of_redeliveries_is_of_all_deliveries() -> None:
    assert measure.redelivered_ratio(evidence(live={"redelivered": 5})) == 0.05
    assert measure.redelivered_ratio(evidence()) is None


def test_figure_that_was_not_measured_is_a_doubt_and_no_success() -> None:
    found = judge(evidence(expectations={"redundancy_s": Interval(high=60, source="a test")}))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "redundancy_s was not measured" in found.reasons[0]


@pytest.mark.parametrize(
    ("value", "held"),
    [(None, Held.UNKNOWN), (1, Held.FASTER), (2, Held.WITHIN), (3, Held.WITHIN), (4, Held.SLOWER)],
)
def test_figure_is_held_against_both_ends(value: float | None, held: Held) -> None:
    assert Expectation(name="x", value=value, low=2, high=3).held is held


def test_message_that_came_only_to_consumers_that_connected_anew_is_a_hang() -> None:
    found = judge(evidence(load=load(ledger=Ledger(published=9, confirmed=9, received=9, stuck=2))))
    assert found.verdict is Verdict.HANG
    assert found.reasons[0].startswith(
        "stuck: 2 confirmed messages came only when consumers had connected anew"
    )
