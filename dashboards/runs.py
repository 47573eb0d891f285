"""The choices of load runs."""

from __future__ import annotations

from dashboards.house import Variable
from loadgen import names as load

PROFILE = Variable(
    name="profile", label="Profile", query=f'label_values({load.PUBLISHED}{{cluster=~"$cluster"}}, profile)'
)
RUN = Variable(
    name="run", label="Run",
    query=f'label_values({load.PUBLISHED}{{cluster=~"$cluster",profile=~"$profile"}}, run_id)',
)  # fmt: skip

#: What panels of load mean when they are empty: over their time range, and at its end.
NO_RUN = "no load ran in this time, or none of the profile and run that are chosen"
NO_RUN_NOW = "no load runs at the end of this time"
