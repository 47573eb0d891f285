"""The table of operations says what they say of themselves, and what was measured."""

from __future__ import annotations

import pytest

from warren import checkout
from warren.errors import BadInputError
from warren.json_file import read_object
from warren.operating import catalogue
from warren.reference import marked, operations

TABLE = f"{operations.BEGIN}\nold\n{marked.END}"
PAGE = f"before\n{TABLE}\nbetween\n{operations.ON_HOSTS}\nold\n{marked.END}\nafter"
FIGURE = {
    "seconds": 61.25,
    "steps": 20,
    "confirm_gap_max_s": 0.512,
    "delivery_gap_max_s": 1.0,
    "links_lost": 6,
    "failed_publishes": 0,
    "lost": 0,
    "confirmed": 4321,
}


def written(page: str, rows: list[operations.Row], figures: operations.Figures) -> str:
    return operations.with_tables(page, rows, figures, {})


def test_operation_stands_with_its_figures_and_one_without_says_so() -> None:
    rows = [("restart", "restart all", "nothing is lost"), ("drain", "drain one", "its connections end")]
    page = written(PAGE, rows, {"restart": FIGURE})
    row = "| `restart` | restart all | nothing is lost | 61.2 s | 20 | 0.51 s | 1.00 s | 6 | 0 | 0 of 4,321 |"
    assert row in page
    assert "| `drain` | drain one | its connections end | not measured yet |" in page
    assert page.startswith("before\n")
    assert page.endswith("\nafter")
    assert "old" not in page
    assert written(page, rows, {"restart": FIGURE}) == page


def test_operation_that_was_carried_out_without_load_says_so() -> None:
    page = written(PAGE, [("restore", "back", "nobody")], {"restore": {"seconds": 9, "steps": 4}})
    assert "| `restore` | back | nobody | 9.0 s | 4 | — | — | — | — | not under load |" in page


def test_operation_that_was_measured_in_several_ways_has_a_row_for_each() -> None:
    rows = [("rotate-password", "change it", "connections stay"), ("rotate", "turn", "nothing")]
    figures = {"rotate-password": FIGURE, "rotate-password (of a service)": {**FIGURE, "steps": 8}}
    page = written(PAGE, rows, figures)
    assert "| `rotate-password` | change it | connections stay | 61.2 s | 20 |" in page
    assert "| `rotate-password` (of a service) | change it | connections stay | 61.2 s | 8 |" in page
    assert "| `rotate` | turn | nothing | not measured yet |" in page
    del figures["rotate-password"]
    page = written(PAGE, rows, figures)
    assert page.count("`rotate-password`") == 1


def test_what_was_measured_on_hosts_stands_by_itself() -> None:
    page = operations.with_tables(PAGE, [("drain", "one", "ends")], {}, {"restart": FIGURE, "drain": FIGURE})
    own = page.partition("between")[2]
    assert own.index("`drain`") < own.index(
        "| `restart` | 61.2 s | 20 | 0.51 s | 1.00 s | 6 | 0 | 0 of 4,321 |"
    )
    assert "old" not in page
    assert page.endswith("\nafter")


def test_page_without_the_marks_is_refused() -> None:
    with pytest.raises(BadInputError, match="lacks"):
        written("no marks", [], {})


@pytest.mark.parametrize("name", ["operations", "operations-on-hosts"])
def test_figures_are_of_operations_that_there_are_and_nothing_was_lost(name: str) -> None:
    figures = read_object(checkout.path("docs", "figures") / f"{name}.json")["operations"]
    assert {operations.operation(key) for key in figures} <= set(catalogue.names())
    assert not [key for key, figure in figures.items() if figure.get("lost") and key != "recover-majority"]
