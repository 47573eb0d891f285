"""A run in parts: coordinators that share nothing but a name, a number each and a time to start at.

Part p of n runs the profile's processes under publisher numbers of its own, at its share of the rate. Who
consumes what is the broker's choice, so a part alone proves nothing: `merge` judges all of them together.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from loadgen.curve import SECOND_NS
from warren.errors import BadInputError, NotReadyError

#: Publisher numbers are 16 bits of the body's header, and a part has at most 64 of a role.
MOST_PARTS = 256
_NAME = r"[a-z0-9][a-z0-9-]{0,40}"
#: Commands must have reached the workers before the start.
_AHEAD_NS = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of which run; ``number`` counts from 1, ``start_at`` is in UTC."""

    name: str
    number: int
    of: int
    start_at: datetime

    @property
    def run_id(self) -> str:
        return f"{self.name}-part{self.number}of{self.of}"

    @property
    def nonce(self) -> int:
        """The mark of the whole run's messages: the same for all parts, another for another start."""
        text = f"{self.name} {self.of} {self.start_at.astimezone(UTC).isoformat()}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def whole_name(run_id: str) -> str:
    """The name of the run that a part's ``run_id`` belongs to."""
    return re.sub(r"-part\d+of\d+$", "", run_id)


def parse(part: str | None, name: str | None, start_at: str | None) -> Part | None:
    """What ``--part``, ``--run-name`` and ``--start-at`` say together; None when none is given.

    Raises BadInputError, naming the option.
    """
    if part is None and name is None and start_at is None:
        return None
    if part is None or name is None or start_at is None:
        missing = [
            option
            for option, value in (("--part", part), ("--run-name", name), ("--start-at", start_at))
            if value is None
        ]
        raise BadInputError(
            " and ".join(missing),
            "must be given for a part of a run",
            "a part needs --part 1/3, --run-name NAME and --start-at TIME, the last two the same everywhere",
        )
    match = re.fullmatch(r"(\d+)/(\d+)", part)
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= of <= MOST_PARTS:
        raise BadInputError("--part", f"{part!r} is no part", f"give 1/3, 2/3 or 3/3; at most {MOST_PARTS}")
    if not re.fullmatch(_NAME, name):
        raise BadInputError("--run-name", f"{name!r} is not a valid name", f"it must match {_NAME}")
    return Part(name=name, number=number, of=of, start_at=_time(start_at))


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(
            "--start-at", f"{text!r} is not a time", "for example 2026-03-01T12:00:00Z"
        ) from error
    if found.tzinfo is None:
        raise BadInputError("--start-at", f"{text!r} says no time zone", "end it with Z for UTC")
    return found.astimezone(UTC)


def start_ns(start_at_s: float, *, now_ns: int, clock_offset_ns: int) -> int:
    """``start_at_s`` (seconds since the epoch) on the monotonic clock, which is ``clock_offset_ns`` behind.

    Raises NotReadyError when it has passed: then the parts would not run at the same time.
    """
    found = round(start_at_s * SECOND_NS) - clock_offset_ns
    if found < now_ns + _AHEAD_NS:
        late_s = (now_ns - found) / SECOND_NS
        raise NotReadyError(
            "--start-at",
            f"the start was {late_s:.1f} s ago when the workers were ready",
            "give a later time: half a minute is mostly enough",
        )
    return found
