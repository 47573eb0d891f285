"""The pages of results and sweeps. The report package stands above this one, so it is found by its name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.launch import WriteReport
from warren.results import LoadResult


def page_writer() -> WriteReport:
    """What makes a run's page."""
    write = importlib.import_module("report.page").write_report

    def page(result: LoadResult, folder: Path) -> Path:
        written: Path = write(result.to_dict(), out=folder / "report.html")
        return written

    return page


def sweep_page(sweep: Mapping[str, Any], out: Path) -> Path:
    """Write the page of a sweep in its JSON form to ``out``."""
    written: Path = importlib.import_module("report.sweep").write_sweep(sweep, out=out)
    return written
