"""Long families are written as the library would, in both of its formats."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from exporters import names
from exporters.collector import family, gauge
from exporters.exposition import OneScrape, encode

ACCEPTS = ("", "application/openmetrics-text; version=1.0.0")
values = st.floats(allow_nan=False) | st.integers(-(10**18), 10**18)


def by_library(families: list[Metric], accept: str) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OneScrape(families))
    return choose_encoder(accept)[0](registry).decode()


def long_family(rows: list[tuple[str, str, float]]) -> Metric:
    made = family(names.READY)
    for vhost, queue, value in rows:
        made.add_metric((vhost, queue), value)
    for number in range(100):
        made.add_metric(("/v", f"q{number}"), number)
    return made


@pytest.mark.parametrize("accept", ACCEPTS)
@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.text(), st.text(), values), max_size=5, unique_by=lambda row: row[:2]))
def test_a_long_family_reads_as_the_library_would_have_written_it(
    accept: str, rows: list[tuple[str, str, float]]
) -> None:
    families = [gauge(names.UP, 1.0), long_family(rows)]
    parts, content_type = encode(families, accept)
    read = openmetrics_families if accept else text_string_to_metric_families
    ours = {each.name: each for each in read(b"".join(parts).decode())}
    theirs = {each.name: each for each in read(by_library(families, accept))}
    assert content_type == choose_encoder(accept)[1]
    assert ours == theirs


@pytest.mark.parametrize("accept", ACCEPTS)
def test_a_short_family_is_left_to_the_library(accept: str) -> None:
    families = [gauge(names.UP, 1.0), gauge(names.SCRAPED_QUEUES, 3)]
    assert b"".join(encode(families, accept)[0]).decode() == by_library(families, accept)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_number_is_written_as_prometheus_has_it(value: float) -> None:
    made = long_family([("/v", "q", value)])
    text = b"".join(encode([made], "")[0]).decode()
    assert f'queue="q"}} {by_library([made], "").split(chr(10))[2].split()[-1]}\n' in text
