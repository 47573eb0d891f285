"""What chaos commands print, and the same as JSON-ready values."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from chaos import fault as catalogue
from chaos.halt import RELEASE
from chaos.halting import HaltReport
from chaos.healing import HealReport
from chaos.order import Plan
from chaos.status import Status
from warren.journal import Fault, as_dict

_WIDTH = 100
#: Of what a line shows each.
_MOST_SHOWN = 5


def list_text(missing: Mapping[str, str]) -> str:
    """Every fault with what it needs, why it cannot be had here where it is ``missing``, and its parameters
    with their defaults; no line is longer than a terminal is wide."""
    width = max(len(name) for name in catalogue.names()) + 1
    lines = []
    for name in catalogue.names():
        fault = catalogue.load(name)
        lines += _wrapped(f"{name:<{width}}", fault.summary, width)
        if needs := catalogue.needs(fault):
            lines += _wrapped(" " * (width + 2), f"needs {needs}", width + 4)
        if name in missing:
            lines += _wrapped(" " * (width + 2), f"not to be had here: {missing[name]}", width + 4)
        for key, each in fault.parameters.items():
            lines += _wrapped(" " * (width + 2), f"{key}={_value(each)}  {each.help}", width + 4)
    return "\n".join(lines)


def _wrapped(head: str, text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=head, subsequent_indent=" " * indent, break_on_hyphens=False
    )


def _value(parameter: catalogue.Parameter) -> str:
    """The default first, then what else it may be."""
    if isinstance(parameter.default, float):
        return f"{parameter.default:g}"
    others = (each for each in parameter.choices if each != parameter.default)
    return "|".join([str(parameter.default), *others])


def list_dict(missing: Mapping[str, str]) -> list[dict[str, Any]]:
    faults = {name: catalogue.load(name) for name in catalogue.names()}
    return [
        {
            "name": name,
            "summary": fault.summary,
            "needs": catalogue.needs(fault),
            "missing": missing.get(name, ""),
            "parameters": {key: each.default for key, each in fault.parameters.items()},
        }
        for name, fault in faults.items()
    ]


def injected_text(faults: Sequence[Fault]) -> str:
    """What was broken, the proof, and how to put it back."""
    lines = [_fault_line(fault) for fault in faults]
    if any(fault.is_open for fault in faults):
        return "\n".join([*lines, "left as it is until: make chaos-heal"])
    whole = faults[-1].evidence.get("whole_after_s")
    return "\n".join([*lines, f"it has ended, and the cluster is whole ({whole:g} s after its last act)"])


def injected_dict(faults: Sequence[Fault]) -> dict[str, Any]:
    """A single fault as it is; several under ``faults``."""
    return as_dict(faults[0]) if len(faults) == 1 else {"faults": [as_dict(fault) for fault in faults]}


def plan_text(plan: Plan) -> str:
    """Whom an order would strike, with what, and why them."""
    args = ", ".join(f"{key}={value}" for key, value in plan.args.items())
    lines = []
    for each in plan.targets:
        role = f" ({each.resolved.role})" if each.resolved.role else ""
        lines.append(f"{each.node}: would be struck by {plan.fault}{role}")
        shown = {key: value for key, value in each.facts.items() if key not in ("chosen_as", "queue")}
        lines += [f"  held against: {_proof(shown)}"] if shown else []
    lines += [f"settings: {args}"] if args else []
    lines += [f"seed: {plan.seed}"] if plan.seed is not None else []
    return "\n".join([*lines, "nothing was changed: without --dry-run it will be"])


def plan_dict(plan: Plan) -> dict[str, Any]:
    return {
        "fault": plan.fault,
        "args": dict(plan.args),
        "seed": plan.seed,
        "targets": [
            {"node": each.node, "chosen_as": each.resolved.role, "facts": dict(each.facts)}
            for each in plan.targets
        ],
    }


def heal_text(report: HealReport) -> str:
    lines = [f"{fault.target}: healed of {fault.name} ({fault.fault_id})" for fault in report.healed]
    lines += [f"{fault.target}: was {_seen(fault)}; put back" for fault in report.found]
    if not lines:
        lines = ["nothing was broken by chaos"]
    if report.still_down:
        lines.append(f"not asked to heal, still down: {', '.join(report.still_down)}")
    elif report.whole_after_s is not None:
        lines.append(f"the cluster is whole, {report.whole_after_s:g} s after the healing began")
    return "\n".join(lines)


def heal_dict(report: HealReport) -> dict[str, Any]:
    return {
        "healed": [as_dict(fault) for fault in report.healed],
        "found": [as_dict(fault) for fault in report.found],
        "whole_after_s": report.whole_after_s,
        "still_down": list(report.still_down),
    }


def halt_text(report: HaltReport) -> str:
    """What was stopped and healed, and how to go on."""
    lines = [f"process {each} was asked to end" for each in report.asked]
    lines += [f"process {each} is still there" for each in report.still_there]
    if not report.asked or report.report.healed or report.report.found:
        lines.append(heal_text(report.report))
    return "\n".join([*lines, f"nothing may be broken from now on, until: {RELEASE}"])


def halt_dict(report: HaltReport) -> dict[str, Any]:
    return {
        "halted_since": report.since,
        "asked": list(report.asked),
        "still_there": list(report.still_there),
        **heal_dict(report.report),
    }


def status_text(status: Status) -> str:
    lines = [f"{node:<8} {state.value}" for node, state in status.nodes.items()]
    over = {fault.fault_id for fault in status.over}
    for fault in status.open:
        lines.append(_fault_line(fault))
        if fault.fault_id in over:
            lines.append(f"  {fault.target} runs again, but nobody has looked whether it is whole")
    for node, state in status.unexplained.items():
        lines.append(f"{node}: {state.value}, and the journal does not say why")
    lines += status.damage
    if status.halted_since is not None:
        lines.append(f"chaos is halted since {status.halted_since}; release it with: {RELEASE}")
    return "\n".join([*lines, _advice(status)])


def _advice(status: Status) -> str:
    if status.is_down:
        return "the cluster is down: make cluster-up"
    return "no fault is open" if status.is_quiet else "put it back with: make chaos-heal"


def status_dict(status: Status) -> dict[str, Any]:
    return {
        "nodes": {node: state.value for node, state in status.nodes.items()},
        "open": [as_dict(fault) for fault in status.open],
        "over": [fault.fault_id for fault in status.over],
        "unexplained": {node: state.value for node, state in status.unexplained.items()},
        "damage": list(status.damage),
        "halted_since": status.halted_since,
    }


def _fault_line(fault: Fault) -> str:
    since = fault.injected_at or fault.begun_at or "an unknown time"
    doubt = "" if fault.is_proven else ", not proven"
    line = f"{fault.target}: {fault.name} since {since}{doubt} ({fault.fault_id})"
    proof = _proof(fault.evidence)
    return f"{line}\n  proof: {proof}" if proof else line


def _proof(evidence: Mapping[str, Any]) -> str:
    """What is no figure or word, but a table, is for the journal and ``--json``."""
    shown = {key: value for key, value in evidence.items() if not _is_table(value)}
    return ", ".join(f"{key.replace('_', ' ')} {_short(value)}" for key, value in shown.items())


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values())


def _short(value: Any) -> str:
    """A value in a line; of many only how many there are."""
    if isinstance(value, (list, tuple, dict)) and len(value) > _MOST_SHOWN:
        return f"of {len(value)}"
    if isinstance(value, dict):
        return " ".join(f"{key} {each}" for key, each in value.items())
    return " ".join(str(each) for each in value) if isinstance(value, (list, tuple)) else str(value)


def _seen(fault: Fault) -> str:
    return {"pause": "paused", "stop": "stopped"}.get(fault.name, f"under {fault.name}")
