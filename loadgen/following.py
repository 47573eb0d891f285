"""Listens to a run in its container until that ends, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loadgen.container import Container
from loadgen.interrupts import on_interrupt
from loadgen.progress import View
from loadgen.unsticking import Unsticking
from warren.errors import BadInputError, NotReadyError, StoppedError, WarrenError
from warren.results import LoadResult, read_result


def follow(
    box: Container,
    view: View,
    interrupted: Callable[[], None] | None = None,
    unsticking: Unsticking | None = None,
) -> None:
    """Show what happens until the run ends, and call ``interrupted`` at each ^C too; ``unsticking`` hears of
    it as well. Raises what the coordinator reported as an error."""
    problem: Mapping[str, Any] | None = None

    def interrupt(count: int) -> None:
        if interrupted is not None:
            interrupted()
        if count <= 2:  # noqa: PLR2004 - the third takes the container away
            box.interrupt()
        else:
            box.remove()

    try:
        with on_interrupt(interrupt), view:
            for event in box.events():
                if event["type"] == "error":
                    problem = event
                else:
                    view.show(event)
                    if unsticking is not None:
                        unsticking.hear(event, view.show)
            code = box.wait()
    finally:
        box.remove()
    if problem is not None:
        raise error_of(problem)
    if code not in (0, 1, 4, 130):
        raise NotReadyError(box.name, f"the container ended with status {code}", "see what it printed above")


def error_of(event: Mapping[str, Any]) -> WarrenError:
    """What a coordinator reported as the error that ended it."""
    known: tuple[type[WarrenError], ...] = (BadInputError, NotReadyError, StoppedError)
    kinds = {each.exit_code: each for each in known}
    kind = kinds.get(int(event["exit_code"]), WarrenError)
    return kind(str(event["where"]), str(event["what"]), str(event["remedy"]))


def left_by(box: Container, folder: Path) -> LoadResult:
    """The result that a container left. Raises NotReadyError when it left none."""
    if not (folder / "result.json").exists():
        raise NotReadyError(
            f"load container of {folder.name}",
            f"ended with status {box.wait()} and wrote no result; its last words are above",
            "make cluster-status; the run's evidence is in " + str(folder),
        )
    return read_result(folder / "result.json")
