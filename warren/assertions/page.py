"""docs/assertions.md: the list of assertions for a reader, made from the assertions themselves."""

from __future__ import annotations

from collections.abc import Sequence

from warren.assertions.model import Assertion

_HEAD = """<!-- Made by Warren (warren topology render) from warren/assertions; changes here are lost -->
# What must hold of a cluster

`warren cluster verify` asks a running cluster whether each of these holds, and prints the evidence. It exits
with 0 when all do, and with 1 when one does not. `tests/cluster/test_assertions.py` has a test for each.

A *must* holds on every cluster. A *production* assertion may be waived under `waivers:` in the topology, with
a reason, which is printed where the assertion fails; a waiver of anything else is refused. The values come
from RabbitMQ's production checklist, its guides on TLS and access control, and the release notes of 4.0 to
4.3.

| assertion | level | it must hold that | read from |
| --- | --- | --- | --- |
"""


def page(assertions: Sequence[Assertion]) -> str:
    """The whole page."""
    rows = [f"| `{each.id}` | {each.level} | {each.title} | {each.reads} |" for each in assertions]
    return _HEAD + "\n".join(rows) + "\n"
