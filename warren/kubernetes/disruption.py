"""The PodDisruptionBudget: at most one node is taken away at a time, whoever empties a machine."""

from __future__ import annotations

from warren.kubernetes.place import Document, Place


def documents(place: Place) -> list[Document]:
    """One budget for the broker's pods; the operator makes none."""
    return [
        place.document(
            "policy/v1",
            "PodDisruptionBudget",
            place.cluster,
            spec={"maxUnavailable": 1, "selector": {"matchLabels": place.broker_pods}},
        )
    ]
