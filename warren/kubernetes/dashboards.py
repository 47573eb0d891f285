"""The dashboards as ConfigMaps, which Grafana's sidecar of the usual charts picks up by their label."""

from __future__ import annotations

import json
from collections.abc import Mapping

from warren.kubernetes.place import Document, Place

LABEL = "grafana_dashboard"


def documents(place: Place, texts: Mapping[str, str]) -> list[Document]:
    """``texts`` maps the name of a dashboard's file to its JSON. Written short: a document may have 256 KiB
    where `kubectl apply` keeps what it was given as an annotation."""
    return [
        place.document(
            "v1",
            "ConfigMap",
            place.named(name, suffix="dashboard"),
            labels={**place.labels("dashboards"), LABEL: "1"},
            data={f"{name}.json": json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))},
        )
        for name, text in texts.items()
    ]
