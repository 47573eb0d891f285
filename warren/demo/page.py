"""What the demonstration prints when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warren.demo.engine import Leg


def text(legs: Sequence[Leg], runs: Path) -> str:
    """A verdict per profile with the figures around the fault, and where each run's files are."""
    lines = ["", "verdicts"]
    for leg in legs:
        lines += _leg(leg, runs)
    return "\n".join(lines)


def _leg(leg: Leg, runs: Path) -> list[str]:
    result = leg.result
    if result is None:
        return [f"  {leg.profile:<9} no result (exit status {leg.status})"]
    ledger, gaps = result.ledger, result.availability
    lines = [
        f"  {leg.profile:<9} {result.verdict.value.upper()}: {'; '.join(result.reasons)}",
        f"            published {ledger.published}  confirmed {ledger.confirmed}  "
        f"received {ledger.received}  lost {ledger.lost}  unexpected {ledger.unexpected}",
        f"            in doubt {ledger.in_doubt}  recovered {ledger.recovered}  "
        f"duplicates {ledger.duplicates_redelivered} redelivered, {ledger.duplicates_unflagged} unflagged",
    ]
    lines.append(
        f"            longest gap between confirms {gaps.confirm_gap_max_s:.2f} s, "
        f"between deliveries {gaps.delivery_gap_max_s:.2f} s"
    )
    for fault in result.faults:
        lines.append(
            f"            fault: {fault.name} of {fault.target} at {fault.injected_at}, {fault.told}"
        )
    folder = runs / result.run_id
    lines.append(f"            result {folder / 'result.json'}")
    if (folder / "report.html").exists():
        lines.append(f"            report {folder / 'report.html'}")
    return lines
