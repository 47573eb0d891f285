"""What each profile means, checked against the evidence; found by the profile's name.

A module here offers ``check(spec, evidence, expected, totals)``, which returns check name →
``{"passed": True, False or None (not judged), "why": …, …figures}``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.judge import Expectation
from loadgen.spec import LoadSpec

Checks = Mapping[str, Mapping[str, Any]]


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Checks:
    """The checks of ``spec.profile``; none when it has no oracle."""
    name = f"{__name__}.{spec.profile.replace('-', '_')}"
    if importlib.util.find_spec(name) is None:
        return {}
    found: Checks = importlib.import_module(name).check(spec, evidence, expected, totals)
    return found
