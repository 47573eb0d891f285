"""What may be lost, while the run goes on. It is shown as a suspicion and judged by nobody: loss is declared
after the drain only, since until then the broker may still have what it confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loadgen.evidence import Evidence, below
from loadgen.expectation import Expectation
from loadgen.judge import missing

#: Since when a message has to be confirmed and missing, beyond what the profile itself delays it.
AGE_S = 20.0
_LOOK_EVERY_S = 10.0
#: The evidence of a run of hours is large: looking may take a fiftieth of the coordinator's time.
_TIMES_OF_A_LOOK = 50.0


class Suspicion:
    """Looks now and then at what is missing.

    Suspected is what was confirmed and missing ``AGE_S`` ago, still is, and was overtaken: a later message of
    the same publisher has come to its end in that queue. Both together, since a backlog makes all wait long,
    and with several workers any message may be overtaken for a moment.
    """

    def __init__(self, hold_back_s: float, now_s: Callable[[], float]) -> None:
        self.count = 0
        self._age_s = AGE_S + hold_back_s
        self._now_s = now_s
        self._next_s = now_s() + _LOOK_EVERY_S
        self._looks: list[tuple[float, Mapping[tuple[str, int], int]]] = []

    def look(self, read: Callable[[], Evidence], expected: Expectation) -> None:
        """Read the evidence and count anew, where it is time to."""
        began_s = self._now_s()
        if began_s < self._next_s:
            return
        evidence = read()
        gone = missing(evidence, expected)
        self.count = sum(
            (bits & self._missed_before(unit, began_s) & _overtaken(evidence, unit)).bit_count()
            for unit, bits in gone.items()
        )
        self._remember(began_s, gone)
        took_s = self._now_s() - began_s
        self._next_s = began_s + max(_LOOK_EVERY_S, took_s * _TIMES_OF_A_LOOK)

    def _missed_before(self, unit: tuple[str, int], now_s: float) -> int:
        """What was missing at the newest look that is old enough."""
        old = [gone for at_s, gone in self._looks if at_s <= now_s - self._age_s]
        return old[-1].get(unit, 0) if old else 0

    def _remember(self, now_s: float, gone: Mapping[tuple[str, int], int]) -> None:
        since_s = now_s - self._age_s
        newest_old = [look for look in self._looks if look[0] <= since_s][-1:]
        self._looks = [*newest_old, *(look for look in self._looks if look[0] > since_s), (now_s, gone)]


def _overtaken(evidence: Evidence, unit: tuple[str, int]) -> int:
    """The numbers below the highest that came to its end."""
    return below(max(0, evidence.final(*unit).bit_length() - 1))
