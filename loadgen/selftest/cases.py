"""What each wrong must show: exactly its classes of the ledger, as often as it was done, and no other.

A case is an act and the figures that it must give, as multiples of what the middleman says that it did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loadgen.selftest.act import Plan
from warren.errors import BadInputError
from warren.results import Verdict

PASSED, FAILED = Verdict.PASSED, Verdict.FAILED
#: 400 messages, three of them picked: far enough apart, and from the end, for each to be over.
_PICKED = (61, 173, 290)
_HELD_S = 0.4
#: A refusal is published again until its deadline, so that one is short where one is wanted.
_SOON: Mapping[str, str] = {"publish_deadline_s": "5"}
#: Workers that fall behind, with little in their hands.
_SLOW: Mapping[str, str] = {"consumers.consumer.work_time_s": "0.02", "consumers.consumer.prefetch": "10",
                            "consumers.consumer.ack_batch": "1"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``shows`` maps a class to how often each deed must show in it; all others must be at rest.

    ``contradicts`` names the broker's own counters that must give the wrong away, the others must agree;
    ``slows_s`` is the least that the slowest delivery must have taken; ``purge_at_s`` is when the queue is
    purged behind the run's back: what vanishes so is the deed.
    """

    name: str
    does: str
    shows: Mapping[str, int] = field(default_factory=dict)
    verdict: Verdict = PASSED
    settings: Mapping[str, str] = field(default_factory=dict)
    contradicts: tuple[str, ...] = ()
    slows_s: float = 0.0
    purge_at_s: int | None = None
    act: str = ""

    @property
    def plan(self) -> Plan:
        """What the middleman is told to do."""
        return Plan(act=self.act or self.name, picked=_PICKED if self.bites else (), for_s=_HELD_S)

    @property
    def bites(self) -> bool:
        """Whether a middleman does something in this case."""
        return self.name != "clean" and self.purge_at_s is None


_LOST_UNREADABLE = {"lost": 1, "unexpected": 1}
CASES = (
    Case(name="clean", does="pass everything on"),
    Case(
        name="lose",
        does="confirm a publish and throw it away",
        shows={"lost": 1},
        verdict=FAILED,
        contradicts=("confirmed", "received"),
    ),
    Case(
        name="drop-delivery",
        does="take a delivery and acknowledge it",
        shows={"lost": 1},
        verdict=FAILED,
    ),
    Case(
        name="purge",
        does="purge the queue behind the run's back",
        shows={"lost": 1},
        verdict=FAILED,
        settings=_SLOW,
        purge_at_s=1,
        act="clean",
    ),
    Case(
        name="duplicate",
        does="deliver twice, without the flag",
        shows={"duplicates_unflagged": 1},
        verdict=FAILED,
        contradicts=("delivered",),
    ),
    Case(name="reorder", does="let a delivery be overtaken", shows={"reordered": 1}),
    Case(name="delay", does="hold publishes for a while", slows_s=_HELD_S),
    Case(name="delay-delivery", does="hold deliveries for a while", slows_s=_HELD_S),
    Case(
        name="corrupt-run",
        does="damage what says of which run a message is",
        shows={"lost": 1, "foreign": 1},
        verdict=FAILED,
    ),
    Case(
        name="corrupt-sequence",
        does="damage a sequence number",
        shows=_LOST_UNREADABLE,
        verdict=FAILED,
    ),
    Case(name="corrupt-padding", does="damage a body's rest", shows=_LOST_UNREADABLE, verdict=FAILED),
    Case(
        name="invent",
        does="deliver what nobody published",
        shows={"unexpected": 1},
        verdict=FAILED,
        contradicts=("delivered",),
    ),
    Case(
        name="invent-foreign",
        does="deliver a message of another run",
        shows={"foreign": 1},
        contradicts=("delivered",),
    ),
    Case(
        name="drop-confirm",
        does="keep the broker's confirm back",
        shows={"in_doubt": 1, "recovered": 1, "late_publishes": 1},
        verdict=FAILED,
        settings=_SOON,
    ),
    Case(
        name="cut",
        does="keep confirms back, then cut the connection",
        shows={"duplicates_own_retry": 1},
    ),
    Case(
        name="nack-stored",
        does="refuse what was stored, at every attempt",
        shows={"nacked": 1, "nacked_delivered": 1, "late_publishes": 1},
        verdict=FAILED,
        settings=_SOON,
        contradicts=("received",),
    ),
    Case(
        name="nack-once",
        does="refuse what was stored, once",
        shows={"duplicates_own_retry": 1},
        contradicts=("confirmed",),
    ),
    Case(
        name="refuse",
        does="refuse and throw away, at every attempt",
        shows={"nacked": 1, "late_publishes": 1},
        verdict=FAILED,
        settings=_SOON,
        contradicts=("received",),
    ),
    Case(
        name="refuse-once",
        does="refuse and throw away, once",
        shows={"reordered_after_reconnect": 1},
        contradicts=("received",),
    ),
    Case(
        name="return",
        does="return as unroutable and throw away",
        shows={"returned": 1},
        contradicts=("confirmed", "received", "unroutable_returned"),
    ),
    Case(
        name="return-stored",
        does="return as unroutable what was stored",
        shows={"returned": 1},
        contradicts=("unroutable_returned",),
    ),
)


def case(name: str) -> Case:
    """The case called ``name``; raises BadInputError for an unknown one."""
    for each in CASES:
        if each.name == name:
            return each
    raise BadInputError(f"--case {name}", "is not known", "cases: " + ", ".join(each.name for each in CASES))
