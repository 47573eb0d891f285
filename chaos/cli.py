"""`warren chaos`: each command parses, calls one engine function and prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from chaos import engine, export, gameday, gameday_page, page, record_file
from chaos import fault as catalogue
from chaos.context import ChaosContext
from chaos.record import Verdict
from chaos.statistics.cli import STATISTICS, repeat
from chaos.watchdog import keep_watch
from chaos.wiring import open_chaos
from warren.command_group import CommandGroup
from warren.errors import EXIT_INTERRUPTED, EXIT_OK
from warren.operate import options
from warren.operate.cli import Duration, NamedByFlag, json_option, topology_option


class FaultGroup(CommandGroup):
    """Adds a command for every file in ``chaos/faults/`` to those written below."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*catalogue.names(), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in catalogue.names():
            return _fault_command(cmd_name)
        return super().get_command(ctx, cmd_name)


@click.group(cls=FaultGroup)
def chaos() -> None:
    """Break nodes on purpose, and heal them.

    Every act is journaled before it happens, proven after it, and undone when it fails.
    """


for statistic in STATISTICS:
    chaos.add_command(statistic)


def _fault_command(name: str) -> click.Command:
    fault = catalogue.load(name)

    def strike(**given: Any) -> None:
        # Named as the options are, so that their variables are WARREN_CHAOS_KILL_FOR and the like.
        _strike(name, hold_s=given.pop("for", None), settings=given.pop("set"), **given)

    strike.__doc__ = f"{fault.summary[0].upper()}{fault.summary[1:]}."
    decorators = [
        *([] if fault.is_wide else _whom()),
        *([] if isinstance(fault, catalogue.Course) else [_hold()]),
        click.option("--set", multiple=True, metavar="KEY=VALUE", help="A parameter of the fault."),
        click.option("--dry-run", is_flag=True, help="Say whom it would strike, and change nothing."),
        json_option,
        topology_option,
    ]
    for decorate in reversed(decorators):
        strike = decorate(strike)
    return click.command(name)(strike)


def _whom() -> list[Callable[..., Any]]:
    return [
        click.argument("node", required=False),
        click.option("--leader-of", metavar="QUEUE", help="The node that leads QUEUE at this moment."),
        click.option("--follower-of", metavar="QUEUE", help="A node that follows the leader of QUEUE."),
        click.option(
            "--attached-to",
            metavar="CLIENT",
            help="The node of a connection whose name begins so, or whose user is called so.",
        ),
        click.option("--any", is_flag=True, help="Any node that runs, drawn by --seed."),
        click.option("--all", is_flag=True, help="Every node."),
        click.option("--count", type=int, help="So many nodes of that role (alone: any), drawn by --seed."),
        click.option("--seed", type=int, help="Draws the same nodes again; else a fresh one is journaled."),
        click.option("--vhost", help="Where QUEUE is, when its name stands in several virtual hosts."),
        click.option("--majority-loss", is_flag=True, help="Allow more than a minority of nodes to be down."),
    ]


def _hold() -> Callable[..., Any]:
    return click.option("--for", type=Duration(), help="Heal after this time, like 20s; else on `heal`.")


def _strike(
    name: str,
    *,
    settings: tuple[str, ...],
    dry_run: bool,
    json_path: Path | None,
    topology: Path | None,
    hold_s: float | None = None,
    majority_loss: bool = False,
    seed: int | None = None,
    **whom: Any,
) -> None:
    order = engine.Order(
        fault=name,
        target=engine.Target(**whom),
        args=_settings(settings),
        majority_loss=majority_loss,
        seed=seed,
    )
    options.check_writable(json_path)
    context = _context(topology)
    if dry_run:
        plan = engine.plan(context, order)
        _print(page.plan_text(plan), page.plan_dict(plan), json_path)
    elif hold_s is None:
        faults = engine.inject(context, order)
        _print(page.injected_text(faults), page.injected_dict(faults), json_path)
    else:
        report = engine.inject_for(context, order, hold_s=hold_s)
        _print(page.heal_text(report), page.heal_dict(report), json_path)


@chaos.command()
@click.argument("node", required=False)
@json_option
@topology_option
def heal(node: str | None, json_path: Path | None, topology: Path | None) -> None:
    """Put back everything that chaos broke, or only what it did to NODE. Safe to repeat."""
    options.check_writable(json_path)
    report = engine.heal(_context(topology), node)
    _print(page.heal_text(report), page.heal_dict(report), json_path)


@chaos.command()
@json_option
@topology_option
def status(json_path: Path | None, topology: Path | None) -> None:
    """What is broken now, by the journal and by what can be seen."""
    found = engine.status(_context(topology))
    _print(page.status_text(found), page.status_dict(found), json_path)


@chaos.command()
@click.argument("experiment")
@click.option("--seed", type=int, help="Repeat what this seed drew; else one is drawn, and told.")
@click.option("--dry-run", is_flag=True, help="Ask the probes and print the plan; change nothing.")
@click.option(
    "--set",
    "settings",
    cls=NamedByFlag,
    multiple=True,
    metavar="KEY=VALUE",
    help="Override any key of the file.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where its files go.")
