"""A sweep's page: the answer first, a picture that stands alone, every run in a table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from report import sweep as page
from warren.errors import BadInputError


def trial(share: float | None, rate: float, *, passed: bool = True, **changes: Any) -> dict[str, Any]:
    latencies = {key: 0.001 * (at + 1) * (rate / 500) for at, (key, *_) in enumerate(page._LINES)}
    return {
        "share": share,
        "rate_per_s": rate,
        "published_per_s": rate,
        "run_id": f"work-{rate:g}",
        "passed": passed,
        "why": "" if passed else "p99_end_to_end_s < 0.2 & more",
        **latencies,
        **changes,
    }


def sweep(**changes: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "profile": "work",
        "highest_per_s": 1000.0,
        "limited_by": "p99_end_to_end_s < 0.2",
        "stopped": "",
        "unsteady": "",
        "search": [trial(None, 500), trial(None, 2000, passed=False)],
        "points": [trial(0.01, 10), trial(0.5, 500), trial(1.05, 1050, passed=False)],
        **changes,
    }


def test_answer_stands_first_and_says_what_limits() -> None:
    text = page.render(sweep())
    assert text.index("1,000 messages per second") < text.index("<svg")
    assert "Above it: p99_end_to_end_s &lt; 0.2." in text


def test_every_run_has_its_points_and_its_row() -> None:
    text = page.render(sweep())
    assert text.count("<circle") == 3 * len(page._LINES)
    assert text.count(' not"') == len(page._LINES)
    for run_id in ("work-10", "work-500", "work-1050", "work-2000"):
        assert f">{run_id}<" in text


def test_points_stand_where_their_figures_are() -> None:
    found = re.findall(
        r'<circle class="confirm \w+" cx="([\d.]+)" cy="([\d.]+)"', page.chart(sweep()["points"], 1000.0)
    )
    lefts, tops = zip(*((float(left), float(top)) for left, top in found[:3]), strict=True)
    assert list(lefts) == sorted(lefts)
    assert list(tops) == sorted(tops, reverse=True)
    assert all(page._LEFT <= left <= page._WIDTH for left in lefts)


def test_page_asks_for_nothing_and_escapes_what_it_is_given() -> None:
    text = page.render(sweep(profile="<script>alert(1)</script>"))
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="', text)
    assert "&amp; more" in text


def test_sweep_without_a_rate_says_so_and_draws_nothing() -> None:
    text = page.render(sweep(highest_per_s=None, points=[], stopped="interrupted"))
    assert "No rate passed" in text
    assert "The sweep was stopped: interrupted." in text
    assert "<svg" not in text


def test_doubt_is_said_under_the_answer() -> None:
    text = page.render(sweep(unsteady="25% of it did not pass"))
    assert "25% of it did not pass." in text
    assert 'class="verdict inconclusive"' in text


def test_run_that_measured_nothing_has_no_point() -> None:
    dead = trial(1.0, 1000, passed=False, **{key: 0.0 for key, *_ in page._LINES})
    assert page.chart([dead], 1000.0).count("<circle") == 0


def test_page_is_written_whole_or_refused(tmp_path: Path) -> None:
    written = page.write_sweep(sweep(), out=tmp_path / "sweep.html")
    assert written.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(BadInputError, match="schema"):
        page.write_sweep({"schema": 2}, out=tmp_path / "other.html")


@pytest.mark.parametrize("reach", [0.7, 3.0, 42, 999, 4326, 12_700, 1e6])
def test_axis_has_a_few_round_rates(reach: float) -> None:
    ticks = list(page._ticks(reach))
    assert 4 <= len(ticks) <= 11
    assert ticks[0] == 0
    assert ticks[-1] <= reach
    assert f"{ticks[1]:.6e}".partition("e")[0] in ("1.000000", "2.000000", "5.000000")
    assert ticks == pytest.approx([ticks[1] * at for at in range(len(ticks))])
