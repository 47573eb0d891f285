"""The workers that speak AMQP 0-9-1, by the spec that asks for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from loadgen.publisher import Publisher
from loadgen.relay import Relay
from loadgen.requester import Requester
from loadgen.spec import ConsumerSpec, PublisherSpec, RelaySpec, from_plain
from loadgen.special import consumer
from loadgen.varied import VariedPublisher
from loadgen.worker import Job, Worker


def prepared(raw: dict[str, Any], write: Callable[[str], None]) -> Callable[[], None]:
    """The worker that a spec asks for, with its job; calling it runs it to its end."""
    runner, job = _job(raw, write)
    return partial(runner.run, job)


def _job(raw: dict[str, Any], write: Callable[[str], None]) -> tuple[Worker, Job]:
    """What the spec asks for: its class by its role, and the worker that runs it."""
    if raw["role"] == "publisher":
        publishes = from_plain(PublisherSpec, raw)
        runner = Worker(publishes.link, write=write)
        return runner, _publisher(publishes)(publishes, runner)
    if raw["role"] == "relay":
        relays = from_plain(RelaySpec, raw)
        runner = Worker(relays.link, write=write)
        return runner, Relay(relays, runner)
    consumes = from_plain(ConsumerSpec, raw)
    runner = Worker(consumes.link, write=write)
    return runner, consumer(consumes, runner)


def _publisher(spec: PublisherSpec) -> type[Publisher]:
    if spec.replies is not None:
        return Requester
    return VariedPublisher if spec.body == "varied" else Publisher
