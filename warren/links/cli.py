"""`warren links`: each command parses, calls one engine function and prints."""

from __future__ import annotations

from pathlib import Path

import click

from warren.errors import EXIT_FAILED, EXIT_OK
from warren.links import page, wiring
from warren.operate import options
from warren.operate.cli import Duration, json_option

topology_option = click.option(
    "--topology",
    "path",
    envvar="WARREN_TOPOLOGY",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Topology file (default: deploy/topology.yml).",
)


@click.group()
def links() -> None:
    """Shovels and federation to other clusters: their state, and a proof that each message arrives once."""


@links.command()
@topology_option
@json_option
def status(path: Path | None, json_path: Path | None) -> int:
    """The state of every link as the broker has it, and what to try where one does not run. Exit 1 then."""
    options.check_writable(json_path)
    found = wiring.statuses(options.context(path))
    options.write_json(json_path, {"links": [each.as_result() for each in found]})
    click.echo(page.status_text(found))
    return EXIT_OK if all(each.runs for each in found) else EXIT_FAILED


@links.command()
@click.argument("link")
@topology_option
@click.option("--rate", type=click.FloatRange(0.1, 1000), default=50.0, help="Messages a second.")
@click.option("--duration", type=Duration(), default="30s", help="How long to publish, like 30s or 5m.")
@click.option("--drain", type=Duration(), default="2m", help="How long to wait for what has not arrived.")
@click.option("--key", default="warren.link", help="Routing key, where an exchange is published to.")
@json_option
def prove(
    *,
    link: str,
    path: Path | None,
    rate: float,
    duration: float,
    drain: float,
    key: str,
    json_path: Path | None,
) -> int:
    """Publish at one end of LINK and consume at the other: what was confirmed arrives once, or is told.

    The queues at both ends must be empty and unused. Cut the link meanwhile, from another terminal:
    `warren chaos kill NODE --for 20s`, with the other cluster's topology for a node of its own."""
    options.check_writable(json_path)
    context = options.context(path)
    verdict = wiring.proof(context, link, rate=rate, duration_s=duration, drain_s=drain, key=key).run()
    options.write_json(json_path, {"link": link, **verdict.as_result()})
    click.echo(page.proof_text(verdict))
    return verdict.exit_code
