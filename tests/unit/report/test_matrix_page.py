"""The page of a matrix: every value escaped, every cell and run on it, nothing that a script would do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dashboards.view.assets import STATIC
from report import markup, matrix, words
from warren.errors import BadInputError, NotReadyError

NO_BREAK = "\N{NO-BREAK SPACE}"


def bound(events: int, trials: int, low: float, high: float) -> dict[str, Any]:
    return {"events": events, "trials": trials, "low": low, "high": high, "method": ""}


def figure(name: str, slower: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "count": 2,
        "median": 0.41,
        "p95": 0.45,
        "maximum": 0.45,
        "low": 0.1,
        "high": 3.0,
        "source": "ra & aten",
        "slower": slower,
        "faster": 0,
    }


def run(number: int, verdict: str = "passed", reason: str = "") -> dict[str, Any]:
    return {
        "repeat": number,
        "seed": 100 + number,
        "run_id": f"kill-{number}",
        "verdict": verdict,
        "reasons": [reason] if reason else [],
    }


def a_matrix(**more: Any) -> dict[str, Any]:
    kill = {
        "key": "kill-work",
        "fault": "kill",
        "profile": "work",
        "made": 2,
        "why_empty": "",
        "verdict": "failed",
        "verdicts": {"passed": 1, "failed": 1},
        "loss": {"lost": 3, "confirmed": 2000, "days": bound(1, 2, 0.0945, 0.9055), "messages": None},
        "figures": [figure("confirm_gap_s", slower=1), figure("redelivered_ratio")],
        "runs": [run(0), run(1, "failed", "lost <3>")],
    }
    slow = {**kill, "key": "slow-disk-work", "fault": "slow-disk", "made": 0, "runs": [], "figures": [],
            "verdict": None, "verdicts": {}, "why_empty": "needs --with-disk-faults"}  # fmt: skip
    return {
        "schema": 1,
        "what": "matrix",
        "seed": 1,
        "verdict": "failed",
        "planned": 3,
        "made": 2,
        "stopped": "the budget of 60 s was used up",
        "gaps": ["slow-disk-work: no run of it was made"],
        "damage": [],
        "settings": {"failure_detector_poll_ms": 5000},
        "versions": {"rabbitmq": "4.3.6"},
        "loss": {"lost": 3, "confirmed": 2000, "days": bound(0, 10, 0.0, 0.3), "messages": None},
        "cells": [kill, slow],
        **more,
    }


def test_page_shows_every_cell_and_run() -> None:
    page = matrix.render(a_matrix())
    for said in (
        "A game day failed",
        "1 passed, 1 failed",
        "needs --with-disk-faults",
        "kill-1",
        "101",
        "0 of 10 game days with a loss: with 95 % certainty at most 30 % (3/n)",
        "expected 0.1 to 3 s".replace(" ", NO_BREAK).replace(NO_BREAK, " ", 1),
        "the budget of 60 s was used up",
        "4.3.6",
    ):
        assert said in page, said


def test_page_says_which_profiles_were_run_at_once() -> None:
    assert "each judged by itself: work, retry." in matrix.render(a_matrix(together=["work", "retry"]))
    assert "judged by itself" not in matrix.render(a_matrix())  # of before there was such a thing


def test_values_are_escaped_and_there_is_no_script() -> None:
    page = matrix.render(a_matrix())
    assert "lost &lt;3&gt;" in page
    assert "lost <3>" not in page
    assert "ra &amp; aten" in page
    assert "<script" not in page
    assert not re.search(r"https?://|src=|url\(", page)


@pytest.mark.parametrize(
    ("verdict", "css"),
    [("passed", "passed"), ("failed", "failed"), ("hang", "failed"), ("inconclusive", "inconclusive")],
)
def test_verdict_is_the_headline(verdict: str, css: str) -> None:
    assert f'<h1 class="verdict {css}">' in matrix.render(a_matrix(verdict=verdict))


def test_gap_beyond_its_interval_stands_out() -> None:
    assert '<p class="outside">confirm gap' in matrix.render(a_matrix())


def test_classes_of_the_grid_are_not_the_views_own() -> None:
    """The view lays its panels out by a class called grid, and would take a table's rows for some."""
    view = (STATIC / "view.css").read_text(encoding="utf-8")
    names = set(re.findall(r'class="([^"]+)"', matrix.render(a_matrix())))
    used = {name for each in names for name in each.split()} - {
        "report",
        "verdict",
        "reasons",
        "data",
        "number",
    }
    taken = {name for name in used if re.search(rf"[.]{name}\b[^{{}}]*{{[^}}]*display", view)}
    assert "matrix" in used
    assert taken == set()


def test_page_is_written_whole(tmp_path: Path) -> None:
    out = matrix.write_matrix(a_matrix(), out=tmp_path / "matrix.html")
    assert out.read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(NotReadyError, match="cannot be written"):
        matrix.write_matrix(a_matrix(), out=tmp_path / "none" / "matrix.html")


def test_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="schema"):
        matrix.write_matrix(a_matrix(schema=2), out=tmp_path / "matrix.html")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (0.3, "30 %"), (0.065, "6.5 %"), (0.000012, "0.0012 %"), (1.0, "100 %")],
)
def test_bound_of_a_few_runs_is_no_finer_than_it_is_known(value: float, text: str) -> None:
    assert words.share(value) == text


def test_page_is_light_or_dark_as_the_readers_system_is() -> None:
    page = matrix.render(a_matrix())
    assert "data-theme" not in page.partition("<head>")[0]
    light = page.partition("@media (prefers-color-scheme: light) { :root {")[2].partition("}")[0]
    assert "--canvas: #f4f5f5" in light
    assert "color-scheme: light" in light


def test_row_of_many_columns_and_words_is_a_card_on_a_phone() -> None:
    heads, short = ("Fault", "n", "Max", "Source"), ("kill", "1", "2 s", "x")
    long = (*short[:3], "x " * 40)
    assert "cards-when-narrow" not in markup.table("", heads, [short], numbers=frozenset())
    made = markup.table("", heads, [short, long], numbers=frozenset())
    assert "cards-when-narrow" in made
    assert '<td data-heading="Source">' in made
