"""The longest silences of the run are those of its faults: one elsewhere has another cause, and says so."""

from __future__ import annotations

from chaos import measure
from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged

#: A silence outside of the faults' window that is longer than this, and than theirs, needs an explanation.
_STRANGE_S = 5.0


def check(evidence: Evidence) -> Finding:
    load = evidence.load
    if load is None:
        return unjudged()
    if evidence.window is None:
        return unjudged("no fault was injected and healed")
    figures: dict[str, float] = {}
    strange = []
    for kind, longest_s in (
        ("confirm", load.availability.confirm_gap_max_s),
        ("delivery", load.availability.delivery_gap_max_s),
    ):
        within_s = measure.gap_s(evidence, kind) or 0.0
        figures |= {f"{kind}_gap_s": round(within_s, 3), f"{kind}_gap_of_the_run_s": longest_s}
        if longest_s > max(_STRANGE_S, within_s + 1):
            strange.append(
                f"a {kind} gap of {longest_s:g} s lies outside of the fault ({within_s:g} s in it)"
            )
    if strange:
        return judged(False, "; ".join(strange), **figures)
    return judged(True, "the longest silences are the fault's", **figures)
