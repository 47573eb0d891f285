"""A recording of a lab run: which dashboards, which cluster, from when to when."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report.recording import record, span_of
from report.times import parse_time
from warren import checkout
from warren.context import Context
from warren.json_file import read_object
from warren.state import write_atomically

#: The boards that say most of a run, the most telling first.
_BOARDS = ("warren-load", "warren-queues", "warren-cluster")


def take_recording(context: Context, result: Mapping[str, Any], *, out: Path) -> Path:
    """Ask the cluster's Prometheus for the panels over the run's time and keep them at ``out`` (mode 0600).

    Raises NotReadyError when Prometheus does not answer.
    """
    scrape_s = float(context.topology.scrape_interval_s)
    started_s, ended_s = (parse_time(result[key]).timestamp() for key in ("started_at", "ended_at"))
    recording = record(
        [read_object(checkout.path("dashboards", "generated", f"{uid}.json")) for uid in _BOARDS],
        client=context.prometheus,
        span=span_of(started_s, ended_s, scrape_s),
        values={
            "cluster": context.topology.cluster,
            "job": "rabbitmq",
            "run": re.escape(str(result["run_id"])).replace("\\", "\\\\"),
        },
        scrape_interval_s=scrape_s,
    )
    text = json.dumps(recording, separators=(",", ":"), allow_nan=False)
    write_atomically(out, text.encode(), mode=0o600)
    return out
