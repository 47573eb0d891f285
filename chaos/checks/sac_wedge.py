"""A queue with a single active consumer that has consumers and messages, and no active one, for a while.

Seen on 4.3.0 to 4.3.5 once all consumers had timed out: https://github.com/rabbitmq/rabbitmq-server/issues/17317
"""

from __future__ import annotations

from collections import defaultdict

from chaos.evidence import Evidence
from chaos.finding import Finding, judged

#: Between two consumers there is a moment without one; the broker's figures are up to 5 s old.
_WEDGED_AFTER_S = 15.0


def check(evidence: Evidence) -> Finding:
    seen: defaultdict[str, list[float]] = defaultdict(list)
    for each in evidence.seen.wedged:
        seen[each.queue].append(each.t_s)
    wedged = {queue: max(at) - min(at) for queue, at in seen.items() if max(at) - min(at) >= _WEDGED_AFTER_S}
    if not wedged:
        return judged(True, "no queue was left without its active consumer", queues=len(seen))
    longest_s = round(max(wedged.values()), 1)
    why = f"{', '.join(sorted(wedged))}: consumers and messages, and no active consumer for {longest_s:g} s"
    return judged(False, why, queues=len(seen), longest_s=longest_s)
