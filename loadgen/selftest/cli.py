"""`warren load selftest`: the verifier put to the proof."""

from __future__ import annotations

from pathlib import Path

import click

from loadgen import launch
from loadgen.bench.prepare import perftest_image
from loadgen.progress import Quiet
from loadgen.selftest import cases, engine, omission, outcome
from warren.context import Context
from warren.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, BadInputError
from warren.operate import options
from warren.operate.cli import NamedByFlag, json_option, topology_option


@click.command()
@click.option(
    "--case",
    "chosen",
    cls=NamedByFlag,
    multiple=True,
    type=click.Choice([each.name for each in cases.CASES]),
    help="Only this case; may be given several times.",
)
@click.option(
    "--coordinated-omission",
    is_flag=True,
    help="Instead: freeze the path for a second and compare the reported latencies with the arrival times.",
)
@click.option("--perftest", is_flag=True, help="With it: show PerfTest's figures for the same freeze, too.")
@json_option
@topology_option
def selftest(
    chosen: tuple[str, ...],
    coordinated_omission: bool,
    perftest: bool,
    json_path: Path | None,
    topology: Path | None,
) -> int:
    """Do wrong to messages on purpose and see that the ledger shows exactly that. Takes minutes.

    Exit code: 0 each case gave exactly its class, 1 one did not, 4 a middleman found nothing to do.
    """
    if coordinated_omission and chosen:
        raise BadInputError("--coordinated-omission", "is no case", "give it without --case")
    if perftest and not coordinated_omission:
        raise BadInputError("--perftest", "has nothing to be compared in", "give --coordinated-omission too")
    options.check_writable(json_path)
    context = options.context(topology)
    context.gate.check()
    if coordinated_omission:
        return _freeze(context, json_path, with_perftest=perftest)
    picked = [cases.case(name) for name in chosen] or list(cases.CASES)
    found, interrupted = engine.run(context, picked, tell=_tell)
    options.write_json(json_path, outcome.as_dict(found))
    click.echo(outcome.table(found))
    return EXIT_INTERRUPTED if interrupted else outcome.exit_code(found)


def _tell(found: outcome.Outcome) -> None:
    options.say(f"  {'ok' if found.passed else 'WRONG'}")


def _freeze(context: Context, json_path: Path | None, *, with_perftest: bool) -> int:
    place = launch.place(context)
    image = perftest_image(context) if with_perftest else None
    context.say(f"Warren, {omission.DURATION_S} s")
    rows = omission.of_warren(context, place, view=Quiet())
    try:
        if image is not None:
            context.say(f"PerfTest, {omission.DURATION_S} s")
            rows += omission.of_perftest(context, place, image)
    finally:
        found = omission.as_dict(rows)
        options.write_json(json_path, found)
        click.echo(omission.table(rows))
    return EXIT_OK if found["passed"] else EXIT_FAILED
