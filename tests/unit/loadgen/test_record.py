"""A rate curve from counters: every message is in it, whatever the counters do meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loadgen import phases, record
from warren.errors import BadInputError, NotReadyError
from warren.wait import Clock


class Broker:
    """Tells counters from a script; each reading moves on. Its clock only goes when slept on."""

    def __init__(self, *script: Mapping[str, int] | Exception | type[BaseException]) -> None:
        self.script = list(script)
        self.now = 100.0
        self.notes: list[str] = []
        self.clock = Clock(now=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self) -> Mapping[str, int]:
        said = self.script.pop(0)
        if isinstance(said, Mapping):
            return said
        raise said

    def rows(self, for_s: float = 30, every_s: float = 10) -> list[tuple[float, float]]:
        found = record.rows(self.read, for_s=for_s, every_s=every_s, clock=self.clock, note=self.notes.append)
        return [(round(t_s, 6), round(rate, 6)) for t_s, rate in found]


def test_rate_of_each_interval_stands_at_its_start() -> None:
    broker = Broker({"q": 1000}, {"q": 1500}, {"q": 1500}, {"q": 1600})
    assert broker.rows() == [(0, 50), (10, 0), (20, 10), (30, 0)]


def test_queues_are_summed() -> None:
    broker = Broker({"a": 5, "b": 100}, {"a": 15, "b": 190})
    assert broker.rows(for_s=10) == [(0, 10), (10, 0)]


def test_counter_that_was_set_back_is_counted_from_nothing_and_said() -> None:
    broker = Broker({"a": 1000, "b": 0}, {"a": 40, "b": 60}, {"a": 90, "b": 60})
    assert broker.rows(for_s=20) == [(0, 10), (10, 5), (20, 0)]
    assert broker.notes == ["a: its counter was set back from 1000 to 40; counted from 0"]


def test_reading_that_fails_is_made_up_for_by_the_next() -> None:
    broker = Broker({"q": 0}, {"q": 100}, NotReadyError("rmq1", "does not answer"), {"q": 400})
    assert broker.rows() == [(0, 10), (10, 15), (30, 0)]
    assert broker.notes == ["20 s: rmq1: does not answer; passed over"]


def test_first_reading_that_fails_ends_it() -> None:
    broker = Broker(NotReadyError("rmq1", "does not answer"))
    with pytest.raises(NotReadyError, match="does not answer"):
        broker.rows()


def test_interrupt_ends_the_curve_early_and_whole() -> None:
    broker = Broker({"q": 0}, {"q": 100}, KeyboardInterrupt)
    assert broker.rows() == [(0, 10), (10, 0)]
    assert broker.notes == ["interrupted: the curve ends here"]


def test_last_interval_may_be_shorter() -> None:
    broker = Broker({"q": 0}, {"q": 100}, {"q": 170})
    assert broker.rows(for_s=17) == [(0, 10), (10, 10), (17, 0)]


def test_late_reading_does_not_make_the_rate_wrong() -> None:
    broker = Broker({"q": 0}, {"q": 120}, {"q": 200})
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        broker.now += seconds + (2 if len(slept) == 1 else 0)

    broker.clock = Clock(now=lambda: broker.now, sleep=sleep)
    assert broker.rows(for_s=20) == [(0, 10), (12, 10), (20, 0)]
    assert slept == [10, 8]


def test_what_was_recorded_can_be_replayed_with_every_message(tmp_path: Path) -> None:
    broker = Broker({"q": 7}, {"q": 507}, {"q": 507}, {"q": 1007})
    out = tmp_path / "curve.csv"
    told: list[tuple[float, float]] = []
    count = record.write(broker.rows(), out, say=lambda t_s, rate: told.append((t_s, rate)))
    curve = phases.read_curve(out)
    assert count == len(told) == 4
    assert curve == [(0, 50), (10, 0), (20, 50), (30, 0)]
    assert sum(rate * 10 for _, rate in curve) == 1000


def test_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "curve.csv"
    out.write_text("mine")
    with pytest.raises(BadInputError, match="cannot be made"):
        record.write([], out, say=lambda *_: None)
    assert out.read_text() == "mine"


# --- what the management API says


class Management:
    """Stands for the client: an overview and rows of queues."""

    def __init__(self, *rows: dict[str, Any], rates_mode: str = "basic") -> None:
        self.listed = list(rows)
        self.rates_mode = rates_mode

    def get(self, *path: str) -> dict[str, Any]:
        assert path == ("overview",)
        return {"rates_mode": self.rates_mode}

    def rows(self, *path: str) -> list[dict[str, Any]]:
        assert path == ("queues", "/orders")
        return self.listed


def test_counter_of_each_queue_is_read() -> None:
    rows = [
        {"name": "a", "message_stats": {"publish": 5, "ack": 3}},
        {"name": "b", "message_stats": {"publish": 7}},
        {"name": "c"},
    ]
    read = record.reader(Management(*rows), "/orders", ["a", "c"])  # type: ignore[arg-type]
    assert read() == {"a": 5, "c": 0}


def test_queue_without_a_counter_of_publishes_is_read_by_what_left_it() -> None:
    stats = {"ack": 30, "deliver_no_ack": 4, "get_no_ack": 1, "deliver_get": 99}
    assert record.came({"name": "s", "messages": 10, "message_stats": stats}) == 45


def test_missing_queue_is_named() -> None:
    read = record.reader(Management({"name": "a"}), "/orders", ["b"])  # type: ignore[arg-type]
    with pytest.raises(NotReadyError, match="is not in vhost /orders"):
        read()


def test_broker_that_counts_nothing_is_refused() -> None:
    with pytest.raises(BadInputError, match="counts no messages"):
        record.reader(Management(rates_mode="none"), "/orders", ["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://mq1:15672", "verified TLS only"),
        ("mq1", "verified TLS only"),
        ("https://me:secret@mq1", "holds an account"),
    ],
)
def test_address_that_will_not_do_is_refused_without_its_account(url: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=word) as caught:
        record.foreign(url, user="u", password="p", ca_file=tmp_path)
    assert "secret" not in str(caught.value)


def test_foreign_clusters_are_asked_at_every_address(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    with pytest.raises(NotReadyError):
        record.foreign("https://mq1", user="u", password="p", ca_file=tmp_path / "none.pem")
