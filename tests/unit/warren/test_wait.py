from __future__ import annotations

import pytest

from warren.errors import BadInputError, DeadlineError, NotReadyError
from warren.wait import Clock, until


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, duration_s: float) -> None:
        self.slept.append(duration_s)
        self.seconds += duration_s

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self.sleep)


def failing(times: int, value: str = "up") -> object:
    left = [times]

    def probe() -> str:
        if left[0]:
            left[0] -= 1
            raise NotReadyError("rmq1", f"is not up, {left[0]} to go", "wait more")
        return value

    return probe


def test_what_the_probe_returns_is_returned_without_sleeping() -> None:
    time = Time()
    assert until(lambda: 7, what="seven", deadline_s=1, clock=time.clock) == 7
    assert time.slept == []


def test_probe_is_tried_again_until_it_is_ready() -> None:
    time = Time()
    assert until(failing(3), what="it", deadline_s=10, every_s=0.5, clock=time.clock) == "up"  # type: ignore[arg-type]
    assert time.slept == [0.5, 0.5, 0.5]


def test_passed_deadline_reports_what_was_awaited_and_the_last_error() -> None:
    time = Time()
    with pytest.raises(DeadlineError) as caught:
        until(failing(1000), what="the node", deadline_s=2, clock=time.clock)  # type: ignore[arg-type]
    assert "waited 2 s for the node" in caught.value.what
    assert "is not up" in caught.value.what
    assert (caught.value.where, caught.value.remedy) == ("rmq1", "wait more")
    assert time.seconds == pytest.approx(2)


def test_probe_gets_a_last_try_at_the_deadline_itself() -> None:
    time = Time()

    def ready_at_the_end() -> str:
        if time.seconds < 2:
            raise NotReadyError("rmq1", "is not up")
        return "up"

    assert until(ready_at_the_end, what="it", deadline_s=2, every_s=1.5, clock=time.clock) == "up"
    assert time.slept == [1.5, 0.5]


def test_remedy_of_the_caller_goes_before_that_of_the_probe() -> None:
    with pytest.raises(DeadlineError) as caught:
        until(failing(9), what="it", deadline_s=0, remedy="look there", clock=Time().clock)  # type: ignore[arg-type]
    assert caught.value.remedy == "look there"


def test_error_of_another_kind_passes_at_once() -> None:
    time = Time()

    def probe() -> None:
        raise BadInputError("topology", "is wrong")

    with pytest.raises(BadInputError):
        until(probe, what="it", deadline_s=10, clock=time.clock)
    assert time.slept == []
