"""docs/assertions.md: the list of assertions for a reader, made from the assertions themselves."""

from __future__ import annotations

from collections.abc import Sequence

from warren.assertions.model import Assertion

_HEAD = """<!-- Made by Warren (warren topology render) from warren/assertions; changes here are lost -->
# What must hold of a cluster

`warren cluster verify` asks a running cluster whether each of these holds, and prints the evidence. It exits
with 0 when all do, and with 1 when one does not; `--hosts INVENTORY` asks nodes that are services of hosts
([hosts](hosts.md)). One list for both: what differs by the kind of nodes says so. Each is a test by its own
name, in `tests/cluster/test_assertions.py` of containers and in `tests/hosts/test_provisioning.py` of hosts.

A *must* holds on every cluster. A *production* assertion may be waived with a reason: of containers under
`waivers:` in the topology, of hosts by `rabbitmq_waivers` in their inventory. The reason is printed where the
assertion fails; a waiver of anything else is refused. The values come from RabbitMQ's production checklist,
its guides on TLS and access control, and the release notes of 4.0 to 4.3.

| assertion | level | asked of | it must hold that | read from |
| --- | --- | --- | --- | --- |
"""


def page(assertions: Sequence[Assertion]) -> str:
    """The whole page."""
    rows = [
        f"| `{each.id}` | {each.level} | {each.on} | {each.title} | {each.reads} |" for each in assertions
    ]
    return _HEAD + "\n".join(rows) + "\n"
