"""`warren bench`: Warren beside PerfTest."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from loadgen.bench import perftest
from loadgen.bench.engine import Bench, Plan
from loadgen.bench.figures import as_dict, table
from warren import checkout
from warren.imagebuild import Builder
from warren.operate import options
from warren.operate.cli import NamedByFlag, json_option, topology_option
from warren.runtime.stream import stream


@click.command()
@topology_option
@click.option(
    "--repeats", default=5, show_default=True, type=click.IntRange(1, 100), help="Turns of each of the two."
)
@click.option(
    "--warmup",
    "warmup_s",
    cls=NamedByFlag,
    default=10,
    show_default=True,
    type=click.IntRange(1, 600),
    help="Seconds of a turn that do not count.",
)
@click.option(
    "--window",
    "window_s",
    cls=NamedByFlag,
    default=20,
    show_default=True,
    type=click.IntRange(5, 3600),
    help="Seconds of a turn that count.",
)
@click.option(
    "--rate", type=click.FloatRange(min=1), help="Messages per second (default: as fast as it goes)."
)
@json_option
def bench(
    *,
    topology: Path | None,
    repeats: int,
    warmup_s: int,
    window_s: int,
    rate: float | None,
    json_path: Path | None,
) -> None:
    """The work profile beside PerfTest on the running cluster, alternating. Takes minutes."""
    options.check_writable(json_path)
    context = options.context(topology)
    context.gate.check()
    with tempfile.TemporaryDirectory(prefix="warren-perftest-") as scratch:
        builder = Builder(
            docker=context.engine.docker, run=context.run, follow=stream, say=context.say,
            clock=context.clock, scratch=Path(scratch), root=checkout.ROOT,
        )  # fmt: skip
        image = perftest.ensure_image(context, builder, checkout.ROOT)
    env = dict(os.environ)
    if topology:
        env["WARREN_TOPOLOGY"] = str(topology.resolve())
    plan = Plan(repeats=repeats, warmup_s=warmup_s, window_s=window_s, rate=rate)
    runs = Bench(context=context, image=image, plan=plan, env=env).run()
    options.write_json(json_path, as_dict(runs))
    click.echo(table(runs))
