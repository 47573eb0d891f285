"""returns: what reaches no queue comes back to its publisher, and nothing else does.

A mandatory message that is unroutable is returned, and then confirmed (https://www.rabbitmq.com/docs/
publishers#unroutable): a confirmed one that was not returned has vanished.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen import roster
from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.spec import LoadSpec


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``returns``: how many should have come back, how many of those did not, and how many others did; of
    each class without a way, how many were published and came back."""
    del totals
    kinds: dict[str, dict[str, int]] = {}
    came = evidence.returned()
    counts = {"expected": 0, "returned": 0, "vanished": 0, "returned_though_routable": 0}
    for publisher, role in enumerate(roster.each_publisher(spec)):
        published, back = evidence.published.get(publisher, 0), came.get(publisher, 0)
        unroutable = 0
        for kind in role.classes:
            if not role.reached_by(kind):
                members = expected.of_class(publisher, kind.name, published)
                unroutable |= members
                each = kinds.setdefault(kind.name, {"published": 0, "returned": 0})
                each["published"] += members.bit_count()
                each["returned"] += (back & members).bit_count()
        due = unroutable & evidence.confirmed.get(publisher, 0)
        counts["expected"] += due.bit_count()
        counts["returned"] += (back & unroutable).bit_count()
        counts["vanished"] += (due & ~back).bit_count()
        counts["returned_though_routable"] += (back & ~unroutable).bit_count()
    vanished, others = counts["vanished"], counts["returned_though_routable"]
    good = vanished + others == 0
    why = f"{vanished} unroutable messages did not come back, {others} others did"
    return {"returns": {"passed": good, **({} if good else {"why": why}), **counts, **kinds}}
