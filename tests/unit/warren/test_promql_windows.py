"""Windows are found where PromQL has them, and nothing else is touched."""

from __future__ import annotations

import pytest

from warren.errors import BadInputError
from warren.promql_windows import Window, format_ms, parse_ms, rewrite, windows

S, M, H = 1_000, 60_000, 3_600_000


def doubled(window: Window) -> int:
    return 2 * window.ms


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("5m", 5 * M), ("1h30m", 90 * M), ("250ms", 250), ("0s", 0), ("0", 0), ("1d", 24 * H),
        ("2w", 336 * H), ("300", 300 * S), ("1.5", 1500), ("1y", 8760 * H),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_prometheus_reads_it(text: str, milliseconds: int) -> None:
    assert parse_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "m5", "5 m", "5min", "-5m", "1.5h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="that Prometheus reads"):
        parse_ms(text)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0s"),
        (300, "300ms"),
        (1500, "1500ms"),
        (90 * S, "90s"),
        (120 * S, "2m"),
        (72 * H, "3d"),
        (36 * H, "36h"),
    ],
)
def test_a_duration_is_written_in_the_greatest_unit_that_fits(milliseconds: int, text: str) -> None:
    assert format_ms(milliseconds) == text
    assert parse_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('rate(x{job="a"}[5m])', 'rate(x{job="a"}[10m])'),
        ("x[ 5m ]", "x[10m]"),
        ("max_over_time((a > 1)[1h:1m])", "max_over_time((a > 1)[2h:2m])"),
        ("max_over_time(a[1h:])", "max_over_time(a[2h:])"),
        ("a offset 5m + b offset -1h", "a offset 10m + b offset -2h"),
        ("rate(a[5m] offset 10m)", "rate(a[10m] offset 20m)"),
        ("a[5m] @ start()", "a[10m] @ start()"),
        ("a [5m]", "a [10m]"),
        ('{__name__="x"}[90s]', '{__name__="x"}[3m]'),
        ("x[300]", "x[10m]"),
    ],
)
def test_windows_are_rewritten_wherever_they_stand(before: str, after: str) -> None:
    assert rewrite(before, doubled) == after


@pytest.mark.parametrize(
    "text",
    [
        'x{queue="a[5m]"} > 1',
        "x{queue='}[5m]'} > 1",
        "x{queue=~`a{2}[5m] offset 5m`}",
        'x{queue="\\"[5m]"}',
        "x # rate(y[5m])\n> 3600",
        "sum by (offset) (x) > 5",
        "predict_linear(x, 4 * 3600) < 1e9",
        "warren:objective_errors:ratio_rate5m > 0.1",
        "offset_5m > 3",
    ],
)
def test_what_only_looks_like_a_window_is_left(text: str) -> None:
    assert windows(text) == []
    assert rewrite(text, doubled) == text


def test_a_window_that_keeps_its_length_keeps_its_spelling() -> None:
    text = "rate(x[60s]) + y[1h30m:90s] offset 0060s"
    assert rewrite(text, lambda window: window.ms) == text


def test_each_window_knows_the_selector_that_it_belongs_to() -> None:
    text = (
        'rate(a{job="x"}[1m] offset 2m) / sum by (node) (b[3m])'
        ' + (c{d="e"})[4m:5s] - {f="g"}[6m] + (h) offset 7m'
    )
    assert windows(text) == [
        Window("range", M, 'a{job="x"}'),
        Window("offset", 2 * M, 'a{job="x"}'),
        Window("range", 3 * M, "b"),
        Window("subrange", 4 * M, ""),
        Window("step", 5 * S, ""),
        Window("range", 6 * M, '{f="g"}'),
        Window("offset", 7 * M, ""),
    ]


@pytest.mark.parametrize("text", ["x[$__rate_interval]", "x[five]", "x[", "x[5m", 'x{a="b"'])
def test_a_bracket_without_a_window_is_a_fault(text: str) -> None:
    with pytest.raises(BadInputError):
        windows(text)
