"""routing: each queue gets what its bindings owe it, and nothing else.

The unit is (message, queue), and what is owed follows from the class's key and headers by the rules of
`warren.routing`. A message that several bindings of one queue match is owed once
(https://www.rabbitmq.com/docs/exchanges), an alternate exchange is a way like any other
(https://www.rabbitmq.com/docs/ae). What no binding takes is for the oracle `returns`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.spec import LoadSpec
from warren.topology import Binding

#: So many queues are named where something is wrong with them.
_EXAMPLES = 3


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``bindings``: one entry a queue, with ``owed``, ``received``, ``missing`` and ``leaked`` messages and
    its bindings.
    """
    del totals
    return {"bindings": _bindings(spec, evidence, expected)}


def _bindings(spec: LoadSpec, evidence: Evidence, expected: Expectation) -> dict[str, Any]:
    names = {name for queues in expected.destinations.values() for name in queues}
    names |= {name for name, _ in evidence.units()}
    queues = {name: _queue(spec, evidence, expected, name) for name in sorted(names)}
    missing = sum(each["missing"] for each in queues.values())
    leaked = sum(each["leaked"] for each in queues.values())
    wrong = [
        f"{name} lacks {each['missing']} messages that its bindings owe it and got {each['leaked']} others"
        for name, each in queues.items()
        if each["missing"] or each["leaked"]
    ]
    good = not wrong
    return {
        "passed": good,
        **({} if good else {"why": "; ".join(wrong[:_EXAMPLES])}),
        "missing": missing,
        "leaked": leaked,
        **queues,
    }


def _queue(spec: LoadSpec, evidence: Evidence, expected: Expectation, queue: str) -> dict[str, Any]:
    """Counts of one queue, over all publishers. Unconfirmed messages are owed by nobody, and leak nowhere."""
    returned = evidence.returned()
    counts = Counter({"owed": 0, "received": 0, "missing": 0, "leaked": 0})
    for publisher, published in evidence.published.items():
        ways = expected.owed(queue, publisher, published)
        seen = evidence.final(queue, publisher)
        owed = ways & evidence.confirmed.get(publisher, 0) & ~returned.get(publisher, 0)
        counts["owed"] += owed.bit_count()
        counts["received"] += (seen & ways).bit_count()
        counts["missing"] += (owed & ~seen).bit_count()
        counts["leaked"] += (seen & ~ways).bit_count()
    bindings = spec.objects.bindings if spec.objects is not None else ()
    return {**counts, "bindings": [_said(each) for each in bindings if each.destination == queue]}


def _said(binding: Binding) -> str:
    """A binding in a few words: where from, and what it asks for."""
    headers = ", ".join(f"{key}: {value}" for key, value in binding.arguments.items())
    return f"{binding.source} {headers or binding.routing_key or 'everything'}"
