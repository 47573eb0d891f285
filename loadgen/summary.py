"""A result in a screenful of text: the verdict first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loadgen.composite import Composite
from loadgen.liveview import seconds
from loadgen.reconcile import span
from loadgen.roles import ConsumerRole, MessageClass, PublisherRole
from loadgen.scenario import Scenario
from warren.results import Latencies, Ledger, LoadResult, Percentiles, PhaseFigures, ThresholdOutcome
from warren.topology import Binding


def text(result: LoadResult) -> str:
    """What `warren load run` prints at the end."""
    ledger, rates = result.ledger, result.rates
    lines = [f"{result.verdict.value.upper()}  {result.run_id}"]
    lines += [f"  {reason}" for reason in result.reasons]
    lines += [
        f"messages   published {ledger.published}  confirmed {ledger.confirmed}  nacked {ledger.nacked}  "
        f"in doubt {ledger.in_doubt} (recovered {ledger.recovered})  returned {ledger.returned}",
        f"           received {ledger.received}  lost {ledger.lost}  unexpected {ledger.unexpected}  "
        f"dead-lettered {_reasons(ledger)}",
        f"duplicates redelivered {ledger.duplicates_redelivered}  own retry {ledger.duplicates_own_retry}  "
        f"unflagged {ledger.duplicates_unflagged}    reordered {_or_dash(ledger.reordered)}",
        f"per second published {rates.published_per_s:.0f}  confirmed {rates.confirmed_per_s:.0f}  "
        f"consumed {rates.consumed_per_s:.0f}",
        f"latency    confirm {_latency(result.latency_s.confirm)}   "
        f"end to end {_latency(result.latency_s.end_to_end)}",
        f"gaps       confirms {seconds(result.availability.confirm_gap_max_s)}  "
        f"deliveries {seconds(result.availability.delivery_gap_max_s)}  "
        f"drain {seconds(result.availability.drain_s)}  "
        f"late publishes {result.availability.failed_publishes}",
    ]
    if ledger.published:
        micros = result.resources.client_cpu_s / ledger.published * 1e6
        lines.append(
            f"client     {result.resources.client_cpu_s:.1f} s CPU ({micros:.0f} µs a message with start)  "
            f"{result.resources.client_max_rss_bytes / 2**20:.0f} MiB"
        )
    if len(result.phases) > 1:
        lines += [f"phase      {_phase(phase)}" for phase in result.phases]
    lines += _split(result.latency_s)
    lines += _counted(result)
    lines += [f"part       {_part(each)}" for each in result.parts]
    checks, limits = _worth_telling(result)
    lines += [f"oracle     {_oracle(name, check)}" for name, check in checks.items()]
    lines += [f"threshold  {_threshold(each)}" for each in limits]
    lines += [
        f"fault      {fault.name} {fault.target}  at {fault.injected_at}, {fault.told}"
        for fault in result.faults
    ]
    return "\n".join(lines)


def _phase(phase: PhaseFigures) -> str:
    low, high = phase.rate_from_per_s, phase.rate_to_per_s
    asked = f"{low:g}/s" if low == high else f"{low:g} to {high:g}/s"
    return (
        f"{phase.name}: {phase.t_from_s:g} to {phase.t_to_s:g} s  asked {asked}  "
        f"published {phase.published} ({phase.published_per_s:g}/s)  "
        f"confirm p50 {seconds(phase.confirm_p50_s)} p99 {seconds(phase.confirm_p99_s)}  "
        f"end to end p50 {seconds(phase.end_to_end_p50_s)} p99 {seconds(phase.end_to_end_p99_s)}"
    )


def profile(found: Scenario) -> str:
    """What ``warren load list PROFILE`` prints: roles, objects, what judges it and what it moves."""
    rate = "as fast as it goes" if found.rate_per_s is None else f"{found.rate_per_s:g} messages a second"
    lines = [f"{found.name}: {found.description}"]
    lines.append(
        f"  in {'a vhost of its own' if found.own_vhost else found.vhost}, {rate} for {found.duration_s:g} s"
    )
    for publisher in found.publishers:
        kinds = ", ".join(_class(publisher, each) for each in publisher.classes)
        lines.append(f"  publisher  {publisher.name} ({publisher.count}, {publisher.user})  {kinds}")
    for consumer in found.consumers:
        who = f"{consumer.name} ({consumer.count}, {consumer.user})"
        lines.append(f"  consumer   {who}  {_does(consumer)} {consumer.queue}, prefetch {consumer.prefetch}")
    for relay in found.relays:
        ways = ", ".join(f"{each.name} {each.share:g}" for each in relay.outcomes) or "ends or replies"
        lines.append(f"  relay      {relay.name} ({relay.count}, {relay.user})  {relay.queue}: {ways}")
    if found.objects is not None:
        objects = found.objects
        lines += [f"  exchange   {each.name} ({each.type})" for each in objects.exchanges]
        lines += [f"  queue      {each.name} ({each.type})" for each in objects.queues]
        lines += [f"  binding    {_binding(each)}" for each in objects.bindings]
    if found.act is not None:
        lines.append(f"  act        {found.act.name} at {found.act.at_s:g} s, for {found.act.for_s:g} s")
    lines += [f"  oracle     {name}" for name in found.oracles]
    lines += [f"  threshold  {each}" for each in found.thresholds]
    lines += [f"  panel      {each}" for each in found.panels]
    lines += [f"  alert      {each}" for each in found.alerts]
    return "\n".join(lines)


def composite(found: Composite) -> str:
    """What ``warren load list`` prints of several profiles at once."""
    lines = [f"{found.name}: {found.description}"]
    lines.append(f"  {found.rate_per_s:g} messages a second in all, for {found.duration_s:g} s")
    for part, each in zip(found.parts, found.scenarios, strict=True):
        where = "a vhost of its own" if each.own_vhost else each.vhost
        after = f", after {part.start_after_s:g} s" if part.start_after_s else ""
        profile = "" if part.profile == part.name else f" ({part.profile})"
        lines.append(f"  part       {part.name}{profile}  {each.rate_per_s:g}/s in {where}{after}")
        lines += [f"             {key} = {value.strip()}" for key, value in part.settings.items()]
    return "\n".join(lines)


def _worth_telling(
    result: LoadResult,
) -> tuple[Mapping[str, Mapping[str, Any]], Sequence[ThresholdOutcome]]:
    """Every check; of a composite, which has dozens, those that do not hold."""
    if not result.parts:
        return result.oracles, result.thresholds
    broken = {name: check for name, check in result.oracles.items() if check.get("passed") is False}
    return broken, [each for each in result.thresholds if not each.passed]


def _part(told: Mapping[str, Any]) -> str:
    counts = "  ".join(f"{name} {count}" for name, count in told["ledger"].items())
    return f"{told['name']}: {told['verdict']}  {counts}"


def _does(role: ConsumerRole) -> str:
    """What a consumer does, and what it does now and then."""
    found: str = role.does
    if role.reconnect_every is not None:
        found += f" (another {role.renews} every {role.reconnect_every})"
    if role.crash_every is not None:
        found += f" (dies after {role.crash_every}, {role.crashes} of them)"
    if role.crash_on_tries:
        found += f" (dies at try {', '.join(map(str, role.crash_on_tries))})"
    if role.slow is not None:
        found += f" (slow from {role.slow.from_s:g} s for {role.slow.for_s:g} s)"
    return found


def _class(role: PublisherRole, kind: MessageClass) -> str:
    exchange = role.exchange if kind.exchange is None else kind.exchange
    key = role.routing_key if kind.routing_key is None else kind.routing_key
    return f"{kind.name} to {exchange or 'the default exchange'} {key}".rstrip()


def _binding(found: Binding) -> str:
    """Where it leads, and what it asks for."""
    headers = ", ".join(f"{name}: {value}" for name, value in found.arguments.items())
    wanted = " ".join(part for part in (found.routing_key, headers and f"({headers})") if part)
    return f"{found.source} -> {found.destination}" + (f"  {wanted}" if wanted else "")


def _split(found: Latencies) -> list[str]:
    """The way from sending to delivery in its three parts, where the broker stamps messages."""
    if not found.to_broker.count:
        return []
    parts = (("to broker", found.to_broker), ("in it", found.in_broker), ("to consumer", found.to_consumer))
    return ["of which   " + "   ".join(f"{name} {_latency(each)}" for name, each in parts if each.count)]


def _counted(result: LoadResult) -> list[str]:
    """Whether the broker's own counts are the ledger's."""
    found = result.reconciliation
    if found is None:
        return []
    differ = [
        f"{name.replace('_', ' ')} {line['broker']} "
        f"(ledger {span(line['ledger_least'], line['ledger_most'])})"
        for name, line in found["counters"].items()
        if not line["agrees"]
    ]
    if not differ:
        return ["broker     its own counts are the ledger's"]
    because = "; ".join(found["explained"]) or "nothing explains it"
    return [f"broker     counts otherwise: {', '.join(differ)}: {because}"]


def _reasons(ledger: Ledger) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in ledger.dead_lettered.items()) or "0"


def _or_dash(value: int | None) -> str:
    return "not judged" if value is None else str(value)


def _latency(found: Percentiles) -> str:
    return f"p50 {seconds(found.p50)} p99 {seconds(found.p99)} max {seconds(found.max)}"


def _threshold(outcome: ThresholdOutcome) -> str:
    state = {True: "holds", False: "does not hold", None: "has no figure"}[outcome.passed]
    return f"{outcome.expression}: {state}" + ("" if outcome.value is None else f"  ({outcome.value:g})")


def _oracle(name: str, check: object) -> str:
    if not isinstance(check, dict):
        return name
    state = {True: "holds", False: "does not hold", None: "not judged"}[check.get("passed")]
    figures = "  ".join(
        f"{key.replace('_', ' ')} {_figure(value)}"
        for key, value in check.items()
        if key not in ("passed", "why")
    )
    return f"{name.replace('_', ' ')}: {state}  {figures}"


def _figure(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_figure(each)}" for key, each in value.items()) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)
