"""`warren load selftest`: the verifier put to the proof."""

from __future__ import annotations

from pathlib import Path

import click

from loadgen.selftest import cases, engine, outcome
from warren.errors import EXIT_INTERRUPTED
from warren.operate import options
from warren.operate.cli import json_option, topology_option


@click.command()
@click.option(
    "--case",
    "chosen",
    multiple=True,
    type=click.Choice([each.name for each in cases.CASES]),
    help="Only this case; may be given several times.",
)
@json_option
@topology_option
def selftest(chosen: tuple[str, ...], json_path: Path | None, topology: Path | None) -> int:
    """Do wrong to messages on purpose and see that the ledger shows exactly that. Takes minutes.

    Exit code: 0 each case gave exactly its class, 1 one did not, 4 a middleman found nothing to do.
    """
    options.check_writable(json_path)
    context = options.context(topology)
    context.gate.check()
    picked = [cases.case(name) for name in chosen] or list(cases.CASES)
    found, interrupted = engine.run(context, picked, tell=_tell)
    options.write_json(json_path, outcome.as_dict(found))
    click.echo(outcome.table(found))
    return EXIT_INTERRUPTED if interrupted else outcome.exit_code(found)


def _tell(found: outcome.Outcome) -> None:
    options.say(f"  {'ok' if found.passed else 'WRONG'}")
