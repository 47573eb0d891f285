"""Runs the cases against a live cluster: a short load through a middleman each, and what it must show."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadgen import container, launch, resolve, scenario
from loadgen.container import Place, Starter
from loadgen.progress import Quiet, View
from loadgen.scenario import Scenario
from loadgen.selftest.act import Plan
from loadgen.selftest.box import standing
from loadgen.selftest.cases import Case
from loadgen.selftest.outcome import Outcome, judge
from warren.context import Context
from warren.results import LoadResult
from warren.signals import terminate_as_interrupt

FOLDER = Path(__file__).resolve().parent
PROFILE = "selftest"


def run(
    context: Context,
    cases: Sequence[Case],
    *,
    tell: Callable[[Outcome], None],
    starter: Starter = container.start,
) -> tuple[list[Outcome], bool]:
    """Every case in turn; ``tell`` hears of each. Returns the outcomes and whether ^C cut them short.

    Raises NotReadyError when the cluster, the engine or a middleman is not ready.
    """
    place = launch.place(context)
    outcomes: list[Outcome] = []
    for case in cases:
        context.say(f"{case.name}: {case.does}")
        report, result = through(
            context,
            place,
            case.plan,
            case.settings,
            view=_view(context, case),
            starter=starter,
        )
        if result.interrupted:
            return outcomes, True
        outcome = judge(case, report, result)
        if outcome.passed:
            shutil.rmtree(context.state.runs / result.run_id, ignore_errors=True)
        outcomes.append(outcome)
        tell(outcome)
    return outcomes, False


@terminate_as_interrupt()
def through(
    context: Context,
    place: Place,
    plan: Plan,
    settings: Mapping[str, str],
    *,
    view: View,
    starter: Starter = container.start,
) -> tuple[Mapping[str, Any], LoadResult]:
    """One run with ``settings`` through a middleman with ``plan``: its report, and the result."""
    with standing(context, place, plan, starter=starter) as box:
        order = launch.Order(
            scenario=profile(settings),
            endpoints=(box.endpoint,),
            params={"middleman": plan.act},
        )
        result, _ = launch.run_in_lab(context, order, view=view, starter=starter)
        return box.report(), result


class _Purging(Quiet):
    """Purges a queue once the run has published for ``at_s``."""

    def __init__(self, purge: Callable[[], None], at_s: int) -> None:
        self._purge = purge
        self._at_s = at_s
        self._done = False

    def show(self, event: Mapping[str, Any]) -> None:
        if not self._done and event["type"] == "progress" and event["t_s"] >= self._at_s:
            self._done = True
            self._purge()


def profile(settings: Mapping[str, str]) -> Scenario:
    """The self-test's own profile with ``settings``."""
    return scenario.load(PROFILE, settings, folder=FOLDER)


def _view(context: Context, case: Case) -> View:
    if case.purge_at_s is None:
        return Quiet()
    (role,) = profile(case.settings).consumers
    vhost = resolve.own_vhost(PROFILE).name

    def purge() -> None:
        context.management.delete("queues", vhost, role.queue, "contents")

    return _Purging(purge, case.purge_at_s)
