"""The checks of a game day: a file in ``chaos/checks/`` is one, and holds ``check(evidence) -> Check``."""

from __future__ import annotations

from typing import Any

import chaos.checks
from chaos.evidence import Evidence
from chaos.record import Check
from warren import siblings


def names() -> tuple[str, ...]:
    """Every check there is, by the names of their files."""
    return siblings.files(chaos.checks)


def run(evidence: Evidence) -> tuple[Check, ...]:
    """What each of them says."""
    return tuple(_run(name, evidence) for name in names())


def _run(name: str, evidence: Evidence) -> Check:
    module: Any = siblings.module(chaos.checks, name)
    passed, why, figures = module.check(evidence)
    return Check(name=name.replace("_", "-"), passed=passed, why=why, figures=figures)
