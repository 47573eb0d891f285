"""What chaos commands print, and the same as JSON-ready values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos import fault as catalogue
from chaos.healing import HealReport
from chaos.status import Status
from warren.journal import Fault, as_dict


def list_text() -> str:
    """Every fault with its parameters and their defaults."""
    lines = []
    for name in catalogue.names():
        fault = catalogue.load(name)
        lines.append(f"{name:<13} {fault.summary}")
        lines += [f"{'':<15}{key}={_value(each)}  {each.help}" for key, each in fault.parameters.items()]
    return "\n".join(lines)


def _value(parameter: catalogue.Parameter) -> str:
    """The default first, then what else it may be."""
    if not parameter.choices:
        return f"{parameter.default:g}"
    others = (each for each in parameter.choices if each != parameter.default)
    return "|".join([str(parameter.default), *others])


def list_dict() -> list[dict[str, Any]]:
    faults = {name: catalogue.load(name) for name in catalogue.names()}
    return [
        {
            "name": name,
            "summary": fault.summary,
            "parameters": {key: each.default for key, each in fault.parameters.items()},
        }
        for name, fault in faults.items()
    ]


def injected_text(fault: Fault) -> str:
    """What was broken, the proof, and how to put it back."""
    return f"{_fault_line(fault)}\nleft as it is until: make chaos-heal"


def fault_dict(fault: Fault) -> dict[str, Any]:
    return as_dict(fault)


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
    }


def _fault_line(fault: Fault) -> str:
    since = fault.injected_at or fault.begun_at or "an unknown time"
    doubt = "" if fault.is_proven else ", not proven"
    line = f"{fault.target}: {fault.name} since {since}{doubt} ({fault.fault_id})"
    proof = _proof(fault.evidence)
    return f"{line}\n  proof: {proof}" if proof else line


def _proof(evidence: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in evidence.items())


def _seen(fault: Fault) -> str:
    return {"pause": "paused", "stop": "stopped"}.get(fault.name, f"under {fault.name}")
