"""The tables of docs/hosts.md: what is refused and printed, and how long provisioning took."""

from __future__ import annotations

import pytest

from warren import checkout
from warren.errors import BadInputError
from warren.json_file import read_object
from warren.reference import marked, provisioning

PAGE = (
    f"before\n{provisioning.REFUSALS}\nold\n{marked.END}\nbetween\n{provisioning.RUNS}\nold\n"
    f"{marked.END}\nafter"
)


def test_refusals_and_runs_stand_between_their_marks_and_a_run_that_was_not_says_so() -> None:
    refusals = {"a": {"when": "it is a", "prints": "no | never"}}
    runs = {"first run": {"seconds": 321.6, "changed": 74, "lost": []}}
    runs["run whose second host died"] = {"seconds": 50.0, "changed": 3, "lost": ["rmq2"]}
    page = provisioning.with_tables(PAGE, refusals, runs)
    assert "| it is a | no \\| never |" in page
    assert "| first run | 322 | 74 | none |" in page
    assert "| run whose second host was killed in the middle | 50 | 3 | rmq2 |" in page
    assert "| second run | not measured yet | — | — |" in page
    assert [page.startswith("before\n"), page.endswith("\nafter"), "between" in page] == [True] * 3
    assert "old" not in page
    assert provisioning.with_tables(page, refusals, runs) == page


def test_page_without_a_mark_is_refused() -> None:
    with pytest.raises(BadInputError, match="lacks"):
        provisioning.with_tables(PAGE.replace(provisioning.RUNS, ""), {}, {})


def test_figures_are_of_runs_that_the_page_asks_for() -> None:
    """A second run that changed something would be a fault of the roles, and no figure to publish."""
    runs = read_object(checkout.path("docs", "figures") / "provision.json")["runs"]
    for name in ("second run", "check on converged hosts"):
        assert runs.get(name, {"changed": 0})["changed"] == 0
