"""The reference pages say what the commands, metrics and rules themselves say."""

from __future__ import annotations

from typing import Any

import click
import pytest

from chaos.fault import names
from warren import checkout
from warren.errors import BadInputError
from warren.json_file import read_object
from warren.reference import __main__ as reference
from warren.reference import commands, healing, marked, monitoring


@click.group(context_settings={"auto_envvar_prefix": "WARREN"})
def root() -> None:
    pass


@root.command()
@click.argument("node")
@click.option("--rate", default=5, help="Messages | second.")
@click.option("--password-file", help="Where the password is.")
@click.option("--purge", is_flag=True)
def run(node: str, rate: int, password_file: str, purge: bool) -> None:
    """Run it."""


@root.command(hidden=True)
def secret() -> None:
    """Not for the page."""


def test_command_stands_with_usage_defaults_and_variables() -> None:
    page = commands.page(root)
    assert "    warren run [OPTIONS] NODE" in page
    assert "| `--rate` INTEGER | `5` | `WARREN_RUN_RATE` | Messages \\| second. |" in page
    assert "| `--purge` |  | `WARREN_RUN_PURGE` |  |" in page
    assert "secret" not in page


def test_password_has_no_variable() -> None:
    assert "| `--password-file` TEXT |  |  | Where the password is. |" in commands.page(root)


def test_option_of_many_commands_is_described_once() -> None:
    @click.group(context_settings={"auto_envvar_prefix": "WARREN"})
    def many() -> None:
        pass

    for number in range(10):

        @many.command(f"run{number}")
        @click.option("--topology", envvar="WARREN_TOPOLOGY", help="The file.")
        @click.option("--rate", default=5)
        def _each() -> None:
            """Run it."""

    page = commands.page(many)
    row = "| `--topology` TEXT |  | `WARREN_TOPOLOGY` | The file. |"
    assert page.count(row) == 1
    assert page.index(row) < page.index("## warren run0")
    assert page.count("\n\nAnd `--topology`, as above.\n") == 10
    assert "| `--rate` INTEGER | `5` | `WARREN_RUN9_RATE` |  |" in page


def test_alert_stands_with_severity_and_a_link_from_the_docs_folder() -> None:
    rule = {
        "alert": "Broken",
        "for": "1m",
        "labels": {"severity": "critical"},
        "annotations": {"summary": "It | broke.", "runbook_url": "docs/runbooks/broken.md"},
    }
    figures = {"Broken critical": {"fired_after_s": 12.4, "resolved_after_s": 30, "time_scale": 0.02}}
    page = monitoring.alerts_page([rule], figures, {})
    row = (
        "| `Broken` | critical | 1m | It \\| broke. | 12 s | 30 s | 0.02 | [broken.md](runbooks/broken.md) |"
    )
    assert row in page
    reasons = {"Broken critical": "it would | break"}
    assert "| not provoked: it would \\| break | | | [broken" in monitoring.alerts_page([rule], {}, reasons)
    assert "| not measured yet | | | [broken" in monitoring.alerts_page([rule], {}, {})


def test_two_severities_of_one_alert_have_their_own_figures_and_order() -> None:
    def rule(severity: str) -> dict[str, Any]:
        return {"alert": "Broken", "labels": {"severity": severity}, "annotations": {}}

    figure = {"fired_after_s": 1, "resolved_after_s": 2, "time_scale": 1}
    page = monitoring.alerts_page([rule("warning"), rule("critical")], {"Broken warning": figure}, {})
    rows = [line for line in page.splitlines() if line.startswith("| `Broken`")]
    assert [("critical" in row, "1 s | 2 s" in row) for row in rows] == [(True, False), (False, True)]


def test_every_runbook_that_the_alerts_page_links_to_is_there() -> None:
    pages = reference.pages()
    docs = reference.checkout.ROOT / "docs"
    links = [
        part.partition(")")[0] for text in pages.values() for part in text.split("](")[1:] if ".md)" in part
    ]
    assert links
    assert [link for link in links if not (docs / link).is_file()] == []


@root.group(invoke_without_command=True)
@click.option("--size", default=7)
def measure(size: int) -> None:
    """Measure all."""


@measure.command()
def part() -> None:
    """Measure a part."""


def test_group_that_is_a_command_itself_stands_before_its_commands() -> None:
    page = commands.page(root)
    assert "| `--size` INTEGER | `7` | `WARREN_MEASURE_SIZE` |" in page
    assert page.index("## warren measure\n") < page.index("## warren measure part\n")


def test_table_of_killed_drivers_stands_between_its_marks_and_nothing_else_is_touched() -> None:
    figures = {
        "pause": {"watchdog": {"undone_after_s": 1.04, "whole_after_s": 9.96}},
        "kill": {each: {"undone_after_s": 2, "whole_after_s": 3.5} for each in ("heal", "watchdog")},
    }
    page = f"before\n\n{healing.BEGIN}\nold\n{marked.END}\n\nafter\n"
    written = healing.with_table(page, figures)
    assert written.startswith(f"before\n\n{healing.BEGIN}\n| fault |")
    assert written.endswith(
        "| `kill` | 2.0 s | 3.5 s | 2.0 s | 3.5 s |\n"
        "| `pause` | 1.0 s | 10.0 s | not measured yet | not measured yet |\n"
        f"{marked.END}\n\nafter\n"
    )
    assert healing.with_table(written, figures) == written
    with pytest.raises(BadInputError, match="lacks"):
        healing.with_table("no marks", figures)


def test_every_fault_was_healed_by_both_after_its_driver_was_killed() -> None:
    """A fault without figures was not tried: tests/cluster/test_driver_killed.py."""
    measured = read_object(checkout.path("docs", "figures", "driver-killed.json"))["faults"]
    assert {name for name, healers in measured.items() if {"watchdog", "heal"} <= set(healers)} == set(
        names()
    )
