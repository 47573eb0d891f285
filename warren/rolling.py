"""One node out of service in the order that RabbitMQ advises: what a rolling restart is made of, whether an
operator asks for it or chaos. https://www.rabbitmq.com/docs/upgrade#rolling-upgrade
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from warren import maintenance
from warren.runtime.protocol import Runtime

#: From SIGTERM to SIGKILL.
GRACE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of it, in words, and what does it; one that ``is_act`` must not be half done."""

    what: str
    do: Callable[[], None]
    is_act: bool = False


def down(runtime: Runtime, node: str, *, drain: bool, grace_s: float = GRACE_S) -> tuple[Part, ...]:
    """``node`` stopped, with ``drain`` once every queue can spare it; the last part is the stop itself.

    The look for a spare majority must come before the drain: a drained node passes it vacuously.
    """
    stop = Part(what="stopping it", do=partial(runtime.stop, node, grace_s=grace_s), is_act=True)
    if not drain:
        return (stop,)
    return (
        Part(
            what="waiting until every queue can spare it", do=partial(maintenance.await_spare, runtime, node)
        ),
        Part(what="draining it", do=partial(maintenance.drain, runtime, node), is_act=True),
        stop,
    )
