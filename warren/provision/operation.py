"""Operations for Ansible: planned, and carried out unless it only rehearses, by the engine of
`warren cluster OPERATION`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warren import process
from warren.console import Say
from warren.context import open_context
from warren.errors import BadInputError
from warren.operating import catalogue, page, running, wiring
from warren.process import Runner
from warren.provision import one_inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An operation by its name and what it is told; the cluster, its state folder, its inventory."""

    operation: str
    arguments: Mapping[str, str]
    undo: bool
    topology_path: Path
    cluster: str
    state_dir: Path
    inventory: Sequence[Path]


def operate(wanted: Wanted, *, only_look: bool, say: Say, run: Runner = process.run) -> dict[str, Any]:
    """Plan the operation and, unless ``only_look``, carry it out; JSON-ready, no secret in it.

    ``changed`` is whether an act was carried out, or would be. Raises as `warren.operating.running` does, and
    BadInputError for arguments or an inventory that cannot be meant.
    """
    _refuse_unknown(wanted)
    inventory = one_inventory.path(wanted.inventory, wanted.state_dir, run=run)
    env = {"WARREN_STATE": str(wanted.state_dir.parent), "WARREN_HOSTS": str(inventory)}
    context = open_context(say, topology_path=wanted.topology_path, env=env)
    if context.state.root != wanted.state_dir.resolve():
        what = f"is not the state folder of cluster {context.topology.cluster}: {context.state.root} is"
        raise BadInputError(str(wanted.state_dir), what, "see warren_cluster and warren_state_dir")
    site = wiring.site_of(context)
    with context.state.lock(f"ansible, {wanted.operation}"):
        planned = running.plan(site, wanted.operation, wanted.arguments, undo=wanted.undo)
        if only_look:
            found = {**page.plan_dict(planned), "seconds": 0.0, "facts": {}}
        else:
            found = page.done_dict(running.carry_out(site, planned))
    steps = found.pop("steps")
    changed = any(step["is_act"] for step in steps)
    return {**found, "steps": [step["what"] for step in steps], "changed": changed}


def _refuse_unknown(wanted: Wanted) -> None:
    """Raise BadInputError for an argument that the operation does not take, or lacks, or that is no whole
    path: who runs a play does not say from which folder."""
    parameters = {each.name: each for each in catalogue.load(wanted.operation).parameters}
    if unknown := sorted(set(wanted.arguments) - set(parameters)):
        remedy = f"it takes: {', '.join(parameters) or 'none'}"
        raise BadInputError(wanted.operation, f"takes no {', '.join(unknown)}", remedy)
    for name, each in parameters.items():
        value = wanted.arguments.get(name)
        if each.default is None and not value:
            raise BadInputError(wanted.operation, f"needs {name}", each.help)
        if each.kind == "file" and value and not Path(value).is_absolute():
            raise BadInputError(wanted.operation, f"{name} is {value}", "give the whole path")
        if each.choices and value and value not in each.choices:
            raise BadInputError(wanted.operation, f"{name} is {value}", f"one of: {', '.join(each.choices)}")
