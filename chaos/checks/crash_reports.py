"""Crash reports in the nodes' logs from the time of the game day: of processes that died of errors.

A killed or cut off node makes its peers' connections to it end, which is logged and no crash; a report says
"CRASH REPORT" or "crasher:". https://www.rabbitmq.com/docs/logging
"""

from __future__ import annotations

import re
from collections import Counter

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged

#: What ends so is explained: a node that was frozen, or starved, finds that connections of its clients were
#: ended meanwhile, whose channels do not end in time.
_EXPLAINED = (("rabbit_reader:init/3", "channel_termination_timeout"),)
_CRASH = re.compile(r"CRASH REPORT|\bcrasher:")
#: What dies, and of what: the words that tell one crash from another.
_INITIAL = re.compile(r"initial call: (\S+)")
_MOST = 5


def check(evidence: Evidence) -> Finding:
    logs = evidence.left.logs
    if logs is None:
        return unjudged(evidence.left.trouble or "the logs were not read")
    found: Counter[str] = Counter()
    explained = 0
    for node, entries in logs.items():
        for entry in (each for each in entries if _CRASH.search(each)):
            if any(call in entry and why in entry for call, why in _EXPLAINED):
                explained += 1
                continue
            call = _INITIAL.search(entry)
            found[f"{call[1] if call else entry.splitlines()[0][-80:]} on {node}"] += 1
    figures = {"crash_reports": found.total(), "explained": explained}
    if not found:
        more = (
            f", but for {explained} connections that ended while their node stood still" if explained else ""
        )
        return judged(True, f"no process of the broker crashed{more}", **figures)
    named = "; ".join(f"{name} ({count})" for name, count in found.most_common(_MOST))
    return judged(False, f"{found.total()} crash reports: {named}", **figures)
