"""What profiles mean, checked against the evidence. A scenario names its oracles; each is a module here.

A module offers ``check(spec, evidence, expected, totals)``, which returns check name →
``{"passed": True, False or None (not judged), "why": …, …figures}``, and may say in ``NEEDS`` which
evidence it wants beyond the ledger's own (`EVIDENCE`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.spec import LoadSpec
from warren import siblings
from warren.errors import BadInputError

Checks = Mapping[str, Mapping[str, Any]]

#: What workers write down only when an oracle asks for it: word → events (`loadgen.ledger.Kind`).
EVIDENCE: Mapping[str, str] = {
    "tries": "TRIED and REJECTED: each try of a message and when it was rejected",
    "served": "SERVED: each delivery, and since when its consumer was free",
    "confirm_times": "CONFIRMED_AT: when each message was confirmed",
    "sent_times": "SENT_AT: when each message was sent, each time that it was",
    "offsets": "READ: each message that was read of a stream, and at which offset",
    "arrivals": "ARRIVED: when each delivery came, and when its message was meant to be sent",
}


def known() -> tuple[str, ...]:
    """The oracles that there are."""
    return siblings.files(sys.modules[__name__])


def default(profile: str) -> tuple[str, ...]:
    """The oracles of a profile that names none: the one of its own name, where there is such a one."""
    name = profile.replace("-", "_")
    return (name,) if name in known() else ()


def names(spec: LoadSpec) -> tuple[str, ...]:
    """The oracles that judge a run of ``spec``."""
    return default(spec.profile) if spec.oracles is None else spec.oracles


def needs(spec: LoadSpec) -> frozenset[str]:
    """What the workers of ``spec`` must write down, as keys of `EVIDENCE`."""
    wanted: frozenset[str] = frozenset()
    for name in names(spec):
        wanted |= getattr(_module(name), "NEEDS", frozenset())
    return wanted


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Checks:
    """The checks of every oracle of ``spec``. Where two have a check of one name, the later one's is
    called by oracle and name."""
    found: dict[str, Mapping[str, Any]] = {}
    for name in names(spec):
        for key, figures in _module(name).check(spec, evidence, expected, totals).items():
            found[f"{name}_{key}" if key in found else key] = figures
    return found


def _module(name: str) -> ModuleType:
    if name not in known():
        raise BadInputError(f"oracle '{name}'", "is not known", f"oracles: {', '.join(known())}")
    return siblings.module(sys.modules[__name__], name)
