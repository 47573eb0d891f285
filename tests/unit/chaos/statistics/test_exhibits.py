"""The comparisons of docs/chaos-comparisons.md are what comes of the records that lie beside it, and the grid
of docs/chaos-grid.md what its figures say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaos.statistics import compare, compared, gathered, matrix, page, templates
from chaos.statistics.store import Store
from warren.topology_reader import load

FOLDER = Path("docs", "figures", "chaos-comparisons")
PAIRS = (("rest-poll-5s", "rest-poll-1s"), ("poll-5s", "rabbitmq-4.0"))


def side(root: Path, name: str) -> compare.Side:
    path = FOLDER / f"{name}.jsonl"
    return compare.side(str(path), [(str(path), Store(root / path).read())])


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_page_shows_what_the_records_come_to(checkout_root: Path, a: str, b: str) -> None:
    text = (checkout_root / "docs" / "chaos-comparisons.md").read_text(encoding="utf-8")
    found = compare.compare(side(checkout_root, a), side(checkout_root, b))
    assert compared.markdown(found).strip() in text


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_sides_differ_in_what_the_page_says_and_share_their_seeds(
    checkout_root: Path, a: str, b: str
) -> None:
    sides = side(checkout_root, a), side(checkout_root, b)
    differ = set(compare.compare(*sides).differ)
    assert differ == ({"failure_detector_poll_ms"} if b == "rest-poll-1s" else {"rabbitmq", "erlang"})
    seeds = [{day.seed for days in each.days.values() for day in days} for each in sides]
    assert seeds[0] >= seeds[1] or seeds[1] >= seeds[0]


def test_records_are_small(checkout_root: Path) -> None:
    files = list((checkout_root / FOLDER).glob("*.jsonl"))
    assert len(files) == 4
    assert sum(path.stat().st_size for path in files) < 300_000


def row_of(cell: dict[str, Any]) -> list[str]:
    """What the page's row of a cell has to begin with."""
    verdicts = ", ".join(f"{count} {name}" for name, count in cell["verdicts"].items())
    loss = cell["loss"]
    lost = f"{loss['lost']:,} of {loss['confirmed']:,}" if loss["confirmed"] else "-"
    return [cell["fault"], cell["profile"], verdicts, lost]


def test_grid_shows_what_its_records_come_to(checkout_root: Path) -> None:
    files = sorted((checkout_root / "docs" / "figures" / "chaos-grid").glob("*.jsonl.xz"))
    now = matrix.cells(
        templates.read(),
        matrix.Wanted(),
        templates.timers(load(checkout_root / "deploy" / "topology.yml")),
        missing=matrix.absent,
    )
    found = gathered.gather([(path.name, Store(path).read()) for path in files], now)
    shown = [line for line in page.matrix_markdown(found).splitlines() if line.startswith("|")]
    text = (checkout_root / "docs" / "chaos-grid.md").read_text(encoding="utf-8")
    table = text.partition("<!-- from figures/chaos-grid/*.jsonl.xz -->")[2].partition("<!-- end -->")[0]
    assert table.strip().splitlines() == shown
    verdicts = ", ".join(f"{count} {name}" for name, count in found.verdicts.items())
    assert f"{found.made} days with {found.loss.confirmed:,} confirmed messages" in text, verdicts
    assert not found.damage
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_grid_shows_what_its_figures_say(checkout_root: Path) -> None:
    found = json.loads((checkout_root / "docs" / "figures" / "chaos-grid.json").read_text(encoding="utf-8"))
    text = (checkout_root / "docs" / "chaos-grid.md").read_text(encoding="utf-8")
    table = text.partition("<!-- from figures/chaos-grid.json -->")[2].partition("<!-- end -->")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row[:4] for row in rows] == [row_of(cell) for cell in found["cells"]]
    for row, cell in zip(rows, found["cells"], strict=True):
        gap = next(each for each in cell["figures"] if each["name"] == "confirm_gap_s")
        assert row[5] == f"{gap['median']:.2f} / {gap['maximum']:.2f} s"
    assert len({run["run_id"] for cell in found["cells"] for run in cell["runs"]}) == found["made"]
    assert f"{found['loss']['confirmed']:,} confirmed messages" in text
