"""Phases: when each message is due along a curve of rates, and which phase it belongs to."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.curve import Curve, Phase, Segment, Split, ends_ns, phase_of
from loadgen.pacing import SECOND_NS, Following, Poisson, Schedule, schedule, steady

rates = st.floats(min_value=0, max_value=5000)
segments = st.builds(
    Segment, from_per_s=rates, to_per_s=rates, for_s=st.floats(min_value=0.01, max_value=1000)
)
curves = st.lists(segments, min_size=1, max_size=6)


def ramp(low: float, high: float, for_s: float, name: str = "ramp") -> Phase:
    return Phase(name=name, segments=(Segment(from_per_s=low, to_per_s=high, for_s=for_s),))


def due_by(pieces: list[Segment], t_s: float) -> float:
    """The count by direct integration of the rate: the definition that the inverse is held to."""
    count = 0.0
    for each in pieces:
        t = min(max(t_s, 0.0), each.for_s)
        count += each.from_per_s * t + (each.to_per_s - each.from_per_s) * t * t / (2 * each.for_s)
        t_s -= each.for_s
    return count


def sent(plan: Schedule, until_s: float) -> list[float]:
    """The intended times of every message before ``until_s``."""
    found: list[float] = []
    while (at := plan.intended_ns(len(found)) / SECOND_NS) < until_s:
        found.append(at)
    return found


@given(curves, st.floats(min_value=0, max_value=0.999999))
def test_inverse_undoes_the_count(pieces: list[Segment], share: float) -> None:
    curve = Curve([Phase(name="p", segments=tuple(pieces))])
    wanted = share * curve.total
    assert due_by(pieces, curve.time_of(wanted)) == pytest.approx(wanted, rel=1e-6, abs=1e-4)


@given(curves, st.lists(st.floats(min_value=0, max_value=1.2), min_size=2))
def test_times_never_go_back(pieces: list[Segment], shares: list[float]) -> None:
    curve = Curve([Phase(name="p", segments=tuple(pieces))])
    times = [curve.time_of(share * curve.total) for share in sorted(shares)]
    assert times == sorted(times)
    assert all(at <= curve.duration_s or at > curve.duration_s + 1 for at in times)


def test_ramp_sends_what_its_area_holds_and_no_burst() -> None:
    times = sent(Following(curve=Curve([ramp(100, 300, 10)])), 10)
    assert len(times) == 2000
    per_s = Counter(int(at) for at in times)
    assert [per_s[second] for second in range(10)] == [110 + 20 * second for second in range(10)]
    assert all(1 / 301 < after - before < 1 / 99 for before, after in pairwise(times))


def test_ramp_from_nothing_and_to_nothing_are_mirrors() -> None:
    up = sent(Following(curve=Curve([ramp(0, 100, 10)])), 10)
    down = sent(Following(curve=Curve([ramp(100, 0, 10)])), 10)
    assert len(up) == len(down) == 500
    mirrored = [10 - at for at in reversed(down)]
    assert max(abs(a - b) for a, b in zip(up[1:], mirrored, strict=False)) < 1e-6


def test_spike_between_two_plateaus_keeps_every_count() -> None:
    phases = [steady(500, 30), steady(2000, 5, "spike"), steady(500, 30, "after")]
    times = sent(Following(curve=Curve(phases)), 65)
    assert len(times) == 15_000 + 10_000 + 15_000
    assert sum(30 <= at < 35 for at in times) == 10_000


def test_message_at_the_edge_of_a_pause_comes_after_it() -> None:
    phases = [steady(10, 1), steady(0, 5, "pause"), steady(10, 1, "again")]
    times = sent(Following(curve=Curve(phases)), 7)
    assert times[:10] == pytest.approx([each / 10 for each in range(10)])
    assert times[10] == pytest.approx(6)
    assert len(times) == 20


def test_curve_that_ends_in_a_pause_ends() -> None:
    assert len(sent(Following(curve=Curve([steady(10, 1), steady(0, 5, "pause")])), 6)) == 10


@pytest.mark.parametrize("publishers", [1, 3, 7])
def test_publishers_share_the_curve_evenly(publishers: int) -> None:
    curve = Curve([ramp(0, 200, 5), steady(200, 5)])
    whole = sent(Following(curve=curve), 10)
    parts = [sent(Following(curve=curve, index=at, publishers=publishers), 10) for at in range(publishers)]
    assert sorted(at for part in parts for at in part) == whole
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_steady_phase_is_the_plain_rate() -> None:
    by_phase = schedule(700, index=1, publishers=3, phases=[steady(700, 60)])
    plain = schedule(700, index=1, publishers=3)
    assert all(abs(by_phase.intended_ns(seq) - plain.intended_ns(seq)) <= 1 for seq in range(14_000))


def test_what_the_curve_does_not_hold_is_never_due() -> None:
    phases = [steady(0.7, 0.1), steady(0.3, 0.7, "b"), steady(900, 1.1, "c")]
    plan = Following(curve=Curve(phases))
    end_ns = round(sum(phase.for_s for phase in phases) * SECOND_NS)
    assert plan.intended_ns(990) < end_ns
    assert plan.intended_ns(992) > end_ns + SECOND_NS


def test_nothing_drifts_over_a_day() -> None:
    curve = Curve([steady(7, 86_400), ramp(7, 14, 10)])
    assert Following(curve=curve).intended_ns(7 * 86_400) == 86_400 * SECOND_NS


# --- Poisson


def test_poisson_is_the_same_for_the_same_seed_only() -> None:
    curve = Curve([steady(100, 100)])
    one = sent(Poisson(curve, seed=4), 100)
    assert one == sent(Poisson(curve, seed=4), 100)
    assert one != sent(Poisson(curve, seed=5), 100)
    assert one != sent(Poisson(curve, seed=4, index=1), 100)


def test_poisson_gaps_are_exponential() -> None:
    gaps = [b - a for a, b in pairwise(sent(Poisson(Curve([steady(100, 400)]), seed=1), 400))]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.01, rel=0.03)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert math.sqrt(variance) == pytest.approx(mean, rel=0.03)
    assert sum(gap > 0.02 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-2), rel=0.06)


def test_poisson_publishers_sum_up_to_the_rate_and_are_poisson_together() -> None:
    curve = Curve([steady(300, 100)])
    times = sorted(
        at for index in range(3) for at in sent(Poisson(curve, seed=2, index=index, publishers=3), 100)
    )
    per_s = Counter(int(at * 10) for at in times)
    counts = [per_s[at] for at in range(1000)]
    mean = sum(counts) / 1000
    assert mean == pytest.approx(30, rel=0.02)
    assert sum((count - mean) ** 2 for count in counts) / 1000 == pytest.approx(mean, rel=0.15)


def test_poisson_follows_a_ramp() -> None:
    times = sent(Poisson(Curve([ramp(0, 1000, 20)]), seed=3), 20)
    assert len(times) == pytest.approx(10_000, rel=0.03)
    assert sum(at < 10 for at in times) == pytest.approx(2_500, rel=0.06)


def test_poisson_answers_the_same_question_twice_and_refuses_to_go_back() -> None:
    plan = Poisson(Curve([steady(100, 10)]), seed=1)
    assert plan.intended_ns(3) == plan.intended_ns(3)
    with pytest.raises(ValueError, match="message 2 is asked for after 3"):
        plan.intended_ns(2)


def test_poisson_without_phases_keeps_the_rate() -> None:
    plan = schedule(50, index=0, publishers=1, duration_s=200, arrivals="poisson", seed=9)
    assert len(sent(plan, 200)) == pytest.approx(10_000, rel=0.03)


# --- which phase


def test_split_puts_each_time_into_its_phase() -> None:
    split = Split(ends_ns([steady(1, 2), steady(1, 3, "b"), steady(1, 5, "c")]))
    for at_s in (0, 1.999999999, 2, 4, 5, 9, 12, 1, -1):
        counts = split.of(round(at_s * SECOND_NS))
        counts[0] = counts.get(0, 0) + 1
    assert split.named("confirm") == {"confirm#0": {0: 4}, "confirm#1": {0: 2}, "confirm#2": {0: 3}}


def test_one_phase_needs_no_number() -> None:
    split = Split(ends_ns([steady(1, 2)]))
    assert split.named("confirm") == {}
    split.of(5)[7] = 1
    assert split.named("confirm") == {"confirm": {7: 1}}
    assert Split(()).named("x") == {}


def test_names_of_phases_are_read_back() -> None:
    assert phase_of("end_to_end.vip#2") == ("end_to_end.vip", 2)
    assert phase_of("confirm") == ("confirm", 0)
