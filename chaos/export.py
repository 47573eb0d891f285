"""A game day as an experiment of chaostoolkit's, whose actions call our command by its process provider.

What it can hold is the time line, the load and the healing. Intervals, checks and alerts stay here, so does
the gate: there a game day is a load that must pass. https://chaostoolkit.org/reference/api/experiment/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from chaos import schedule
from chaos.experiment import Experiment, Step, first_target
from chaos.target import Target
from warren.errors import BadInputError

#: From the start of `warren load run` to its first message: containers and connections.
_LOAD_BEGINS_S = 4.0
#: How much longer than its hold an act with its healing and gate may take, and a load than its publishing.
_ACT_S, _DRAIN_S = 300, 600


def chaostoolkit(experiment: Experiment, nodes: Sequence[str], seed: int) -> dict[str, Any]:
    """The experiment as JSON-ready values. Raises BadInputError where a step waits for a condition, or for
    what a monkey's luck makes of the time: chaostoolkit knows pauses only."""
    steps = [step for step in schedule.steps(experiment, nodes, seed) if step.probe is None]
    at = _times(experiment, steps)
    result = f"warren-{experiment.name}.json"
    return {
        "version": "1.0.0",
        "title": experiment.title,
        "description": f"{experiment.description} {_apart(experiment, steps)}By Warren; run it with "
        "--rollback-strategy always.",
        "tags": [*experiment.tags, "warren"],
        "steady-state-hypothesis": {
            "title": experiment.hypothesis or "The cluster is whole, and the load passes",
            "probes": [
                _probe("the cluster is whole", "warren", ["cluster", "status"]),
                _probe("the load passed, where it has run", "sh", ["-c", _passed(result)]),
            ],
        },
        "method": [
            *(_fault(step, at[step.name]) for step in steps if step.fault),
            *(_heal(step, at[step.name], steps) for step in steps if step.heals),
            _load(experiment, seed, result, _attached(experiment, steps, nodes)),
        ],
        "rollbacks": [
            _action("heal everything", ["chaos", "heal"], timeout_s=_ACT_S),
            {
                "type": "action",
                "name": "take the load's result away",
                "provider": {"type": "process", "path": "rm", "arguments": ["-f", result]},
            },
        ],
    }


def _times(experiment: Experiment, steps: Sequence[Step]) -> Mapping[str, float]:
    """When each step is due, seconds after publishing began, were every act done at once."""
    done: dict[str, schedule.Done] = {}
    healed = {step.heals: step for step in steps if step.heals}
    found: dict[str, float] = {}
    for step in steps:
        due = schedule.due_s(step, done)
        if due is None or (step.moment.until is not None and experiment.monkey is None):
            what = "waits for a condition, which chaostoolkit has no word for"
            raise BadInputError(f"experiment {experiment.name}: {step.name}", what, "export another one")
        found[step.name] = due
        end = None if step.hold_s is None and step.name in healed else due + (step.hold_s or 0.0)
        done[step.name] = schedule.Done(injected_s=due, healed_s=end)
        if step.heals:
            done[step.heals] = schedule.Done(injected_s=done[step.heals].injected_s, healed_s=due)
    return found


def _passed(result: str) -> str:
    return f'test ! -e {result} || grep -q \'"verdict": "passed"\' {result}'


def _probe(name: str, path: str, arguments: Sequence[str]) -> dict[str, Any]:
    provider = {"type": "process", "path": path, "arguments": list(arguments), "timeout": 120}
    return {"type": "probe", "name": name, "tolerance": 0, "provider": provider}


def _action(name: str, arguments: Sequence[str], *, timeout_s: float) -> dict[str, Any]:
    provider = {"type": "process", "path": "warren", "arguments": list(arguments), "timeout": timeout_s}
    return {"type": "action", "name": name, "provider": provider}


def _fault(step: Step, at_s: float) -> dict[str, Any]:
    """A fault in the background, since the load runs in the foreground meanwhile."""
    arguments = ["chaos", step.fault, *_target(step.target)]
    for key, value in step.args.items():
        arguments += ["--set", f"{key}={value}"]
    arguments += ["--majority-loss"] if step.majority_loss else []
    arguments += ["--for", f"{step.hold_s:g}s"] if step.hold_s is not None else []
    action = _action(step.name, arguments, timeout_s=(step.hold_s or 0.0) + _ACT_S)
    return {**action, "background": True, "pauses": {"before": at_s + _LOAD_BEGINS_S}}


def _target(target: Target) -> list[str]:
    """As `warren chaos FAULT` takes it: a node is an argument, all else are options."""
    found = [] if target.node is None else [target.node]
    for each in fields(Target):
        value = getattr(target, each.name)
        if each.name == "node" or value in (None, False):
            continue
        option = f"--{each.name.replace('_', '-')}"
        found += [option] if value is True else [option, str(value)]
    return found


def _heal(step: Step, at_s: float, steps: Sequence[Step]) -> dict[str, Any]:
    node = next(each.target.node for each in steps if each.name == step.heals)
    arguments = ["chaos", "heal", *([] if node is None else [node])]
    action = _action(step.name, arguments, timeout_s=_ACT_S)
    return {**action, "background": True, "pauses": {"before": at_s + _LOAD_BEGINS_S}}


def _attached(experiment: Experiment, steps: Sequence[Step], nodes: Sequence[str]) -> tuple[str, ...]:
    """The nodes that clients connect to first, where the experiment says so and names the struck node."""
    target, wanted = first_target(steps), experiment.load.attach
    if wanted == "any" or target is None or target.node is None:
        return ()
    return tuple(node for node in nodes if (node == target.node) is (wanted == "target"))


def _apart(experiment: Experiment, steps: Sequence[Step]) -> str:
    """What the run by chaostoolkit has otherwise, as a sentence; nothing mostly."""
    target, wanted = first_target(steps), experiment.load.attach
    if wanted == "any" or target is None or target.node is not None:
        return ""
    where = "to the node that is struck" if wanted == "target" else "to the nodes beside it"
    return f"As a game day its clients attach {where}, known when it is struck; here they attach to any. "


def _load(experiment: Experiment, seed: int, result: str, attach: Sequence[str]) -> dict[str, Any]:
    load = experiment.load
    arguments = ["load", "run", load.profile, "--purge", "--quiet", "--seed", str(seed)]
    arguments += ["--duration", f"{load.duration_s:g}s", "--json", result]
    arguments += ["--rate", load.rate] if load.rate is not None else []
    arguments += ["--attach", ",".join(attach)] if attach else []
    for key, value in load.settings.items():
        arguments += ["--set", f"{key}={value}"]
    return _action(f"load: {load.profile}", arguments, timeout_s=load.duration_s + _DRAIN_S)
