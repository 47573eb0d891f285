"""Modules of a package by the names of their files."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from warren import siblings
from warren.errors import BadInputError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    folder = tmp_path / "trees_of_tests"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").touch()
    for name in ("oak", "lime_tree", "ash"):
        (folder / f"{name}.py").write_text(f"NAME = '{name}'\n")
    (folder / "notes.txt").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("trees_of_tests")
    for name in [each for each in sys.modules if each.startswith("trees_of_tests")]:
        del sys.modules[name]


def test_files_are_in_order_and_typed_with_hyphens(package: ModuleType) -> None:
    assert siblings.files(package) == ("ash", "lime_tree", "oak")
    assert siblings.names(package) == ("ash", "lime-tree", "oak")


def test_module_is_found_by_either_name(package: ModuleType) -> None:
    assert siblings.module(package, "lime_tree").NAME == "lime_tree"
    assert siblings.named(package, "tree", "lime-tree").NAME == "lime_tree"


@pytest.mark.parametrize("name", ["fir", "", "../oak", "notes"])
def test_name_of_nothing_is_refused_with_those_there_are(package: ModuleType, name: str) -> None:
    with pytest.raises(BadInputError, match=f"tree: there is no '{name}'") as caught:
        siblings.named(package, "tree", name)
    assert caught.value.remedy == "one of: ash, lime-tree, oak"


def test_nobody_looks_for_siblings_in_another_way(checkout_root: Path) -> None:
    """Where a second way is written, the two part."""
    found = {
        str(path.relative_to(checkout_root))
        for name in ("warren", "chaos", "loadgen", "exporters", "dashboards", "report")
        for path in (checkout_root / name).rglob("*.py")
        if "iter_modules" in path.read_text("utf-8")
    }
    assert found == {"warren/siblings.py"}
