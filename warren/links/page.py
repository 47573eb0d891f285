"""Links as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

from warren.links.proof import Verdict
from warren.links.status import LinkStatus


def status_text(found: Sequence[LinkStatus]) -> str:
    """A line a link, and below it why it does not run and what to try."""
    if not found:
        return "the topology links to no other cluster"
    width = max(len(each.name) for each in found)
    lines: list[str] = []
    for each in found:
        place = f"  on {each.node.partition('@')[2] or each.node} since {each.since}" if each.node else ""
        way = f"{each.source} -> {each.target}"
        lines.append(f"{each.name:<{width}}  {each.state.value:<8}  {way}{place if each.runs else ''}")
        if not each.runs:
            lines += [f"    {each.reason}" if each.reason else "", f"    try: {each.remedy}"]
    running = sum(each.runs for each in found)
    return "\n".join([*(line for line in lines if line), f"{running} of {len(found)} links run"])


def proof_text(verdict: Verdict) -> str:
    """What a proof found: the figures, each duplicate's reason, and the verdict last."""
    figures = verdict.figures
    lines = [
        f"published {figures.published}: {figures.confirmed} confirmed, {figures.in_doubt} in doubt "
        f"({figures.recovered} of them arrived), {figures.refused} refused",
        f"arrived {figures.arrived} of {figures.expected} expected in {', '.join(verdict.queues)}",
        f"lost {figures.lost}, stuck at the source {figures.stuck}",
        f"twice: {figures.twice_by_link} by the link, {figures.twice_to_us} redelivered to us",
        f"the link was cut {figures.cuts} times",
    ]
    lines += [f"  {reason}" for reason in verdict.reasons]
    return "\n".join([*lines, verdict.word])
