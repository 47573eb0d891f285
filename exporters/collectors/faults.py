"""Faults that chaos has injected and not yet healed, by the file that its journal keeps beside itself.

The journal itself is the driver's alone; the file says no more of each open fault than what it is, whom it
strikes and since when.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client.core import Metric

from exporters import names
from exporters.collector import Reach, Scrape, family
from warren.errors import BadInputError, NotReadyError


class FaultsCollector:
    """Reads one small file at every scrape."""

    every_s = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self, _scrape: Scrape) -> Iterable[Metric]:
        """Raises NotReadyError when the file is there and cannot be read."""
        faults = self._open()
        active, count = family(names.FAULT_ACTIVE), family(names.FAULTS_OPEN)
        for key in sorted({(str(each["fault"]), str(each["target"])) for each in faults}):
            active.add_metric(key, 1)
        count.add_metric([], len(faults))
        return active, count

    def _open(self) -> list[dict[str, Any]]:
        """None before the first fault: then there is no file."""
        try:
            return list(json.loads(self._path.read_text(encoding="utf-8"))["open"])
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotReadyError(str(self._path), f"cannot be read: {error}") from error


def collector(reach: Reach) -> FaultsCollector:
    """Raises BadInputError without a file."""
    if reach.faults is None:
        raise BadInputError("--faults", "names no file, and the collector faults reads one")
    return FaultsCollector(reach.faults)
