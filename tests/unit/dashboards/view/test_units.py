"""Numbers are printed as Grafana prints them; the facts are in units.txt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def facts() -> list[tuple[str, float, str]]:
    lines = (Path(__file__).parent / "units.txt").read_text(encoding="utf-8").splitlines()[1:]
    numbers = [float(text) for text in lines[0].split("|")]
    rows = []
    for line in lines[1:]:
        unit, _, rest = line.partition(" ")
        rows += [(unit, number, text.strip()) for number, text in zip(numbers, rest.split("|"), strict=True)]
    return rows


@pytest.mark.parametrize(("unit", "number", "text"), facts())
def test_value_is_printed_as_grafana_prints_it(modules: Any, unit: str, number: float, text: str) -> None:
    assert modules.call("units", "formatValue", number, unit).strip() == text


def test_messages_per_second_scale_like_other_counts(modules: Any) -> None:
    assert modules.call("units", "formatValue", 1870, "mps") == "1.87K msg/s"


def test_given_decimals_win_over_three_digits(modules: Any) -> None:
    assert modules.call("units", "formatValue", 1.23456, "s", 1) == "1.2 s"


@pytest.mark.parametrize(("number", "text"), [("NaN", "NaN"), ("Infinity", "+Inf"), ("-Infinity", "-Inf")])
def test_numbers_that_are_not_finite_carry_no_unit(modules: Any, number: str, text: str) -> None:
    assert modules.evaluate(f"module_units.formatValue({number}, 's')") == text


def test_missing_value_prints_nothing(modules: Any) -> None:
    assert modules.call("units", "formatValue", None, "s") == ""


def test_axis_labels_share_as_few_decimals_as_tell_them_apart(modules: Any) -> None:
    assert modules.call("axes", "axisTexts", [0, 0.5, 1, 1.5], "none") == ["0.0", "0.5", "1.0", "1.5"]
    assert modules.call("axes", "axisTexts", [0, 500, 1000, 1500], "mps") == [
        "0 msg/s", "500 msg/s", "1.0K msg/s", "1.5K msg/s",
    ]  # fmt: skip
