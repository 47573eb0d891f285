"""Before a game day: nothing of an earlier one may be left, the cluster whole, the settings as presumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from chaos import fault as faults
from chaos.context import ChaosContext
from chaos.experiment import Experiment, Step
from chaos.eyes import Eyes, unowned
from chaos.healing import visible
from chaos.probing import Answer, Ground, ask
from warren.errors import NotReadyError, WarrenError

#: A cluster that is whole says so at the first look, or at the next once its figures are fresh.
_GATE_S = 30.0
#: Figures of queues and of channels are up to 5 s old, each for itself: what is owned shows it within this.
_OWNED_WITHIN_S = 12.0


def refuse_residue(context: ChaosContext) -> None:
    """Return where the cluster is as it should be. Raises NotReadyError naming all that is left of something
    else: open faults, what can be seen broken, what the gate misses."""
    left = [f"{fault.fault_id} on {fault.target} is open" for fault in context.journal.open_faults()]
    left += [f"{fault.target} is under '{fault.name}'" for fault in visible(context)]
    if not left:
        try:
            context.wait_ready(deadline_s=_GATE_S, steady_s=0.0)
        except WarrenError as error:
            left.append(f"{error.where}: {error.what}")
    if left:
        raise NotReadyError(
            "gate", f"the cluster is not as it should be: {'; '.join(left)}", "make chaos-heal"
        )


def refuse_missing(context: ChaosContext, steps: Sequence[Step]) -> None:
    """Raise NotReadyError, naming each, where a fault of ``steps`` cannot be had on this cluster: it would
    only be found when everything else was under way."""
    site = replace(context.site, sights={})
    names = dict.fromkeys(step.fault for step in steps if step.fault)
    gone = {name: why for name in names if (why := faults.missing(site, faults.load(name)))}
    if gone:
        what = "; ".join(f"{name} cannot be had here: {why}" for name, why in gone.items())
        raise NotReadyError("method", what, "warren chaos list says what each fault needs")


def settings(experiment: Experiment, eyes: Eyes) -> Mapping[str, Any]:
    """The running cluster's timers. Raises NotReadyError where they are not what the intervals presume."""
    found = eyes.settings()
    refuse_other_settings(experiment, found)
    return found


def refuse_other_settings(experiment: Experiment, found: Mapping[str, Any]) -> None:
    """Raise NotReadyError where the cluster's timers are not what the experiment's intervals presume."""
    wrong = [
        f"{key} is {found.get(key)}, the experiment presumes {value:g}"
        for key, value in experiment.presumes.items()
        if found.get(key) != value
    ]
    if wrong:
        remedy = "set it in the topology and bring the cluster up anew; its intervals rest on it"
        raise NotReadyError(f"experiment {experiment.name}", "; ".join(wrong), remedy)


def orphans(context: ChaosContext, eyes: Eyes) -> dict[str, int]:
    """By virtual host, how many unacknowledged messages no channel owned at any of some looks: what an
    earlier fault has left, and this day cannot be blamed for. Nothing where the broker cannot be asked."""
    end_s = context.clock.now() + _OWNED_WITHIN_S
    looks: list[dict[str, int]] = []
    while context.clock.now() < end_s:
        with suppress(WarrenError):
            looks.append(unowned(eyes.queues(), eyes.channels_unacked()))
        if looks and not looks[-1]:
            return {}
        context.clock.sleep(1.0)
    always = set.intersection(*(set(look) for look in looks)) if looks else set()
    return {vhost: min(look[vhost] for look in looks) for vhost in sorted(always)}


def steady(experiment: Experiment, eyes: Eyes, now: datetime) -> tuple[Answer, ...]:
    """The answers of the probes that are asked before anything. Raises NotReadyError where one does not hold
    or cannot be asked: a game day that begins in another state than it presumes shows nothing."""
    ground = Ground(eyes=eyes, since=now, live={})
    answers = tuple(ask(probe, ground, when="start", t_s=0.0) for probe in experiment.probes_of("start"))
    if bad := [answer for answer in answers if not answer.holds]:
        told = "; ".join(str(answer) for answer in bad)
        raise NotReadyError(
            experiment.hypothesis or "steady state", f"does not hold: {told}", "make cluster-status"
        )
    return answers
