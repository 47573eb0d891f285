"""What an operator wants to know of each queue, in one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from warren.errors import BadInputError, NotReadyError, WarrenError
from warren.management import QueueInfo
from warren.nearest import meant
from warren.prometheus import PrometheusClient

Order = Literal["name", "ready", "age", "fill"]
ORDERS: tuple[Order, ...] = ("name", "ready", "age", "fill")
#: Of the exporter's lag part: the age, and how long the age is at least where its beginning was not seen.
_AGE = "warren_queue_oldest_message_age_seconds"
_AGE_AT_LEAST = "warren_queue_oldest_message_age_at_least_seconds"
#: https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling: where nothing else is said, since 4.0.
DEFAULT_DELIVERY_LIMIT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One queue. ``fill`` is the share of its nearest limit (messages or bytes), None where it has none.

    ``age_s`` is that of the oldest message; ``age_at_least`` True: it is older than that. Both follow from
    the exporter's curve of arrivals; None where that is not known. ``leaving`` are those on their way to the
    dead-letter exchange. Counters are up to 5 s old.
    """

    vhost: str
    name: str
    type: str
    state: str
    ready: int | None
    unacked: int | None
    leaving: int | None
    consumers: int | None
    leader: str
    online: int
    members: int
    age_s: float | None
    age_at_least: bool
    fill: float | None
    dead_letters_to: str

    @property
    def title(self) -> str:
        return f"{self.vhost}:{self.name}"

    def as_result(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def settings(info: QueueInfo) -> dict[str, Any]:
    """What holds for a queue, without ``x-``: of a number that stands in argument and policy, the lesser
    (https://www.rabbitmq.com/docs/policies#combining-policy-definitions)."""
    merged = dict(info.effective_policy)
    for key, value in info.arguments.items():
        name = key.removeprefix("x-")
        both = isinstance(value, int) and isinstance(merged.get(name), int)
        merged[name] = min(value, merged[name]) if both else value
    return merged


def delivery_limit(info: QueueInfo) -> int | None:
    """Failed deliveries after which the broker takes a message out of the queue; None: it never does."""
    if info.type != "quorum":
        return None
    said = [info.effective_policy.get("delivery-limit"), info.arguments.get("x-delivery-limit")]
    limits = [each for each in said if isinstance(each, int)]
    if any(each < 0 for each in limits):  # no limit in one of the two: the other holds
        limits = [each for each in limits if each >= 0]
        return limits[0] if limits else None
    return min(limits, default=DEFAULT_DELIVERY_LIMIT)


def rows(
    queues: Iterable[QueueInfo], ages: Mapping[tuple[str, str], tuple[float, bool]], pattern: str = "*"
) -> list[Row]:
    """A row of each queue whose name, or ``vhost:name``, matches the glob ``pattern``."""
    return [
        _row(each, *ages.get((each.vhost, each.name), (None, False)))
        for each in queues
        if fnmatchcase(each.name, pattern) or fnmatchcase(f"{each.vhost}:{each.name}", pattern)
    ]


def ordered(found: Sequence[Row], by: Order) -> list[Row]:
    """By virtual host and name, or the greatest first of another figure; what is not known stands last."""
    named = sorted(found, key=lambda row: (row.vhost, row.name))
    if by == "name":
        return named

    def figure(row: Row) -> float:
        value = {"ready": row.ready, "age": row.age_s, "fill": row.fill}[by]
        return float("inf") if value is None else -value

    return sorted(named, key=figure)


def _row(info: QueueInfo, age_s: float | None, age_at_least: bool) -> Row:
    holds = settings(info)
    members = info.members or ((info.leader,) if info.leader else ())
    return Row(
        vhost=info.vhost,
        name=info.name,
        type=info.type,
        state=info.state,
        ready=info.messages_ready,
        unacked=info.messages_unacked,
        leaving=info.messages_dlx,
        consumers=info.consumers,
        leader=(info.leader or "none").removeprefix("rabbit@"),
        online=len(info.online) if info.members else len(members),
        members=len(members),
        age_s=age_s,
        age_at_least=age_at_least,
        fill=_fill(info, holds),
        dead_letters_to=_dead_letters_to(holds),
    )


def _fill(info: QueueInfo, holds: Mapping[str, Any]) -> float | None:
    shares = [
        has / limit
        for has, limit in (
            (info.messages, holds.get("max-length")),
            (info.message_bytes, holds.get("max-length-bytes")),
        )
        if has is not None and isinstance(limit, int) and limit > 0
    ]
    return max(shares, default=None)


def _dead_letters_to(holds: Mapping[str, Any]) -> str:
    exchange, key = holds.get("dead-letter-exchange"), holds.get("dead-letter-routing-key")
    if exchange is None:
        return ""
    if exchange == "":
        return f"queue {key}" if key else "the default exchange"
    return f"{exchange} ({key})" if key else str(exchange)


def ages(prometheus: PrometheusClient) -> dict[tuple[str, str], tuple[float, bool]]:
    """Age of the oldest message by virtual host and queue, and whether it is only a lower bound; empty where
    Prometheus or the exporter does not answer."""
    found: dict[tuple[str, str], tuple[float, bool]] = {}
    try:
        for metric, at_least in ((_AGE_AT_LEAST, True), (_AGE, False)):
            for sample in prometheus.query(metric):
                place = (sample.labels.get("vhost", ""), sample.labels.get("queue", ""))
                found[place] = (sample.value, at_least)
    except WarrenError:
        return {}
    return found


def exactly(queues: Sequence[QueueInfo], given: str) -> QueueInfo:
    """The queue called ``given``, or ``vhost:name``; raises BadInputError where none or several are."""
    found = [each for each in queues if given in (each.name, f"{each.vhost}:{each.name}")]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{each.vhost}:{each.name}" for each in found)
        raise BadInputError("QUEUE", f"'{given}' stands in several virtual hosts", f"say one of {names}")
    if not queues:
        raise NotReadyError("the cluster", "it shows no queue at all", "make cluster-status")
    known = {each.name for each in queues}
    if near := sorted(name for name in known if given and fnmatchcase(name, f"*{given}*")):
        remedy = f"did you mean {', '.join(near[:5])}?"
    else:
        remedy = meant(given, known, "warren queue list names them")
    raise BadInputError("QUEUE", f"there is no queue '{given}'", remedy)
