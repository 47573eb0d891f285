"""What the probe serves of the canary."""

from __future__ import annotations

from loadgen import canary


def page(flown: int, *, ended_s: float = 1000.0, opened: int = 6, **events: int) -> str:
    """What the probe serves when ``flown`` messages have come through in two pairs."""
    counts = (
        dict.fromkeys(("published", "confirmed", "delivered"), flown) | {"returned": 0, "stale": 0} | events
    )
    lines = [f"# TYPE {canary.MESSAGES.removesuffix('_total')} counter"]
    for place, origin in enumerate(("rmq1", "rmq2")):
        for event, count in counts.items():
            share = count - count // 2 if place else count // 2
            lines.append(
                f'{canary.MESSAGES}{{vhost="/orders",from="{origin}",to="rmq3",event="{event}"}} {share}'
            )
    lines += [f"{canary.CONNECTIONS} 6", f"{canary.CONNECTED} {opened}"]
    lines += [f'{canary.ROUND_ENDED}{{collector="canary"}} {ended_s}']
    lines += [f'{canary.ROUND_ENDED}{{collector="certificates"}} 5']
    return "\n".join(lines) + "\n"
