"""Crash reports in the nodes' logs from the time of the game day: of processes that died of errors.

A killed or cut off node makes its peers' connections to it end, which is logged and no crash; a report says
"CRASH REPORT" or "crasher:". https://www.rabbitmq.com/docs/logging
"""

from __future__ import annotations

import re
from collections import Counter

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged
from warren.console import shorten

#: What dies, of what, and what it is then: these are explained and no reason against a game day.
_EXPLAINED = (
    # A node that was frozen, or starved, finds that connections of its clients were ended meanwhile, whose
    # channels do not end in time.
    (
        "rabbit_reader:init/3",
        "channel_termination_timeout",
        "connections that ended while their node stood still",
    ),
    # The management plugin answers before the node has its list of members, and who asks for /api/nodes just
    # then gets a 500: proplists:get_keys(undefined) in rabbit_mgmt_wm_nodes:all_nodes_raw/0 of 4.3.6.
    (
        "cowboy_stream_h:request_process/3",
        "rabbit_mgmt_wm_nodes:all_nodes_raw",
        "questions to a node that was booting",
    ),
    # And it still answers when its own processes have ended: on a node that is stopped, who asks for
    # /api/queues within a tenth of a second of SIGTERM gets a 500 (4.3.6).
    (
        "cowboy_stream_h:request_process/3",
        "rabbit_mgmt_db_cache_sup",
        "questions to a node that was going down",
    ),
    # As the first, on 4.0.5: there the channel answers a close that nobody waits for.
    (
        "rabbit_channel:init/1",
        "{shutdown,{writer,send_failed,enotconn}}",
        "connections that ended while their node stood still",
    ),
)
_CRASH = re.compile(r"CRASH REPORT|\bcrasher:")
#: What dies, and of what: the words that tell one crash from another.
_INITIAL = re.compile(r"initial call: (\S+)")
_REASON = re.compile(r"exception (?:error|exit|throw): (.+)")
_WHERE = re.compile(r"in (?:function|call from)\s+(\S+)")
_REASON_WIDTH = 120
_MOST = 5


def check(evidence: Evidence) -> Finding:
    logs = evidence.left.logs
    if logs is None:
        return unjudged(evidence.left.trouble or "the logs were not read")
    found: Counter[str] = Counter()
    explained: Counter[str] = Counter()
    for node, entries in logs.items():
        for entry in (each for each in entries if _CRASH.search(each)):
            if (known := _explanation(entry)) is not None:
                explained[known] += 1
                continue
            found[_told(entry, node)] += 1
    figures = {"crash_reports": found.total(), "explained": explained.total()}
    if not found:
        told = " and ".join(f"{count} {what}" for what, count in explained.most_common())
        more = f", but for {told}" if told else ""
        return judged(True, f"no process of the broker crashed{more}", **figures)
    named = "; ".join(f"{name} ({count})" for name, count in found.most_common(_MOST))
    return judged(False, f"{found.total()} crash reports: {named}", **figures)


def _told(entry: str, node: str) -> str:
    """What died where, of what and in which function, the broker's own rather than a library's, as far as the
    report says: nodes' logs go with the nodes, and the record is what is left to find out by."""
    call, reason = (pattern.search(entry) for pattern in (_INITIAL, _REASON))
    places = _WHERE.findall(entry)
    where = next((each for each in places if each.startswith("rabbit")), next(iter(places), ""))
    named = f"{call[1] if call else entry.splitlines()[0][-80:]} on {node}"
    words = [shorten(reason[1], _REASON_WIDTH)] if reason else []
    words += [f"in {where}"] if where else []
    return f"{named}: {' '.join(words)}" if words else named


def _explanation(entry: str) -> str | None:
    return next((what for call, why, what in _EXPLAINED if call in entry and why in entry), None)
