"""Causes that concern where samples are kept beside Prometheus. See provocations.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .provoking import now_s, without

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

Began = Iterator[float]
#: With the time that its image takes to be had, once.
_UP_S = 600
_BEHIND = 'time() - prometheus_remote_storage_queue_highest_sent_timestamp_seconds{remote_name="long-term"}'


@contextmanager
def kept_for_long(cluster: ClusterUnderTest) -> Iterator[Path]:
    """The topology with ``monitoring.long_term`` and an external label, brought up; without them after."""
    text = Path(cluster.env["WARREN_TOPOLOGY"]).read_text(encoding="utf-8")
    line = "  retention: 7d\n"
    assert text.count(line) == 1
    text = text.replace(line, f"{line}  long_term: {{retention: 30d}}\n  external_labels: {{site: lab}}\n")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kept.yml"
        path.write_text(text, encoding="utf-8")
        try:
            up = cluster.warren(["cluster", "up", "--topology", str(path)], timeout_s=_UP_S)
            assert up.returncode == 0, up.stderr
            yield path
        finally:
            up = cluster.warren(["cluster", "up"], timeout_s=300)
            assert up.returncode == 0, up.stderr
            assert not cluster.runtime.runs("victoriametrics")


@contextmanager
def the_long_term_store_is_gone(cluster: ClusterUnderTest) -> Began:
    with kept_for_long(cluster):
        near = f"{_BEHIND} < 60"
        cluster.wait_for(lambda: bool(cluster.prometheus(near)), "the store to have what there is", 120)
        began = now_s()
        with without(cluster, "victoriametrics"):
            yield began
        cluster.wait_for(lambda: bool(cluster.prometheus(near)), "the store to catch up", 120)
