"""The screen of a running load shows what was heard, on narrow terminals too."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from loadgen import liveview, watch
from loadgen.liveview import Board
from loadgen.progress import view
from warren.errors import NotReadyError
from warren.journal import Fault, Journal, Phase


def progress(at_s: int, **figures: Any) -> dict[str, Any]:
    event = {
        "type": "progress",
        "t_s": at_s,
        "planned_s": 30.0,
        "phase": "publish",
        "waits_for": "",
        "published": 15000,
        "confirmed": 14990,
        "nacked": 0,
        "consumed": 14980,
        "redelivered": 0,
        "settled": 14900,
        "in_flight": 10,
        "published_per_s": 500.0,
        "confirmed_per_s": 499.0,
        "consumed_per_s": 498.0,
        "confirm_p99_s": 0.044,
        "end_to_end_p99_s": None,
    }
    return {**event, **figures}


def shown(board: Board, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, record=True, force_terminal=True)
    console.print(liveview.screen(board))
    return console.export_text()


def test_screen_shows_phase_time_rates_latency_ledger_queues_faults_and_notes() -> None:
    board = Board("load work")
    board.hear(progress(12, redelivered=7, waits_for="3 of orders.work"))
    board.hear({"type": "depths", "queues": {"orders.work": (1200, 100), "orders.failed": None}})
    board.hear({"type": "faults", "open": ["kill of rmq1 since 09:00:00 UTC"]})
    board.hear({"type": "note", "t_s": 11.5, "text": "worker-0 lost rmq1 [reset]"})
    text = shown(board)
    for part in (
        "load work", "publish", "12 of 30 s", "15,000", "500", "44.0 ms", "unanswered 10",
        "not yet settled 90", "redelivered 7", "waits for 3 of orders.work",
        "orders.work 1,200 ready 100 unacked", "orders.failed ?", "fault      kill of rmq1",
        "11.5 s  worker-0 lost rmq1 [reset]",
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_line_fits_the_terminal(width: int) -> None:
    board = Board("load priority")
    for second in range(90):
        board.hear(progress(second))
    assert all(len(line) <= width for line in shown(board, width).splitlines())


def test_screen_is_there_before_the_first_second() -> None:
    board = Board("load work")
    board.hear({"type": "note", "t_s": 0.0, "text": "connecting"})
    assert "connecting" in shown(board)


def test_sparkline_is_scaled_to_the_highest_and_leaves_unknown_blank() -> None:
    assert liveview.spark([0, 5, 10, None]) == "▁▅█ "
    assert liveview.spark([0, 0]) == "▁▁"
    assert liveview.spark([]) == ""


def test_minute_is_remembered_and_no_more() -> None:
    board = Board("t")
    for second in range(500):
        board.hear(progress(second))
    assert len(board.history["confirm_p99_s"]) == 60


def row(name: str, ready: int | None) -> Any:
    return SimpleNamespace(name=name, messages_ready=ready, messages_unacked=1)


class Management:
    def __init__(self, rows: list[Any] | None) -> None:
        self.rows = rows
        self.asked = 0

    def queues(self, vhost: str) -> list[Any]:
        self.asked += 1
        if self.rows is None:
            raise NotReadyError("management", "does not answer")
        return self.rows


def test_depth_that_is_not_known_is_none_not_zero() -> None:
    rows = [row("a", 5), row("b", None), row("other", 7)]
    assert watch.depths(Management(rows), "/orders", ["a", "b", "c"]) == {  # type: ignore[arg-type]
        "a": (5, 1),
        "b": None,
        "c": None,
    }
    assert watch.depths(Management(None), "/orders", ["a"]) == {"a": None}  # type: ignore[arg-type]


def test_fault_that_is_being_healed_is_shown_as_that(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", lambda: datetime(2026, 3, 4, 9, 0, tzinfo=UTC))
    fault = journal.append(Fault(fault_id="kill-1", name="kill", target="rmq1"), Phase.INJECTED)
    assert watch.open_faults(journal) == ["kill of rmq1 since 09:00:00 UTC"]
    journal.append(fault, Phase.HEALING)
    assert watch.open_faults(journal) == ["kill of rmq1 since 09:00:00 UTC, being healed"]


def test_watch_tells_until_the_run_ends_and_not_after(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watch, "_EVERY_S", 0.001)
    told = threading.Event()
    events: list[Any] = []

    def show(event: Any) -> None:
        events.append(event)
        if event["type"] == "faults":
            told.set()

    journal = Journal(tmp_path / "journal.jsonl", lambda: datetime.now(UTC))
    management: Any = Management([row("a", 5)])
    with watch.watching(show, management, "/orders", ["a"], journal, kinds=watch.KINDS):
        assert told.wait(10)
    count = len(events)
    assert {"type": "depths", "queues": {"a": (5, 1)}} in events
    assert not any(thread.name == "watch" for thread in threading.enumerate())
    assert len(events) == count


def test_nothing_is_looked_at_for_a_view_that_shows_nothing(tmp_path: Path) -> None:
    management: Any = Management([])
    journal = Journal(tmp_path / "journal.jsonl", lambda: datetime.now(UTC))
    nobody = view(Console(file=io.StringIO()), title="load work", quiet=True)
    with watch.watching(nobody.show, management, "/orders", ["a"], journal, kinds=nobody.watched):
        assert not any(thread.name == "watch" for thread in threading.enumerate())
    assert management.asked == 0


def test_broker_is_not_asked_for_plain_lines_which_tell_of_faults_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watch, "_EVERY_S", 0.001)
    looked = threading.Event()
    management: Any = Management([])
    journal = Journal(tmp_path / "journal.jsonl", lambda: datetime.now(UTC))
    lines = view(Console(file=io.StringIO()), title="load work", quiet=False)

    def show(event: Any) -> None:
        assert event["type"] == "faults"
        looked.set()

    with watch.watching(show, management, "/orders", ["a"], journal, kinds=lines.watched):
        assert looked.wait(10)
    assert management.asked == 0


def test_live_screen_shows_all_that_is_watched() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    assert view(console, title="load work", quiet=False).watched == watch.KINDS


def test_plain_lines_tell_of_faults_when_they_change_and_only_then() -> None:
    console = Console(file=io.StringIO(), width=200, record=True)
    with view(console, title="load work", quiet=False) as lines:
        for faults in ([], ["kill of rmq1"], ["kill of rmq1"], [], []):
            lines.show({"type": "faults", "open": faults})
    assert console.export_text().splitlines() == ["  faults: kill of rmq1", "  faults: none any more"]
