"""The benchmark's reading of other programs' words, and its table."""

from __future__ import annotations

import pytest

from loadgen.bench import meter, perftest
from loadgen.bench.figures import Figures, table
from warren.errors import NotReadyError

OUTPUT = """
id: test, time 1.001 s, sent: 2558 msg/s, confirmed: 2545 msg/s, nacked: 0 msg/s
id: test, time 2.001 s, sent: 4000 msg/s, confirmed: 3768 msg/s, nacked: 0 msg/s
id: test, time 3.001 s, sent: 6000 msg/s, confirmed: 3768 msg/s, nacked: 0 msg/s
test stopped (Reached time limit)
id: test, consumer latency min/median/75th/95th/99th 10495/43564/68953/120462/169331 µs
id: test, confirm latency min/median/75th/95th/99th 5623/35403/54188/103702/136872 µs
"""


def figures(client: str, rate: float, cpu: float) -> Figures:
    return Figures(
        client=client,
        messages_per_s=rate,
        client_cpu_us=cpu,
        broker_cpu_us=1,
        confirm_p50_s=0.01,
        confirm_p99_s=0.02,
        end_to_end_p50_s=0.01,
        end_to_end_p99_s=0.02,
    )


def test_rate_leaves_the_warm_up_out() -> None:
    assert perftest.rate_after(OUTPUT, 1.5) == 5000


def test_latencies_come_from_the_closing_summary_in_seconds() -> None:
    assert perftest.latencies_s(OUTPUT) == pytest.approx((0.035403, 0.136872, 0.043564, 0.169331))


@pytest.mark.parametrize("read", [lambda: perftest.rate_after("", 1), lambda: perftest.latencies_s("")])
def test_silent_perftest_is_told_and_not_taken_for_zero(read: object) -> None:
    with pytest.raises(NotReadyError, match="PerfTest"):
        read()  # type: ignore[operator]


def test_processor_time_of_both_versions_of_control_groups() -> None:
    assert meter.read("1500000000\n", "box") == 1.5
    assert meter.read("usage_usec 2500000\nuser_usec 1\n", "box") == 2.5
    with pytest.raises(NotReadyError, match="box"):
        meter.read("", "box")


def test_ratio_is_the_median_of_the_pairs() -> None:
    runs = [
        each
        for ours, theirs in ((100.0, 50.0), (90.0, 90.0), (80.0, 40.0))
        for each in (figures("Warren", ours, 1), figures("PerfTest", theirs, 2))
    ]
    text = table(runs)
    assert "| Warren | 90 (80 to 100) |" in text
    assert "| Warren / PerfTest | 2.00 x | 0.50 x |" in text
