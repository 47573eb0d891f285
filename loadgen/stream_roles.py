"""What roles over the stream protocol cannot be or do, told before anything runs.

A stream is appended to and read; there are no exchanges, no rejections and no channels, and messages have no
properties: https://www.rabbitmq.com/docs/streams#feature-comparison
"""

from __future__ import annotations

from collections.abc import Iterator

from loadgen.roles import ConsumerRole, PublisherRole

#: (key, what is wrong, what to try)
Fault = tuple[str, str, str]
_OVER_AMQP = "drop it, or say protocol: amqp"


def publisher_faults(role: PublisherRole) -> Iterator[Fault]:
    """What a publisher cannot have over the stream protocol."""
    if role.protocol != "stream":
        return
    if role.exchange or any(each.exchange or each.routing_key is not None for each in role.classes):
        yield (
            "exchange",
            "over the stream protocol nothing is routed",
            'say exchange: "", and the stream as routing_key',
        )
    if any(
        each.headers or each.priority is not None or each.expiration_ms is not None for each in role.classes
    ):
        yield "classes", "messages have no properties over the stream protocol", _OVER_AMQP
    for key, given in (
        ("replies", role.replies is not None),
        ("returned", role.returned),
        ("renews", role.renews == "channel"),
    ):
        if given:
            yield key, "is not to be had over the stream protocol", _OVER_AMQP


def reader_faults(role: ConsumerRole) -> Iterator[Fault]:
    """What a consumer cannot do over the stream protocol, and what it can over no other."""
    if role.protocol != "stream":
        if role.single_active:
            yield (
                "single_active",
                "the broker has it of streams over the stream protocol only",
                "say protocol: stream",
            )
        return
    if role.single_active and role.does != "work":
        yield "single_active", f"is for readers that work, not for those that {role.does}", "drop it"
    for key, given in (
        ("does", role.does not in ("work", "replay")),
        ("settles", role.settles != "own"),
        ("renews", role.renews == "channel"),
        ("work_time_s", role.work_time_s > 0),
        ("slow", role.slow is not None),
        ("failures", len(role.failures) > 1),
        ("tries", role.tries > 1),
    ):
        if given:
            yield key, "is not to be had over the stream protocol", _OVER_AMQP
