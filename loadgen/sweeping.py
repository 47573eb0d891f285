"""What a sweep's runs are: a profile at one rate after the other, in the lab or on another cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from loadgen import launch, progress, resolve, scenario
from loadgen.launch import Foreign
from loadgen.scenario import Scenario
from loadgen.settings import read_settings
from loadgen.specify import Order
from loadgen.sweep import Try
from warren.context import Context
from warren.errors import BadInputError
from warren.results import LoadResult

_DURATION_S = 15.0
_START_PER_S = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A profile and what is overridden in all of its runs; ``start_per_s`` is the first rate."""

    profile: str
    overrides: dict[str, str]
    start_per_s: float


def asked(
    profile: str, *, settings: Sequence[str], thresholds: Sequence[str], duration_s: float | None
) -> Asked:
    """Check ``profile`` with all overrides, before the first run.

    Raises BadInputError or BadInputsError, as a run with these would.
    """
    found = read_settings(settings)
    base = scenario.load(profile, found)
    if base.phases and duration_s is not None:
        what = "cannot be given: the profile has phases, which say how long each lasts"
        raise BadInputError("--duration", what, "leave it out")
    if not base.phases:
        found["duration"] = str(duration_s or _DURATION_S)
    if thresholds:
        found["thresholds"] = yaml.safe_dump([*base.thresholds, *thresholds], default_flow_style=True)
    start = base.rate_per_s or _START_PER_S
    scenario.load(profile, {**found, "rate": str(start)})
    return Asked(profile=profile, overrides=found, start_per_s=start)


def in_lab(context: Context, what: Asked, *, purge: bool) -> Try:
    """Runs ``what`` at a rate on the cluster of ``context``.

    ``purge`` is for what the queues hold before the first run; what one of these runs left is purged before
    the next.
    """
    began = False

    def attempt(rate_per_s: float) -> LoadResult:
        nonlocal began
        order = Order(scenario=_at(what, rate_per_s), purge=purge or began)
        began = True
        result, _ = launch.run_in_lab(context, order, view=progress.Quiet())
        return result

    return attempt


def elsewhere(context: Context, what: Asked, foreign: Foreign) -> Try:
    """Runs ``what`` at a rate on a cluster that Warren did not make, from this machine."""

    def attempt(rate_per_s: float) -> LoadResult:
        order = Order(scenario=_at(what, rate_per_s))
        resolved = resolve.resolve(order.scenario, context.topology, foreign=True)
        result, _ = launch.run_here(order, resolved, foreign, runs=context.state.runs, view=progress.Quiet())
        return result

    return attempt


def _at(what: Asked, rate_per_s: float) -> Scenario:
    return scenario.load(what.profile, {**what.overrides, "rate": str(rate_per_s)})


def page_path(runs: Path, profile: str) -> Path:
    """Where a sweep's page goes unless it is said."""
    return runs / f"sweep-{profile}-{datetime.now(UTC):%Y%m%d-%H%M%S}.html"
