"""Judges a cluster by every assertion, with the waivers of its topology."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from warren.assertions import (
    configuration,
    confinement,
    containers,
    hosts,
    messaging,
    platform,
    security,
    services,
)
from warren.assertions.facts import Around, Facts
from warren.assertions.gather import Sources, gather
from warren.assertions.model import Assertion, AssertionResult, Verdict
from warren.context import Context
from warren.errors import BadInputError, BadInputsError
from warren.links import material
from warren.objects.comparing import password_key
from warren.secrets import COOKIE, service_accounts
from warren.topology import Topology, Waiver
from warren.wait import Clock

#: The broker collects statistics each 5 s (https://www.rabbitmq.com/docs/management#statistics-interval).
_STATISTICS_S = 5.0
_SETTLE_S = 12.0

ASSERTIONS: tuple[Assertion, ...] = (
    *platform.ASSERTIONS,
    *configuration.ASSERTIONS,
    *security.ASSERTIONS,
    *messaging.ASSERTIONS,
    *confinement.ASSERTIONS,
    *containers.ASSERTIONS,
    *services.ASSERTIONS,
)


def verify(context: Context) -> list[AssertionResult]:
    """Read the running cluster and judge it.

    What the management API says of a queue is up to one statistics interval old, and for as long after a
    change of leader lacks the queue's policy: what fails is looked at again before it is believed.

    Raises BadInputsError for a waiver of what cannot be waived, NotReadyError when the cluster does not
    answer.
    """
    check_waivers(context.topology, name=str(context.topology_path))
    return settled(lambda: judge(look(context)), context.clock)


def look(context: Context) -> Facts:
    """The facts of the running cluster. Raises as `verify` does.

    The topology's waivers excuse the containers; hosts are excused by their inventory alone, as they are by
    the role that provisions them.
    """
    facts = gather(sources(context))
    if context.inventory is None:
        return facts
    levels = {assertion.id: assertion.level for assertion in ASSERTIONS}
    waivers = tuple(
        Waiver(assertion=name, reason=f"rabbitmq_waivers in {context.inventory.path}")
        for name in context.inventory.waivers
        if levels.get(name) == "production"
    )
    return replace(facts, topology=replace(facts.topology, waivers=waivers))


def settled(look: Callable[[], list[AssertionResult]], clock: Clock) -> list[AssertionResult]:
    """The first of ``look``'s results that passes, or after a few statistics intervals the last."""
    end_s = clock.now() + _SETTLE_S
    found = look()
    while not passed(found) and clock.now() < end_s:
        clock.sleep(_STATISTICS_S)
        found = look()
    return found


def sources(context: Context) -> Sources:
    """Where the facts about the cluster of ``context`` come from."""
    topology, kept = context.topology, context.secrets
    passwords = {user.name: kept.read(user.name) for user in topology.users}
    far = {password_key(each.name): material.password(each, context.state) for each in topology.links.remotes}
    accounts = service_accounts(long_term=topology.shipping.long_term)
    secrets = {**{name: kept.read(name) for name in (*passwords, *accounts, COOKIE)}, **far}
    client = None
    if topology.tls.client_certificate == "required":
        pair = context.pki.leaf("clients", topology.account("operator").name)
        client = pair.certificate, pair.key
    return Sources(
        topology=topology,
        management=context.management,
        runtime=context.nodes,
        around=lambda: _around(context),
        relay=None if context.inventory is None else context.ssh.relay,
        ca=context.cluster_ca,
        client=client,
        passwords={**passwords, **far},
        secrets=secrets,
    )


def _around(context: Context) -> Around:
    if context.inventory is None:
        return containers.around(context.runtime.containers())
    ssh = context.ssh
    return hosts.around(
        list(ssh.logins),
        [node.name for node in context.topology.nodes],
        lambda host, argv, timeout_s: ssh.checked(host, argv, timeout_s=timeout_s),
    )


def check_waivers(
    topology: Topology, assertions: Sequence[Assertion] = ASSERTIONS, *, name: str = "topology"
) -> None:
    """Raise BadInputsError for each waiver of an assertion that is not known, must hold, or has no reason.

    ``name`` is the topology file's, for the messages.
    """
    levels = {assertion.id: assertion.level for assertion in assertions}
    faults = []
    for waiver in topology.waivers:
        where = f"{name}:waivers[{waiver.assertion}]"
        if waiver.assertion not in levels:
            waivable = sorted(name for name, level in levels.items() if level == "production")
            faults.append(BadInputError(where, "no such assertion", f"can be waived: {', '.join(waivable)}"))
        elif levels[waiver.assertion] == "must":
            faults.append(
                BadInputError(where, "this one must hold everywhere", "take the waiver out, mend the cluster")
            )
        elif not waiver.reason.strip():
            faults.append(BadInputError(where, "a waiver needs a reason", "say why this cluster may miss it"))
    if faults:
        raise BadInputsError(faults)


def judge(facts: Facts, assertions: Sequence[Assertion] = ASSERTIONS) -> list[AssertionResult]:
    """Every assertion that can be asked of such a cluster, against the facts; pure. A waiver counts only
    where its assertion fails."""
    reasons = {waiver.assertion: waiver.reason for waiver in facts.topology.waivers}
    results = []
    for assertion in assertions:
        if assertion.on not in ("both", facts.around.kind):
            continue
        outcome = assertion.check(facts)
        waived = not outcome.passed and assertion.level == "production" and assertion.id in reasons
        verdict: Verdict = "passed" if outcome.passed else "waived" if waived else "failed"
        results.append(
            AssertionResult(
                id=assertion.id,
                level=assertion.level,
                title=assertion.title,
                verdict=verdict,
                evidence=outcome.evidence,
                reason=reasons[assertion.id] if waived else "",
            )
        )
    return results


def passed(results: Sequence[AssertionResult]) -> bool:
    """Whether nothing failed that was not waived."""
    return all(result.verdict != "failed" for result in results)


def text(results: Sequence[AssertionResult]) -> str:
    """For a person: failures first and last to be read, one line each, with the evidence."""
    order = {"passed": 0, "waived": 1, "failed": 2}
    width = max(len(result.id) for result in results)
    lines = []
    for result in sorted(results, key=lambda each: order[each.verdict]):
        line = f"{result.verdict:<7} {result.id:<{width}}  {result.evidence}"
        lines.append(f"{line}\n{'':<{width + 10}}waived: {result.reason}" if result.reason else line)
        if result.verdict == "failed":
            lines.append(f"{'':<{width + 10}}it must hold that {result.title}")
    counts = {verdict: sum(result.verdict == verdict for result in results) for verdict in order}
    left = len(ASSERTIONS) - len(results)
    tail = f"; {left} are for another kind of nodes" if left and len(results) > left else ""
    return "\n".join([*lines, ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + tail])


def as_result(results: Sequence[AssertionResult]) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "verdict": "passed" if passed(results) else "failed",
        "assertions": [asdict(result) for result in results],
    }
