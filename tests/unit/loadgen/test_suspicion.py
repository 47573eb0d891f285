"""A suspicion is old and overtaken, goes when the message comes, and is never more than a suspicion."""

from __future__ import annotations

import pytest

from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.liveview import Board, screen
from loadgen.progress import line
from loadgen.suspicion import AGE_S, Suspicion

EXPECTED = Expectation(destinations={0: ("work",)})
EVENT = {
    "type": "progress", "t_s": 31, "phase": "publish", "planned_s": 60, "waits_for": "", "published": 9,
    "published_per_s": 1.0, "confirmed": 9, "confirmed_per_s": 1.0, "consumed": 8, "consumed_per_s": 1.0,
    "settled": 8, "in_flight": 0, "redelivered": 0, "confirm_p99_s": 0.1, "end_to_end_p99_s": 0.1,
}  # fmt: skip


class Rig:
    """A run of 100 messages, looked at whenever its clock is moved."""

    def __init__(self, hold_back_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.looks = 0
        self.took_s = 0.0
        self.suspicion = Suspicion(hold_back_s, lambda: self.now_s)

    def at(self, now_s: float, *, done: int, confirmed: int = (1 << 100) - 1) -> int:
        def read() -> Evidence:
            self.looks += 1
            self.now_s += self.took_s
            return Evidence(published={0: 100}, confirmed={0: confirmed}, done={("work", 0): [done]})

        self.now_s = now_s
        self.suspicion.look(read, EXPECTED)
        return self.suspicion.count


ALL = (1 << 100) - 1
WITHOUT_7 = ALL & ~(1 << 7)


def test_message_that_later_ones_have_overtaken_for_long_is_suspected_and_cleared_when_it_comes() -> None:
    rig = Rig()
    assert [rig.at(at, done=WITHOUT_7) for at in (10, 20)] == [0, 0]
    assert rig.at(10 + AGE_S, done=WITHOUT_7) == 1
    assert rig.at(20 + AGE_S, done=ALL) == 0


def test_backlog_is_no_suspicion_however_old() -> None:
    rig = Rig()
    assert [rig.at(at, done=(1 << 50) - 1) for at in range(10, 120, 10)] == [0] * 11


def test_message_that_is_overtaken_for_a_moment_is_no_suspicion() -> None:
    rig = Rig()
    seen = [rig.at(at * 10.0, done=ALL & ~(1 << at)) for at in range(1, 12)]
    assert seen == [0] * 11


def test_what_nobody_confirmed_is_no_suspicion() -> None:
    rig = Rig()
    assert [rig.at(at, done=WITHOUT_7, confirmed=WITHOUT_7) for at in (10, 20, 30, 40)] == [0] * 4


def test_what_the_profile_itself_delays_has_so_much_longer() -> None:
    rig = Rig(hold_back_s=50)
    moments = range(10, 91, 10)
    assert [rig.at(at, done=WITHOUT_7) for at in moments] == [0] * 7 + [1, 1]


def test_long_runs_are_looked_at_less_often() -> None:
    rig = Rig()
    rig.took_s = 1.0
    for at in range(1, 101):
        rig.at(float(at), done=ALL)
    assert rig.looks == 2


@pytest.mark.parametrize(("suspected", "shown"), [(0, False), (3, True)])
def test_suspicion_stands_on_the_screen_and_in_plain_lines(suspected: int, shown: bool) -> None:
    event = {**EVENT, "suspected": suspected}
    board = Board("work")
    board.hear(event)
    drawn = "".join(str(each) for each in screen(board).renderables)  # type: ignore[union-attr]
    assert ("3 confirmed and missing" in drawn) is shown
    assert ("3 confirmed and missing" in line(event)) is shown
