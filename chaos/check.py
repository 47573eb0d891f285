"""The checks of a game day: a file in ``chaos/checks/`` is one, and holds ``check(evidence) -> Check``."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import chaos.checks
from chaos.evidence import Evidence
from chaos.record import Check


def names() -> tuple[str, ...]:
    """Every check there is, by the names of their files."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(chaos.checks.__path__)))


def run(evidence: Evidence) -> tuple[Check, ...]:
    """What each of them says."""
    return tuple(_run(name, evidence) for name in names())


def _run(name: str, evidence: Evidence) -> Check:
    module: Any = importlib.import_module(f"chaos.checks.{name}")
    passed, why, figures = module.check(evidence)
    return Check(name=name.replace("_", "-"), passed=passed, why=why, figures=figures)
