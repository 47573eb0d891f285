"""The pages of results. The report package stands above this one, so it is found by its name."""

from __future__ import annotations

import importlib
from pathlib import Path

from loadgen.launch import WriteReport
from warren.results import LoadResult


def page_writer() -> WriteReport:
    """What makes a run's page."""
    write = importlib.import_module("report.page").write_report

    def page(result: LoadResult, folder: Path) -> Path:
        written: Path = write(result.to_dict(), out=folder / "report.html")
        return written

    return page
