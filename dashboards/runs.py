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