@click.option(
    "--beside",
    cls=NamedByFlag,
    multiple=True,
    metavar="EXPERIMENT",
    help="Another that breaks the same things, played at the same time: its load, and a verdict of its own.",
)
@click.option("--repeat", "times", cls=NamedByFlag, type=click.IntRange(1, 1000), help="Play it so often.")
@click.option(
    "--budget",
    "budget_s",
    cls=NamedByFlag,
    type=Duration(),
    help="With --repeat: begin none that would go beyond this time.",
)
@click.option("--resume", is_flag=True, help="With --repeat: go on with its newest repeats.")
@json_option
@topology_option
def run(experiment: str, **given: Any) -> int:
    """Play a game day and judge it: EXPERIMENT is one of the catalogue, or a file of your own.

    Exit code: 0 passed, 1 failed or hung, 3 the cluster was not ready, 4 inconclusive, 130 interrupted.
    """
    again = {key: given.pop(key) for key in ("times", "budget_s", "resume")}
    if again["times"] is None and (again["budget_s"] is not None or again["resume"]):
        raise click.UsageError("--budget and --resume go with --repeat")
    beside = given.pop("beside")
    if (again["times"] is not None or beside) and (given["out"] or given["dry_run"]):
        raise click.UsageError("--out and --dry-run are for one game day, not for --repeat or --beside")
    if again["times"] is not None and beside:
        raise click.UsageError("--beside is for one game day, not for --repeat")
    options.check_writable(given["json_path"])
    context = options.context(given["topology"])
    if again["times"] is not None:
        settings = _settings(given["settings"])
        return repeat(
            context, experiment, **again, settings=settings, seed=given["seed"], json_path=given["json_path"]
        )
    found = gameday.read(context.topology, experiment, _settings(given["settings"]))
    if given["dry_run"]:
        seed = gameday.fresh_seed() if given["seed"] is None else given["seed"]
        click.echo(gameday_page.plan(found, gameday.rehearse(context, found, seed=seed), seed))
        return EXIT_OK
    if beside:
        others = [gameday.read(context.topology, each) for each in beside]
        return _played(gameday.play_together(context, [found, *others], seed=given["seed"]), given)
    return _played([gameday.play(context, found, seed=given["seed"], out=given["out"])], given)


def _played(results: Sequence[gameday.Played], given: Mapping[str, Any]) -> int:
    """Print what was played, and return the exit code of the gravest."""
    plain = [record_file.to_dict(each.day) for each in results]
    text = "\n\n".join(gameday_page.played(each) for each in results)
    _print(text, plain[0] if len(plain) == 1 else {"days": plain}, given["json_path"])
    if any(each.interrupted for each in results):
        return EXIT_INTERRUPTED
    return max((each.day.verdict for each in results), key=list(Verdict).index).exit_code


@chaos.command()
@json_option
@topology_option
def experiments(json_path: Path | None, topology: Path | None) -> None:
    """The game days of the catalogue, with what each teaches."""
    found = gameday.catalogue(options.context(topology).topology)
    plain = [{"name": each.name, "title": each.title, "teaches": each.teaches} for each in found]
    _print(gameday_page.catalogue(found), plain, json_path)


@chaos.command("export")
@click.argument("experiment")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the load, and of what is drawn.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it here, not to the screen."
)
@topology_option
def export_experiment(experiment: str, seed: int, out: Path | None, topology: Path | None) -> None:
    """A game day as a chaostoolkit experiment: chaos run --rollback-strategy always FILE."""
    options.check_writable(out)
    there = options.context(topology).topology
    nodes = [node.name for node in there.nodes]
    plain = export.chaostoolkit(gameday.read(there, experiment), nodes, seed)
    if out is None:
        click.echo(json.dumps(plain, indent=1))
    else:
        options.write_json(out, plain)


@chaos.command()
@click.option("--release", is_flag=True, help="Let faults begin again.")
@json_option
@topology_option
def halt(release: bool, json_path: Path | None, topology: Path | None) -> None:
    """Stop whatever chaos runs, heal it, and let nothing more be broken until --release. Safe to repeat."""
    options.check_writable(json_path)
    context = _context(topology)
    if release:
        was_halted = engine.release(context)
        text = "faults may begin again" if was_halted else "chaos was not halted"
        _print(text, {"was_halted": was_halted}, json_path)
        return
    report = engine.halt(context)
    _print(page.halt_text(report), page.halt_dict(report), json_path)


@chaos.command("list")
@json_option
@topology_option
def list_faults(json_path: Path | None, topology: Path | None) -> None:
    """Every fault there is, and where a cluster runs, which of them cannot be had on it."""
    options.check_writable(json_path)
    missing = engine.missing(lambda: _context(topology))
    _print(page.list_text(missing), page.list_dict(missing), json_path)


@chaos.command(hidden=True)
@click.argument("fault_id")
@click.argument("within_s", type=float)
@topology_option
def watch(fault_id: str, within_s: float, topology: Path | None) -> None:
    """Heal FAULT_ID, or all of that game day, once standard input is closed. Started by every held fault."""
    keep_watch(_context(topology), fault_id, within_s=within_s, pipe=sys.stdin.fileno())


def _context(topology: Path | None) -> ChaosContext:
    """The context that a caller passed as click's object, or that of the cluster at hand."""
    given = click.get_current_context().find_object(ChaosContext)
    return given or open_chaos(topology)


def _settings(settings: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise click.BadParameter(f"'{setting}' is not KEY=VALUE", param_hint="--set")
        found[key] = value
    return found


def _print(text: str, result: Any, json_path: Path | None) -> None:
    click.echo(text)  # first, for a node may be down and its user must know it
    options.write_json(json_path, result)
