"""A time that passes only when somebody sleeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from warren.wait import Clock

#: When `FakeTime` is 0.
EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(slots=True)
class FakeTime:
    seconds: float = 100.0

    def sleep(self, duration_s: float) -> None:
        self.seconds += duration_s

    def now(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds)

    @property
    def clock(self) -> Clock:
        return Clock(now=self.now, sleep=self.sleep)
