"""The parts of a scenario that say who does what, and the objects that are made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from loadgen import stream_roles
from loadgen.roles import (
    LOAD_USER,
    Act,
    Begins,
    ConsumerRole,
    Does,
    MessageClass,
    Objects,
    OnFailure,
    Outcome,
    Protocol,
    PublisherRole,
    Reads,
    RelayRole,
    Renews,
    Replies,
    ReplyBy,
    Settles,
    Slow,
    To,
)
from warren import topology_settings
from warren.reader import Section, is_number
from warren.topology import RESERVED_PREFIX
from warren.topology_reader import read_binding, read_exchange, read_queue

NAME = r"[a-z][a-z0-9-]{0,30}"
_BEGINS = ("before_publishing", "after_publishing")


class RoleReader:
    """Reads roles; in a virtual host of the profile's own their account may be left out."""

    def __init__(self, *, own_vhost: bool) -> None:
        self._own = own_vhost

    def _user(self, section: Section) -> str:
        return section.text("user", LOAD_USER) if self._own else section.text("user")

    def publisher(self, section: Section) -> PublisherRole:
        classes = section.sections("classes", _message_class) or (MessageClass(name="all"),)
        if sum(each.share for each in classes) <= 0:
            section.fault("classes", "the shares must not all be 0")
        if len({each.name for each in classes}) < len(classes):
            section.fault("classes", "two classes have the same name")
        role = PublisherRole(
            name=section.text("name", pattern=NAME),
            user=self._user(section),
            exchange=section.text("exchange"),
            routing_key=section.text("routing_key", ""),
            count=section.integer("count", 1, low=1, high=64),
            mandatory=section.flag("mandatory", True),
            returned=section.choice("returned", ("expected", "unwanted"), "unwanted") == "expected",
            reconnect_every=_every(section, "reconnect_every"),
            replies=_replies(section),
            renews=cast("Renews", section.choice("renews", ("connection", "channel"), "connection")),
            protocol=_protocol(section),
            classes=classes,
        )
        for key, what, remedy in stream_roles.publisher_faults(role):
            section.fault(key, what, remedy)
        if role.returned and not role.mandatory:
            section.fault(
                "returned", "nothing comes back of what is not mandatory", "drop 'mandatory: false'"
            )
        return role

    def consumer(self, section: Section) -> ConsumerRole:
        delays = numbers(section, "delays_s")
        role = ConsumerRole(
            name=section.text("name", pattern=NAME),
            user=self._user(section),
            queue=section.text("queue"),
            does=cast("Does", section.choice("does", ("work", "finish", "hold", "replay"), "work")),
            settles=cast("Settles", section.choice("settles", ("own", "origin"), "own")),
            reads=cast("Reads", section.choice("reads", ("shared", "all"), "shared")),
            arguments=section.table("arguments", {}),
            begins=cast("Begins", section.choice("begins", _BEGINS, _BEGINS[0])),
            from_s=section.number("from_s", 0.0, low=0) if "from_s" in section.data else None,
            reconnect_every=_every(section, "reconnect_every"),
            renews=cast("Renews", section.choice("renews", ("connection", "channel"), "connection")),
            count=section.integer("count", 1, low=1, high=64),
            prefetch=section.integer("prefetch", 100, low=1, high=65535),
            ack_batch=section.integer("ack_batch", 50, low=1, high=65535),
            work_time_s=section.number("work_time_s", 0.0, low=0, high=3600),
            slow=_slow(section.section("slow")) if "slow" in section.data else None,
            crash_every=_every(section, "crash_every"),
            crashes=section.integer("crashes", 1, low=1, high=100),
            crash_on_tries=_crash_on_tries(section),
            failures=_failures(section),
            on_failure=cast("tuple[OnFailure, ...]", section.texts("on_failure", ("reject",))),
            tries=section.integer("tries", len(delays) + 1, low=1, high=1000),
            delays_s=delays,
            protocol=_protocol(section),
            single_active=section.flag("single_active", False),
        )
        for key, what, remedy in stream_roles.reader_faults(role):
            section.fault(key, what, remedy)
        if delays and role.tries != len(delays) + 1:
            section.fault("tries", f"is {role.tries} beside {len(delays)} delays", "give one of the two")
        if not role.on_failure or set(role.on_failure) - {"reject", "requeue"}:
            section.fault("on_failure", "must be a list of reject and requeue")
        if role.from_s is not None and role.begins != "after_publishing":
            section.fault("from_s", "is a time that has to be over", "add 'begins: after_publishing'")
        return role

    def relay(self, section: Section) -> RelayRole:
        role = RelayRole(
            name=section.text("name", pattern=NAME),
            user=self._user(section),
            queue=section.text("queue"),
            to=cast("To", section.choice("to", ("outcome", "reply"), "outcome")),
            reply_exchange=section.text("reply_exchange", ""),
            outcomes=section.sections("outcomes", _outcome("", "done")),
            retries=section.sections("retries", _outcome("retry", "done")),
            given_up=_given_up(section),
            failures=_failures(section),
            delays_s=numbers(section, "delays_s"),
            count=section.integer("count", 1, low=1, high=64),
            prefetch=section.integer("prefetch", 100, low=1, high=65535),
            work_time_s=section.number("work_time_s", 0.0, low=0, high=3600),
            crash_every=_every(section, "crash_every"),
            crashes=section.integer("crashes", 1, low=1, high=100),
            crash_on_tries=_crash_on_tries(section),
        )
        _check_relay(section, role)
        return role


