"""A message's way is split by the broker's stamps, and clocks that differ are found out."""

from __future__ import annotations

import pytest
from pika import data

from loadgen import stamps
from loadgen.collect import Totals
from loadgen.histogram import percentile_s
from loadgen.reporting import pairs
from loadgen.stamps import Stamps

#: The day's clock runs this far ahead of the steady one.
AHEAD_NS = 1_700_000_000_000_000_000


def encoded(**headers: object) -> bytes:
    """Headers as pika encodes them; names with dashes are written with underscores here."""
    pieces: list[bytes] = []
    named = {
        name.replace("_", "-") if name.startswith("x_") else name: value for name, value in headers.items()
    }
    data.encode_table(pieces, named)
    return b"\x20\x00" + b"".join(pieces)


def ms(steady_ms: float) -> int:
    """A moment of the steady clock as the broker's clock has it."""
    return int(steady_ms + AHEAD_NS / 1e6)


def split(behind_ns: int = 0) -> Stamps:
    return Stamps(lambda: AHEAD_NS + 5_000 - behind_ns, lambda: 5_000)


@pytest.mark.parametrize("value", [1, 1_763_800_000_123, 2**62])
def test_stamp_is_found_among_other_headers(value: int) -> None:
    header = encoded(shop="a", timestamp_in_ms=2**40 + value, x_opt_rabbitmq_sent_time=2**41)
    assert stamps.stamp_ms(header, stamps.CAME_IN) == 2**40 + value
    assert stamps.stamp_ms(header, stamps.SENT_OUT) == 2**41


def test_header_without_stamps_or_cut_off_has_none() -> None:
    header = encoded(timestamp_in_ms=2**40)
    assert stamps.stamp_ms(encoded(shop="a"), stamps.CAME_IN) is None
    assert stamps.stamp_ms(header[:-1], stamps.CAME_IN) is None
    assert stamps.stamp_ms(encoded(timestamp_in_ms="soon, but not a number"), stamps.CAME_IN) is None


def test_way_is_split_into_three_parts() -> None:
    found = split()
    header = encoded(timestamp_in_ms=ms(110), x_opt_rabbitmq_sent_time=ms(150))
    found.take(header, 100_000_000, 157_000_000)
    figures = {part: percentile_s(counts, 0.5) for part, counts in found.histograms.items()}
    assert figures["to_broker"] == pytest.approx(0.010, rel=0.01)
    assert figures["in_broker"] == pytest.approx(0.040, rel=0.01)
    assert figures["to_consumer"] == pytest.approx(0.007, rel=0.01)
    assert found.skewed == 0


def test_message_without_the_second_stamp_gives_the_first_part_only() -> None:
    found = split()
    found.take(encoded(timestamp_in_ms=ms(110)), 100_000_000, 157_000_000)
    assert [sum(found.histograms[part].values()) for part in stamps.PARTS] == [1, 0, 0]


def test_clock_of_the_broker_that_is_behind_is_told_not_counted() -> None:
    found = split(behind_ns=-50_000_000)
    header = encoded(timestamp_in_ms=ms(110), x_opt_rabbitmq_sent_time=ms(150))
    found.take(header, 100_000_000, 157_000_000)
    assert found.skewed == 1
    assert not found.histograms["to_broker"]


def test_steered_clock_is_followed() -> None:
    ahead = [AHEAD_NS]
    found = Stamps(lambda: ahead[0] + 5_000, lambda: 5_000)
    ahead[0] += 30_000_000
    found.align()
    found.take(encoded(timestamp_in_ms=ms(140)), 100_000_000, 200_000_000)
    assert percentile_s(found.histograms["to_broker"], 0.5) == pytest.approx(0.010, rel=0.01)


def test_tick_gives_what_is_new_under_the_names_of_the_totals_and_empties_it() -> None:
    found = split()
    header = encoded(timestamp_in_ms=ms(110), x_opt_rabbitmq_sent_time=ms(150))
    found.take(header, 100_000_000, 157_000_000)
    found.take(header, 900_000_000, 957_000_000)
    totals = Totals()
    ticked = {name: pairs(each) for name, each in found.tick().items()}
    totals.add("worker-0", {"s": 0, "histograms": ticked})
    assert totals.latencies().in_broker.p50 == pytest.approx(0.040, rel=0.01)
    assert totals.traffic().skewed == 1
    assert found.tick() == {}
