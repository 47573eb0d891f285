"""A report for a person: a section for each kind that differs, what could not be compared, and the sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from warren.drift.model import DriftKind, Report
from warren.objects.writing import command_for


def text(report: Report) -> str:
    """Plain lines, for a terminal or a pipe."""
    lines: list[str] = []
    for kind in report.read:
        found = report.of(kind)
        if found:
            lines.append(f"{kind.words} ({len(found)}):")
            lines += [f"  {each.line}" for each in found]
    return "\n".join([*lines, *_unread(report), *_mend(report), _sum(report)])


def _unread(report: Report) -> Iterable[str]:
    by_reason: dict[str, list[DriftKind]] = defaultdict(list)
    for kind, reason in report.unread.items():
        by_reason[reason].append(kind)
    for reason, kinds in by_reason.items():
        yield f"not compared ({len(kinds)}): {', '.join(kind.words for kind in kinds)}"
        yield f"  {reason}"


def _mend(report: Report) -> Iterable[str]:
    if report.plan:
        yield f"objects are made as the topology says with: {command_for(report.plan.steps)}"


def _sum(report: Report) -> str:
    if report.in_sync:
        return f"the broker has what the topology asks for ({len(report.read)} kinds compared)"
    kinds = {each.kind for each in report.differences}
    count = len(report.differences)
    told = f"{count} difference{'' if count == 1 else 's'}"
    told += f" of {len(kinds)} kind{'' if len(kinds) == 1 else 's'}" if kinds else ""
    left = f"; {len(report.unread)} not" if report.unread else ""
    return f"{told} ({len(report.read)} kinds compared{left})"