def _crash_on_tries(section: Section) -> tuple[int, ...]:
    """At which tries processes die; they are told apart where delays say how many there are."""
    key = "crash_on_tries"
    section.known.add(key)
    raw = section.data.get(key, [])
    delays = section.data.get("delays_s")
    most = len(delays) if isinstance(delays, list) else 0
    if not isinstance(raw, list) or any(type(each) is not int or not 0 <= each <= most for each in raw):
        section.fault(key, f"must be a list of tries from 0 to {most}, the number of delays; it is {raw!r}")
        return ()
    if raw and "crash_every" in section.data:
        section.fault(key, "stands beside crash_every", "say one of the two")
    return tuple(raw)


def _check_relay(section: Section, role: RelayRole) -> None:
    if role.outcomes and sum(each.share for each in role.outcomes) <= 0:
        section.fault("outcomes", "the shares must not all be 0")
    if role.to != "reply" and role.reply_exchange:
        section.fault("reply_exchange", "is for relays that answer", "say 'to: reply'")
    if role.to == "reply" and role.outcomes:
        section.fault("outcomes", "are given beside 'to: reply'", "give one of the two")
    if role.given_up is None and sum(role.failures[role.tries :]) > 0:
        section.fault("given_up", "messages fail more often than there are retries", "say where those go")


def _slow(section: Section) -> Slow:
    found = Slow(
        from_s=section.number("from_s", low=0),
        for_s=section.number("for_s", low=0.1),
        work_time_s=section.number("work_time_s", low=0, high=3600),
        drained_within_s=section.number("drained_within_s", 5.0, low=0),
    )
    section.finish()
    return found


def _every(section: Section, key: str) -> int | None:
    """After how many messages something happens; None for never."""
    return section.integer(key, 0, low=1) or None


def _protocol(section: Section) -> Protocol:
    return cast("Protocol", section.choice("protocol", ("amqp", "stream"), "amqp"))


def _message_class(section: Section) -> MessageClass:
    priority = section.integer("priority", -1, low=0, high=31)
    expiration = section.integer("expiration_ms", -1, low=0)
    return MessageClass(
        name=section.text("name", pattern=NAME),
        share=section.number("share", 1.0, low=0),
        priority=None if priority < 0 else priority,
        exchange=_text_or_none(section, "exchange"),
        routing_key=_text_or_none(section, "routing_key"),
        headers=section.table("headers", {}),
        expiration_ms=None if expiration < 0 else expiration,
    )


