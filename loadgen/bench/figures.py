"""What one measured run gives, and the table over repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run of one client. Rates and CPU are of the window after the warm-up; latencies, in seconds, are
    of the whole run, since PerfTest reports no other; CPU is in microseconds a message."""

    client: str
    messages_per_s: float
    client_cpu_us: float
    broker_cpu_us: float
    confirm_p50_s: float
    confirm_p99_s: float
    end_to_end_p50_s: float
    end_to_end_p99_s: float


#: Field, heading, factor to the heading's unit, decimals.
_COLUMNS = (
    ("messages_per_s", "msg/s", 1, 0),
    ("client_cpu_us", "client CPU µs/msg", 1, 1),
    ("broker_cpu_us", "broker CPU µs/msg", 1, 1),
    ("confirm_p50_s", "confirm p50 ms", 1000, 1),
    ("confirm_p99_s", "confirm p99 ms", 1000, 1),
    ("end_to_end_p50_s", "end-to-end p50 ms", 1000, 1),
    ("end_to_end_p99_s", "end-to-end p99 ms", 1000, 1),
)


def table(runs: Sequence[Figures]) -> str:
    """Markdown: a row per client with median (least to greatest), and the median of the paired ratios."""
    clients = list(dict.fromkeys(run.client for run in runs))
    lines = [
        "| client | " + " | ".join(heading for _, heading, _, _ in _COLUMNS) + " |",
        "|---" * (len(_COLUMNS) + 1) + "|",
    ]
    for client in clients:
        own = [run for run in runs if run.client == client]
        cells = [_cell([getattr(run, name) * by for run in own], digits) for name, _, by, digits in _COLUMNS]
        lines.append(f"| {client} | " + " | ".join(cells) + " |")
    if len(clients) == 2:  # noqa: PLR2004 - a ratio is of two
        first, second = ([run for run in runs if run.client == client] for client in clients)
        pairs = list(zip(first, second, strict=False))
        cells = [
            f"{median(_ratio(getattr(a, name), getattr(b, name)) for a, b in pairs):.2f} x"
            for name, _, _, _ in _COLUMNS
        ]
        lines.append(f"| {clients[0]} / {clients[1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def as_dict(runs: Sequence[Figures]) -> dict[str, Any]:
    """For ``--json``: every run, none averaged away."""
    return {"schema": 1, "runs": [asdict(run) for run in runs]}


def _cell(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")
