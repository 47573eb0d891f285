"""What `warren cluster OPERATION` prints before and after, and its result for ``--json``."""

from __future__ import annotations

from typing import Any

from warren.operating import catalogue
from warren.operating.running import Done, Planned


def plan_text(planned: Planned, cluster: str) -> str:
    """The steps in words, what clients may count on, and what to do where it stops."""
    operation = catalogue.load(planned.name)
    if not planned.steps:
        return f"{planned.name} of cluster '{cluster}': nothing is left to do"
    how = "undone" if planned.undoes else f"gone on with, begun at {planned.record.began_at}"
    head = f"{planned.name} of cluster '{cluster}'" + (f" ({how})" if planned.resumed else "")
    lines = [head]
    lines += [f"  {place:>3}  {step.what}" for place, step in enumerate(planned.steps, start=1)]
    if not planned.undoes:
        lines += [f"clients: {operation.promise}", f"if it stops: go on: {planned.go_on}"]
        lines += [f"             undo: {planned.undo}"]
    return "\n".join(lines)


def done_text(done: Done) -> str:
    """That it is done, and where the time went."""
    verb = "undone" if done.planned.undoes else "done"
    lines = [f"{done.planned.name}: {verb} in {sum(done.seconds):.1f} s, {len(done.seconds)} steps"]
    slow = sorted(zip(done.seconds, done.planned.steps, strict=True), key=lambda pair: -pair[0])[:3]
    lines += [f"  {seconds:6.1f} s  {step.what}" for seconds, step in slow if seconds >= 1.0]
    return "\n".join(lines)


def plan_dict(planned: Planned) -> dict[str, Any]:
    """A plan for ``--json``."""
    return {
        "schema": 1,
        "operation": planned.name,
        "args": dict(planned.args),
        "resumed": planned.resumed,
        "undoes": planned.undoes,
        "done": False,
        "steps": [{"what": step.what, "is_act": step.is_act} for step in planned.steps],
    }


def done_dict(done: Done) -> dict[str, Any]:
    """What was done, for ``--json``."""
    steps = [
        {"what": step.what, "is_act": step.is_act, "seconds": round(seconds, 3)}
        for step, seconds in zip(done.planned.steps, done.seconds, strict=True)
    ]
    return {
        **plan_dict(done.planned),
        "done": True,
        "steps": steps,
        "seconds": round(sum(done.seconds), 3),
        "facts": dict(done.facts),
    }
