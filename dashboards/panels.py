"""Panels that several boards draw alike."""

from __future__ import annotations

from typing import Any

from dashboards.figures import LED, NAME, NOTHING_NEAR, READY_OF_ALL, UNACKED_OF_ALL
from dashboards.house import Panel, Query, lines
from dashboards.queries import RECORDED, most, promised


def by_queue(title: str, description: str, unit: str, expr: str, **look: Any) -> Panel:
    """``expr``, by virtual host and queue, of the queues that came highest; each line leads to its queue."""
    return lines(title, description, unit, Query(expr=most(expr), legend=NAME), to_queue=True, **look)


def against_promise(title: str, description: str, unit: str, expr: str, promise: str) -> Panel:
    """The same, and dashed what was promised of those queues: ``promise`` is the objective's metric."""
    return lines(
        title,
        description,
        unit,
        Query(expr=most(expr), legend=NAME),
        Query(expr=promised(promise, expr), legend=f"{NAME} objective", may_be_empty=NOTHING_NEAR),
        dashed="objective$",
        height=9,
        to_queue=True,
    )


def of_node(name: str) -> str:
    """What is recorded of the chosen nodes under ``name``."""
    return f'{name}{{{RECORDED},node=~"$node"}}'


def by_node(title: str, description: str, unit: str, *recorded: tuple[str, str], **look: Any) -> Panel:
    """Lines of the chosen nodes: pairs of a record's name and the word behind the node's."""
    queries = (Query(expr=of_node(name), legend=f"{{{{node}}}} {word}".rstrip()) for name, word in recorded)
    return lines(title, description, unit, *queries, **look)


def leaders(title: str, description: str, **look: Any) -> Panel:
    """How many queues each node leads, over time."""
    led = Query(expr=LED, legend="{{leader}}")
    return lines(title, description, "short", led, stacked=True, steps=True, **look)


def backlog(title: str, description: str) -> Panel:
    """Messages of all queues that somebody is meant to empty."""
    ready, unacked = (
        Query(expr=READY_OF_ALL, legend="ready"),
        Query(expr=UNACKED_OF_ALL, legend="unacknowledged"),
    )
    return lines(title, description, "short", ready, unacked, width=8)
