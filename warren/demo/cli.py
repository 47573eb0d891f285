"""`warren demo`: everything once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from warren import cluster
from warren.demo import engine, page
from warren.operate import options, status
from warren.operate.cli import topology_option


@click.command()
@topology_option
def demo(topology: Path | None) -> int:
    """Everything once: cluster, load, a killed leader, verdicts. The cluster stays up."""
    context = options.context(topology)
    click.echo(status.up_text(cluster.up(context)))
    env = dict(os.environ)
    if topology:
        env["WARREN_TOPOLOGY"] = str(topology.resolve())
    with tempfile.TemporaryDirectory(prefix="warren-demo-") as folder:
        demonstration = engine.Demonstration(
            start=engine.starter(env), say=options.say, results=Path(folder), clock=context.clock
        )
        legs = demonstration.run()
    click.echo(page.text(legs, context.state.runs))
    click.echo(status.places_text(context))
    return engine.exit_code(legs)
