"""`warren chaos matrix|compare`, and a game day's repeats: parse, call one engine function, print."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from chaos import gameday
from chaos.record_file import FOLDER
from chaos.statistics import compare, compared, gathered, matrix, page, repeats, running, templates, wiring
from chaos.statistics.store import Store, make_folder
from chaos.statistics.turns import Means
from warren.context import Context
from warren.errors import EXIT_OK, BadInputError
from warren.operate import options
from warren.operate.cli import Duration, NamedByFlag, json_option, topology_option
from warren.wait import Clock


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "names"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(each.strip() for each in value.split(","))
        if not all(names):
            self.fail(f"{value!r} has an empty name", param, ctx)
        return names


@click.command("matrix")
@click.option("--faults", type=Names(), help="Some of `warren chaos list`, with commas between; else all.")
@click.option("--profiles", type=Names(), help="Load profiles, with commas between; by default work,retry.")
@click.option("--repeats", type=click.IntRange(1, 1000), help="Runs of each cell; else as its template says.")
@click.option(
    "--budget",
    "budget_s",
    cls=NamedByFlag,
    type=Duration(),
    help="Begin no run that would go beyond this time: 30m, 8h.",
)
@click.option("--seed", type=int, help="From which each run's own follows; 1, or that which is resumed.")
@click.option("--quick", is_flag=True, help="Five faults, each cell once and short: for every change.")
@click.option(
    "--brief",
    is_flag=True,
    help="No alert is waited for, and less seen of what follows: to compare two sides.",
)
@click.option(
    "--together/--apart",
    "together",
    cls=NamedByFlag,
    default=None,
    help="Run the profiles of a fault at once, each judged by itself, or one after the other. With --quick "
    "they are run at once, else not.",
)
@click.option("--resume", is_flag=True, help="Go on with the newest matrix of this cluster, or begin one.")
@click.option("--plan", "planning", cls=NamedByFlag, is_flag=True, help="Say what would be run, and end.")
@json_option
@topology_option
def run_matrix(
    *,
    faults: tuple[str, ...] | None,
    profiles: tuple[str, ...] | None,
    repeats: int | None,
    budget_s: float | None,
    seed: int | None,
    quick: bool,
    brief: bool,
    together: bool | None,
    resume: bool,
    planning: bool,
    json_path: Path | None,
    topology: Path | None,
) -> int:
    """Run faults by profiles by repeats, and draw the grid. Takes minutes to hours; ^C keeps what is made.

    Exit code: that of the gravest verdict; 4 also where a cell has no run; 130 interrupted.
    """
    options.check_writable(json_path)
    context = options.context(topology)
    extent = _extent(quick=quick, brief=brief)
    folder, begun = _folder(context, running.PREFIXES[extent], resume=resume)
    at_once = _at_once(together, begun, extent)
    wanted = matrix.Wanted(faults=faults, profiles=profiles, repeats=repeats, extent=extent, together=at_once)
    table = templates.read()
    cells = matrix.cells(
        table,
        wanted,
        templates.timers(context.topology),
        missing=matrix.absent if planning else wiring.missing(context),
    )
    wiring.refuse_clash(context.topology, matrix.together(cells))
    if planning:
        click.echo(page.plan_text(cells))
        return EXIT_OK
    order = running.Order(
        cells=cells,
        seed=seed or begun.get("seed", 1),
        folder=folder,
        facts=wiring.facts(context.topology, matrix.together(cells)),
        budget_s=budget_s,
    )
    found = running.run_matrix(
        order, wiring.play_on(context), clock=Clock(), say=options.say, mend=wiring.mend_on(context)
    )
    written = running.write_outcome(found, folder)
    options.write_json(json_path, found.to_dict())
    click.echo(page.matrix_text(found))
    for path in written:
        click.echo(f"{path.suffix[1:]:<10} {path}")
    return found.exit_code


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the table here, for a page.",
)
@json_option
@topology_option
def compare_records(
    a: str, b: str, markdown: Path | None, json_path: Path | None, topology: Path | None
) -> None:
    """Compare the records B with A: two versions, or two settings.

    Each is a file of records, the folder of a matrix or of repeats, its name, or several with commas between.
    """
    options.check_writable(json_path)
    options.check_writable(markdown)
    known = options.context(topology).state.root / FOLDER
    sides = []
    for given in (a, b):
        files = running.record_files(given, known)
        sides.append(compare.side(given, [(str(path), Store(path).read()) for path in files]))
    found = compare.compare(*sides)
    options.write_json(json_path, found.to_dict())
    if markdown:
        markdown.write_text(compared.markdown(found), encoding="utf-8")
    click.echo(compared.text(found))


@click.command("grid")
@click.argument("records", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Also write its three files here."
)
@json_option
@topology_option
def show_grid(
    records: tuple[str, ...], out: Path | None, json_path: Path | None, topology: Path | None
) -> None:
    """Draw one grid of the RECORDS of matrices that were run: several nights, or several clusters alike.

    Each is a file of records, the folder of a matrix, its name, or several with commas between. All are
    judged by what is expected now. Runs nothing.
    """
    options.check_writable(json_path)
    context = options.context(topology)
    known = context.state.root / FOLDER
    files = dict.fromkeys(path for given in records for path in running.record_files(given, known))
    now = matrix.cells(templates.read(), matrix.Wanted(), templates.timers(context.topology))
    found = gathered.gather([(str(path), Store(path).read()) for path in files], now)
    options.write_json(json_path, found.to_dict())
    click.echo(page.matrix_text(found))
    if out is not None:
        make_folder(out)
        for path in running.write_outcome(found, out):
            click.echo(f"{path.suffix[1:]:<10} {path}")


def repeat(
    context: Context,
    name: str,
    *,
    times: int,
    seed: int | None,
    settings: dict[str, str],
    budget_s: float | None,
    resume: bool,
    json_path: Path | None,
) -> int:
    """Play the game day called ``name`` again and again; what `warren chaos run --repeat` does."""
    experiment, what = wiring.repeated(context.topology, name, settings)
    folder, begun = _folder(context, f"repeats-{what.name}-", resume=resume)
    means = Means(
        conduct=lambda bout: wiring.play(context, [experiment], bout[0].seed),
        store=Store(folder / running.RECORDS),
        clock=Clock(),
        say=options.say,
        budget_s=budget_s,
        mend=wiring.mend_on(context),
    )
    chosen = next(each for each in (seed, begun.get("seed"), gameday.fresh_seed()) if each is not None)
    found = repeats.repeat(what, means, repeats=times, seed=chosen)
    options.write_json(json_path, found.to_dict())
    click.echo(page.repeats_text(found))
    click.echo(f"records    {means.store.path}")
    return found.exit_code


def _extent(*, quick: bool, brief: bool) -> str:
    if quick and brief:
        raise BadInputError("--quick --brief", "are two different matrices", "give one of them")
    return "quick" if quick else "brief" if brief else "full"


def _at_once(asked: bool | None, begun: Mapping[str, Any], extent: str) -> bool:
    """Whether the profiles of a fault are run at once: as asked, else as begun, else for the quick one."""
    if asked is not None:
        return asked
    return bool(begun.get("facts", {}).get("together")) if begun else extent == "quick"


def _folder(context: Context, prefix: str, *, resume: bool) -> tuple[Path, Mapping[str, Any]]:
    """Where the records go, and the plan that was begun there; empty where none was."""
    below = context.state.root / FOLDER
    folder = running.newest_folder(below, prefix) if resume else None
    if folder is None:
        return running.new_folder(below, datetime.now(UTC), prefix), {}
    return folder, Store(folder / running.RECORDS).read().plan


STATISTICS = (run_matrix, show_grid, compare_records)
