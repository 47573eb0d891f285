"""Crash reports in the nodes' logs from the time of the game day: of processes that died of errors.

A killed or cut off node makes its peers' connections to it end, which is logged and no crash; a report says
"CRASH REPORT" or "crasher:". https://www.rabbitmq.com/docs/logging
"""

from __future__ import annotations

import re
from collections import Counter

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged

_CRASH = re.compile(r"CRASH REPORT|\bcrasher:")
#: What dies, and of what: the words that tell one crash from another.
_INITIAL = re.compile(r"initial call: (\S+)")
_MOST = 5


def check(evidence: Evidence) -> Finding:
    logs = evidence.left.logs
    if logs is None:
        return unjudged(evidence.left.trouble or "the logs were not read")
    found: Counter[str] = Counter()
    for node, entries in logs.items():
        for entry in entries:
            if _CRASH.search(entry):
                call = _INITIAL.search(entry)
                found[f"{call[1] if call else entry.splitlines()[0][-80:]} on {node}"] += 1
    figures = {"crash_reports": found.total(), "entries": sum(len(entries) for entries in logs.values())}
    if not found:
        return judged(True, "no process of the broker crashed", **figures)
    named = "; ".join(f"{name} ({count})" for name, count in found.most_common(_MOST))
    return judged(False, f"{found.total()} crash reports: {named}", **figures)
