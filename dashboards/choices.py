"""The choices at the top of the boards: one object for each, so that a choice is kept from board to board."""

from __future__ import annotations

from dashboards.house import Variable
from dashboards.queries import NODE
from exporters import names

#: The job that scrapes the broker's ``/metrics``. Not All by default: `up` is there of every job.
JOB = Variable(name="job", label="Job", query="label_values(rabbitmq_build_info, job)", default="rabbitmq")
#: One at a time: no figure of two clusters belongs into one sum.
CLUSTER = Variable(
    name="cluster", label="Cluster", query='label_values(rabbitmq_build_info{job=~"$job"}, cluster)',
    several=False,
)  # fmt: skip
NODES = Variable(name="node", label="Node", query=f"label_values(rabbitmq_build_info{{{NODE}}}, node)")
VHOST = Variable(
    name="vhost", label="Virtual host",
    query=f'label_values({names.MEMBERS.name}{{cluster=~"$cluster"}}, vhost)',
)  # fmt: skip
QUEUE = Variable(
    name="queue", label="Queue",
    query=f'label_values({names.MEMBERS.name}{{cluster=~"$cluster",vhost=~"$vhost"}}, queue)',
)  # fmt: skip
