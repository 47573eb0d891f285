"""The comparisons of docs/chaos-comparisons.md are what comes of the records that lie beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.statistics import compare, compared
from chaos.statistics.store import Store

FOLDER = Path("docs", "figures", "chaos-comparisons")
PAIRS = (("poll-5s", "poll-1s"), ("poll-5s", "rabbitmq-4.0"))


def side(root: Path, name: str) -> compare.Side:
    path = FOLDER / f"{name}.jsonl"
    return compare.side(str(path), [(str(path), Store(root / path).read())])


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_page_shows_what_the_records_come_to(checkout_root: Path, a: str, b: str) -> None:
    page = (checkout_root / "docs" / "chaos-comparisons.md").read_text(encoding="utf-8")
    found = compare.compare(side(checkout_root, a), side(checkout_root, b))
    assert compared.markdown(found).strip() in page


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_sides_differ_in_what_the_page_says_and_share_their_seeds(
    checkout_root: Path, a: str, b: str
) -> None:
    sides = side(checkout_root, a), side(checkout_root, b)
    differ = set(compare.compare(*sides).differ)
    assert differ == ({"failure_detector_poll_ms"} if b == "poll-1s" else {"rabbitmq", "erlang"})
    seeds = [{day.seed for days in each.days.values() for day in days} for each in sides]
    assert seeds[0] >= seeds[1] or seeds[1] >= seeds[0]


def test_records_are_small(checkout_root: Path) -> None:
    files = list((checkout_root / FOLDER).glob("*.jsonl"))
    assert len(files) == 3
    assert sum(path.stat().st_size for path in files) < 300_000
