"""Which message is of which class and how often it fails: a pure function of seed, publisher and number.

Publishers, consumers and oracles all ask here, in processes that share nothing, and agree.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

_MASK = (1 << 64) - 1


def share_of(seed: int, publisher: int, seq: int) -> float:
    """A number in [0, 1), evenly spread over the messages.

    The mixing is splitmix64's finaliser (S. Vigna, https://prng.di.unimi.it/splitmix64.c).
    """
    z = (seed ^ (publisher << 48) ^ (seq * 0x9E3779B97F4A7C15)) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)


class Chooser(Protocol):
    """Tells of each message which of several ways it goes."""

    @property
    def trivial(self) -> bool:
        """True when every message gets index 0."""

    def of(self, publisher: int, seq: int) -> int:
        """The index chosen for a message."""


class Choice:
    """Picks an index by weights; one weight costs nothing."""

    __slots__ = ("_bounds", "_seed")

    def __init__(self, weights: Sequence[float], *, seed: int) -> None:
        """``weights`` need not sum to 1. Raises ValueError when they are empty, negative or all zero."""
        total = sum(weights)
        if not weights or min(weights) < 0 or total <= 0:
            raise ValueError(f"weights {list(weights)} cannot be chosen from")
        running = 0.0
        self._bounds: list[float] = []
        for weight in weights:
            running += weight
            self._bounds.append(running / total)
        self._bounds[-1] = 1.0
        self._seed = seed

    @property
    def trivial(self) -> bool:
        """True when every message gets index 0."""
        return self._bounds[0] >= 1.0

    def of(self, publisher: int, seq: int) -> int:
        """The index chosen for a message."""
        share = share_of(self._seed, publisher, seq)
        for index, bound in enumerate(self._bounds):
            if share < bound:
                return index
        return len(self._bounds) - 1


def failures(weights: Sequence[float], seed: int) -> Choice:
    """How many times each message fails before it succeeds."""
    return Choice(weights, seed=seed ^ 0x6661696C)


def classes(shares: Sequence[float], seed: int) -> Choice:
    """The class of each message."""
    return Choice(shares, seed=seed ^ 0x6B696E64)


def salt_of(name: str) -> int:
    """What tells the choices of one role from those of another of the same run."""
    return zlib.crc32(name.encode()) | 1 << 33


class Ways:
    """Which way each message leaves a relay in the end: an outcome's index, or the one after the last for
    those that fail at every try."""

    __slots__ = ("_failures", "_given_up", "_outcomes", "_tries")

    def __init__(
        self, shares: Sequence[float], weights: Sequence[float], *, tries: int, seed: int, salt: int
    ) -> None:
        self._outcomes = Choice(shares or (1.0,), seed=seed ^ salt)
        self._failures = failures(weights, seed)
        self._tries = tries
        self._given_up = max(1, len(shares))

    @property
    def count(self) -> int:
        """How many ways there are: the outcomes, and giving up."""
        return self._given_up + 1

    @property
    def trivial(self) -> bool:
        return self._outcomes.trivial and self._failures.trivial

    def failures_of(self, publisher: int, seq: int) -> int:
        """How many tries of a message fail."""
        return 0 if self._failures.trivial else self._failures.of(publisher, seq)

    def of(self, publisher: int, seq: int) -> int:
        if self.failures_of(publisher, seq) >= self._tries:
            return self._given_up
        return 0 if self._outcomes.trivial else self._outcomes.of(publisher, seq)
