"""Drift: the topology file against the running cluster, by kind, as far as the credential may read.

Works in the background: it asks for every queue and binding, which takes longer than a scrape may. Passwords
are not compared, since who watches must not know them. What differs is logged when it comes and when it goes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from prometheus_client.core import Metric

from exporters import names
from exporters.collector import Reach, Scrape, family
from warren.drift.compare import compare
from warren.drift.model import Report
from warren.drift.reading import Api, read
from warren.errors import BadInputError, NotReadyError
from warren.https import HttpEndpoint
from warren.management import ManagementClient
from warren.topology import Topology
from warren.topology_reader import load

_log = logging.getLogger(__name__)
_EVERY_S = 30.0


class DriftCollector:
    """Reads the topology file again when it has changed; keeps what differed last, to log what is new."""

    every_s = _EVERY_S

    def __init__(self, path: Path, api: Api) -> None:
        """Raises BadInputError when the file cannot be read or has faults."""
        self._path, self._api = path, api
        self._stamp, self._topology = _stamp(path), load(path)
        self._told: set[str] = set()

    def collect(self, scrape: Scrape) -> Iterable[Metric]:  # noqa: ARG002 - compared between scrapes
        """Differences and readability of each kind; raises NotReadyError when the cluster does not answer,
        does not let this user look, or the topology file has become unreadable."""
        topology = self._current()
        report = compare(topology, read(self._api, topology), passwords=None)
        self._tell(report)
        differences, readable = family(names.DRIFT_DIFFERENCES), family(names.DRIFT_READABLE)
        for kind in report.kinds:
            readable.add_metric([kind.value], float(kind in report.read))
        for kind in report.read:
            differences.add_metric([kind.value], len(report.of(kind)))
        return differences, readable

    def _current(self) -> Topology:
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._topology = load(self._path)
                self._stamp = stamp
        except BadInputError as error:
            raise NotReadyError(error.where, error.what, error.remedy) from error
        return self._topology

    def _tell(self, report: Report) -> None:
        # Without notes: how many messages an extra queue holds is no news.
        lines = {f"{each.kind.words}: {replace(each, note='').line}" for each in report.differences}
        lines |= {f"{kind.words}: not compared: {why}" for kind, why in report.unread.items()}
        for line in sorted(lines - self._told):
            _log.warning("%s", line)
        for line in sorted(self._told - lines):
            _log.warning("no longer: %s", line)
        self._told = lines


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when the file is written anew; raises BadInputError when it is not there."""
    try:
        found = path.stat()
    except OSError as error:
        raise BadInputError(str(path), f"cannot be read: {error.strerror}") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def collector(reach: Reach) -> DriftCollector:
    if reach.topology is None:
        raise BadInputError(
            "--topology", "the collector drift compares with a topology file", "give --topology FILE"
        )
    endpoints = [
        HttpEndpoint(node=node.host, host=node.host, port=node.management_port, server_name=node.host)
        for node in reach.nodes
    ]
    api = ManagementClient(
        endpoints,
        user=reach.credentials.username,
        password=reach.credentials.password,
        ca=reach.ca,
        timeout_s=reach.timeout_s,
    )
    return DriftCollector(reach.topology, api)
