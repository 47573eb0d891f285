"""After a run of clients that come and go: none of its connections may be left on the broker."""

from __future__ import annotations

import dataclasses

from warren.errors import NotReadyError
from warren.management import ManagementClient
from warren.management_facts import connection_name
from warren.results import LoadResult, Verdict
from warren.wait import Clock, until

#: A closed connection leaves the list with the broker's next statistics, at the latest.
_DEADLINE_S = 20.0


def check(result: LoadResult, management: ManagementClient, clock: Clock | None = None) -> LoadResult:
    """``result`` with the check ``connections``: how many of the run's own are left, which must be none."""
    prefix = f"warren-load {result.run_id} "

    def left() -> int:
        rows = management.rows("connections")
        return sum(connection_name(row).startswith(prefix) for row in rows)

    def gone() -> None:
        if found := left():
            raise NotReadyError("connections", f"{found} are left")

    try:
        until(gone, what="the run's connections to be gone", deadline_s=_DEADLINE_S, every_s=1.0, clock=clock)
    except NotReadyError as error:
        why = error.what
        checks = {**result.oracles, "connections": {"passed": False, "why": why}}
        reasons = () if result.verdict is Verdict.PASSED else result.reasons
        return dataclasses.replace(
            result, oracles=checks, verdict=Verdict.FAILED, reasons=(f"connections: {why}", *reasons)
        )
    return dataclasses.replace(result, oracles={**result.oracles, "connections": {"passed": True, "left": 0}})
