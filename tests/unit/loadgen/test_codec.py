"""The layouts of a body: what each carries, what it cannot, and that PerfTest's is PerfTest's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen import body
from loadgen.codec import LAYOUTS, Layout, PerfTest, codec, least_bytes
from loadgen.varied import Varied

START = 5_000_000_000


@given(
    layout=st.sampled_from(LAYOUTS),
    publishers=st.integers(1, 64),
    share=st.floats(0, 1, exclude_max=True),
    part=st.floats(0, 1, exclude_max=True),
    extra=st.integers(0, 300),
)
def test_what_one_process_writes_another_reads(
    layout: Layout, publishers: int, share: float, part: float, extra: int
) -> None:
    publisher = int(share * publishers)
    writer = codec(layout, nonce=7, publishers=publishers, publisher=publisher)
    reader = codec(layout, nonce=7, publishers=publishers)
    reader.begin(START)
    seq, after = int(part * writer.limit), extra * 10**12
    payload = writer.head(0, 3, seq, START + after, START + after + 1) + writer.rest(writer.least + extra)
    assert len(payload) == least_bytes(layout) + extra
    assert reader.read(payload) == (publisher, 0, seq, START + after)


def test_varied_bodies_differ_from_message_to_message_and_within() -> None:
    one, other = Varied(7, 2), Varied(7, 0)
    size = 1 << 20
    assert one.rest_of(2, 5, size) == other.rest_of(2, 5, size)
    assert len({one.rest_of(publisher, seq, size) for publisher in range(4) for seq in range(20)}) == 80
    rest = one.rest_of(2, 5, size)
    blocks = [rest[at : at + 4096] for at in range(0, len(rest), 4096)]
    assert len(set(blocks)) == len(blocks)


def test_own_layout_is_that_of_the_body() -> None:
    own = codec("warren", nonce=7, publishers=4, publisher=2)
    payload = own.head(1, 300, 5, 8, 9) + own.rest(40)
    assert payload == body.encode(body.Stamp(7, 2, 1, 255, 5, 8, 9), 40)
    assert own.read(payload) == (2, 1, 5, 8)
    assert codec("warren", nonce=8, publishers=4).read(payload) is None


def test_json_layout_is_json_of_the_size_asked_for_and_holds_the_header() -> None:
    one = codec("json", nonce=7, publishers=4, publisher=2)
    payload = one.head(1, 0, 5, 8, 9) + one.rest(200)
    assert len(payload) == 200
    found = json.loads(payload)
    assert bytes.fromhex(found["warren"]) == body.encode(body.Stamp(7, 2, 1, 0, 5, 8, 9), 32)
    assert set(found) == {"warren", "pad"}
    assert (one.read(payload), one.sent_ns(payload)) == ((2, 1, 5, 8), 9)


DAMAGED = [
    b'{"warren":"zz' + b"0" * 62 + b'","pad":""}',
    b'{"order":1}' + bytes(90),
    '{"warren":"é'.encode(),
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_json_of_something_else_is_foreign(damaged: bytes) -> None:
    assert codec("json", nonce=7, publishers=1).read(damaged) is None


def test_twelve_bytes_are_those_that_perftest_writes() -> None:
    one = PerfTest(1, 0)
    head = one.head(0, 0, 258, 0x0102030405060708, 0)
    assert head == bytes.fromhex("000001020102030405060708")
    assert one.rest(20) == bytes(8)


@pytest.mark.parametrize(("publishers", "limit"), [(1, 1 << 32), (2, 1 << 31), (3, 1 << 30), (64, 1 << 26)])
def test_publishers_share_the_thirty_two_bits(publishers: int, limit: int) -> None:
    assert PerfTest(publishers, 0).limit == limit
    last = PerfTest(publishers, publishers - 1).head(0, 0, limit - 1, START, 0)
    reader = PerfTest(publishers, 0)
    reader.begin(START)
    assert reader.read(last) == (publishers - 1, 0, limit - 1, START)


def test_what_is_older_than_the_run_is_foreign_and_all_is_before_it_begins() -> None:
    one = PerfTest(1, 0)
    assert one.read(one.head(0, 0, 1, START, 0)) is None
    one.begin(START)
    assert one.read(one.head(0, 0, 1, START - 1, 0)) is None
    assert one.read(one.head(0, 0, 1, START, 0)) is not None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_too_short_is_foreign(layout: Layout) -> None:
    found = codec(layout, nonce=7, publishers=1)
    found.begin(0)
    assert found.read(bytes(found.least - 1)) is None
