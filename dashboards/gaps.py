"""How long a load run has been without a confirm, by its counter: to the scrape, and up to five minutes."""

from __future__ import annotations

from dashboards.queries import LOAD
from loadgen import names as load

#: Longest gap that is told apart, in seconds.
MOST_S = 300


def confirm_gap() -> str:
    """Seconds since the confirms of each run last grew; by ``profile`` and ``run_id``.

    Counted from the last moment within five minutes at which the counter stood higher than five seconds
    before. It is of one process that does not start again within a run, so that it never falls.
    """
    confirmed = f"sum by (profile, run_id) ({load.CONFIRMED}{{{LOAD}}})"
    before = f"sum by (profile, run_id) ({load.CONFIRMED}{{{LOAD}}} offset 5s)"
    grew = f"timestamp({confirmed} > {before})"
    since = f"time() - max_over_time(({grew})[{MOST_S}s:5s])"
    old = f"sum by (profile, run_id) ({load.CONFIRMED}{{{LOAD}}} offset {MOST_S}s)"
    return f"({since}) and {confirmed} or (({confirmed} * 0 + {MOST_S}) and {old})"
