"""Links from a queue's line or row to the board of queues, with that queue chosen and the time kept.

Grafana fills in the variables: https://grafana.com/docs/grafana/latest/panels-visualizations/configure-data-links/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

QUEUES = "warren-queues"
_TITLE = "This queue's own figures"


def queue_of_series() -> dict[str, Any]:
    """The link of a line that has the labels ``vhost`` and ``queue``."""
    return _link("${__field.labels.vhost:percentencode}", "${__field.labels.queue:percentencode}")


def queue_of_rows(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The override that links a table's queues; ``labels`` are its columns, as label → heading."""
    if not {"vhost", "queue"} <= labels.keys():
        return []
    vhost, queue = (f'${{__data.fields["{labels[name]}"]:percentencode}}' for name in ("vhost", "queue"))
    links = {"id": "links", "value": [_link(vhost, queue)]}
    return [{"matcher": {"id": "byName", "options": labels["queue"]}, "properties": [links]}]


def _link(vhost: str, queue: str) -> dict[str, Any]:
    url = f"/d/{QUEUES}?${{__url_time_range}}&var-cluster=${{cluster}}&var-vhost={vhost}&var-queue={queue}"
    return {"title": _TITLE, "url": url, "targetBlank": False}