def _replies(section: Section) -> Replies | None:
    if "replies" not in section.data:
        return None
    part = section.section("replies")
    found = Replies(
        by=cast("ReplyBy", part.choice("by", ("direct", "exclusive", "quorum"), "direct")),
        exchange=part.text("exchange", ""),
        timeout_s=part.number("timeout_s", 2.0, low=0.01, high=3600),
    )
    part.finish()
    if (found.by == "direct") == bool(found.exchange):
        part.fault("exchange", "is where queues of replies are bound, and direct replies need none")
    return found


def _text_or_none(section: Section, key: str) -> str | None:
    found = section.text(key, "")
    return found if key in section.data else None


def _outcome(default_name: str, final: str) -> Callable[[Section], Outcome]:
    def read(section: Section) -> Outcome:
        expiration = section.integer("expiration_ms", -1, low=0)
        name = section.text("name", default_name, pattern=NAME) if default_name else section.text("name")
        return Outcome(
            name=name,
            share=section.number("share", 1.0, low=0),
            exchange=section.text("exchange", ""),
            routing_key=section.text("routing_key", ""),
            headers=section.table("headers", {}),
            expiration_ms=None if expiration < 0 else expiration,
            final="dead" if section.choice("final", ("done", "dead"), final) == "dead" else "done",
        )

    return read


def _given_up(section: Section) -> Outcome | None:
    if "given_up" not in section.data:
        return None
    part = section.section("given_up")
    found = _outcome("given-up", "dead")(part)
    part.finish()
    return found


def _failures(section: Section) -> tuple[float, ...]:
    if "failure_rate" in section.data:
        rate = section.number("failure_rate", 0.0, low=0, high=1)
        if "failures" in section.data:
            section.fault("failures", "is given beside failure_rate", "give one of the two")
        return (1.0 - rate, rate)
    return numbers(section, "failures") or (1.0,)


def numbers(section: Section, key: str) -> tuple[float, ...]:
    """A list of numbers from 0 up, not all 0; empty where it is not given."""
    section.known.add(key)
    raw = section.data.get(key, [])
    good = isinstance(raw, list) and all(is_number(each) and each >= 0 for each in raw)
    if not good or (raw and sum(raw) <= 0):
        section.fault(key, f"must be a list of finite numbers from 0 up, not all 0; it is {raw!r}")
        return ()
    return tuple(float(each) for each in raw)


def act(section: Section) -> Act:
    """``act:``: what is done to the cluster itself while the profile runs."""
    found = Act(
        name=section.choice("name", ("memory-alarm",)),
        at_s=section.number("at_s", low=0),
        for_s=section.number("for_s", low=0.1, high=60),
    )
    section.finish()
    return found


def objects(section: Section) -> Objects:
    """``objects:`` in the topology's terms. Names begin with the prefix that drift leaves alone."""
    found = Objects(
        user=section.text("user", LOAD_USER),
        exchanges=section.sections("exchanges", read_exchange),
        queues=section.sections("queues", read_queue),
        bindings=section.sections("bindings", read_binding),
    )
    for kind, named in (("exchanges", found.exchanges), ("queues", found.queues)):
        seen: set[str] = set()
        for each in named:
            if not each.name.startswith(RESERVED_PREFIX):
                remedy = f"call it {RESERVED_PREFIX}{each.name}"
                section.fault(f"{kind}[{each.name}]", f"does not begin with '{RESERVED_PREFIX}'", remedy)
            if each.name in seen:
                section.fault(f"{kind}[{each.name}]", "is given twice", "keep one of them")
            seen.add(each.name)
            path = section.at(f"{kind}[{each.name}].arguments")
            for at, what, remedy in topology_settings.settings(path, each.arguments):
                section.document.fault(at, what, remedy)
    for queue in found.queues:
        if queue.objective is not None:
            section.fault(f"queues[{queue.name}].objective", "belongs to the topology's queues only")
    section.finish()
    return found
