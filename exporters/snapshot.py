"""What one scrape knows of the broker, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporters.detailed import ByQueue, Published
from exporters.queue_facts import QueueFacts, QueueKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one scrape knows. ``at_s`` is monotonic. ``queues`` is None where no node's management API has
    answered lately; ``fresh`` says whether it did in this scrape, or lately enough where it takes long, and
    ``queues_age_s`` how long before this scrape it was asked. ``counters`` holds the nodes whose rates
    were read, by metric (without prefix) and queue; lengths may be missing. ``published`` holds what the same
    nodes counted by exchange. ``critical`` says of a node how many queues would lose their majority without
    it: of all queues, those too that no filter lets through."""

    at_s: float
    duration_s: float
    nodes: tuple[str, ...]
    queues: tuple[QueueFacts, ...] | None
    dead_letter_targets: frozenset[QueueKey]
    counters: Mapping[str, Mapping[str, ByQueue]]
    published: Mapping[str, Published] = field(default_factory=dict)
    critical: Mapping[str, int] = field(default_factory=dict)
    fresh: bool = True
    queues_age_s: float | None = None
    left_out: int = 0
    errors: tuple[str, ...] = field(default=())
