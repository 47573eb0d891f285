"""`warren queue`: each command parses, calls one engine function and prints."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from warren import signals
from warren.errors import EXIT_FAILED, EXIT_OK
from warren.operate import options
from warren.operate.cli import Duration, confirm, json_option, topology_option
from warren.queues import leading, listing, looking, page, work
from warren.queues.choice import REASONS, Choice, header_filters
from warren.queues.origin import WAYS, Way

_BODY_BYTES = 200


@click.group()
def queue() -> None:
    """Look at queues and their messages; move dead letters back; purge; have another node lead."""


@queue.command("list")
@click.argument("pattern", default="*", metavar="[GLOB]")
@topology_option
@click.option(
    "--sort",
    "by",
    envvar="WARREN_QUEUE_LIST_SORT",
    type=click.Choice(listing.ORDERS),
    default="name",
    help="By name, or the greatest first: messages ready, age of the oldest, share of its limit.",
)
@json_option
def list_queues(pattern: str, topology: Path | None, by: listing.Order, json_path: Path | None) -> None:
    """Each queue whose name (or vhost:name) matches GLOB: messages, consumers, members, age of the oldest,
    fill, and where its dead letters go."""
    options.check_writable(json_path)
    context = options.context(topology)
    found = listing.rows(context.management.queues(), listing.ages(context.prometheus), pattern)
    found = listing.ordered(found, by)
    options.write_json(json_path, {"queues": [row.as_result() for row in found]})
    click.echo(page.list_text(found))


@queue.command()
@click.argument("name", metavar="QUEUE")
@topology_option
@click.option("--count", default=1, type=click.IntRange(1, looking.MOST), help="How many messages.")
@click.option(
    "--from",
    "first",
    envvar="WARREN_QUEUE_PEEK_FROM",
    default=1,
    type=click.IntRange(1, 10_000),
    help="The first one's place in the queue.",
)
@click.option(
    "--body-bytes", default=_BODY_BYTES, type=click.IntRange(0, 1_000_000), help="Of each body; 0: none."
)
@click.option(
    "--yes", is_flag=True, help="Do not ask before messages of a classic queue are taken and put back."
)
@json_option
def peek(
    *,
    name: str,
    topology: Path | None,
    count: int,
    first: int,
    body_bytes: int,
    yes: bool,
    json_path: Path | None,
) -> None:
    """Show messages of QUEUE from its head on, without taking any out. A quorum queue is asked as
    `rabbitmq-queues peek` asks it: nothing about its messages changes. A classic queue knows no such
    question; there they are taken and put back, which flags them as redelivered."""
    options.check_writable(json_path)
    found = work.desk(options.context(topology), name)
    if not found.looks_freely and not yes:
        confirm(
            f"{found.title} is a classic queue: its messages are taken, put back in their order, and flagged"
            " as redelivered from then on. Do this?",
            "warren queue peek",
        )
    messages = found.look(first, count, bytes_shown=body_bytes)
    options.write_json(json_path, page.messages_result(messages, first=first, body_bytes=body_bytes))
    click.echo(page.messages_text(messages, now=time.time(), first=first, body_bytes=body_bytes))


def _filters(command: Any) -> Any:
    """The options that say which messages are meant."""
    for option in reversed(
        [
            click.option(
                "--reason",
                "reasons",
                envvar="WARREN_QUEUE_REDRIVE_REASON",
                multiple=True,
                type=click.Choice(REASONS),
                help="Why they died last; may be given several times.",
            ),
            click.option("--died-in", default="", metavar="GLOB", help="The queue in which they died first."),
            click.option("--older-than", type=Duration(), help="Dead for at least this long."),
            click.option("--younger-than", type=Duration(), help="Dead for at most this long."),
            click.option(
                "--header",
                "headers",
                envvar="WARREN_QUEUE_REDRIVE_HEADER",
                multiple=True,
                metavar="NAME=GLOB",
                help="With this header; several: all of them.",
            ),
            click.option("--message-id", default="", metavar="GLOB", help="With this message id."),
        ]
    ):
        command = option(command)
    return command


@queue.command()
@click.argument("name", metavar="QUEUE")
@topology_option
@_filters
@click.option(
    "--to",
    "way",
    envvar="WARREN_QUEUE_REDRIVE_TO",
    type=click.Choice(WAYS),
    default="origin",
    help="origin: by exchange and key where that leads to the queue they died in and no other, else straight "
    "to it; exchange: as published, to every queue bound; queue: straight to the queue they died in first; "
    "last: to the one they died in last.",
)
@click.option(
    "--to-queue", default="", metavar="QUEUE", help="Straight to this queue of the same virtual host."
)
@click.option("--limit", type=click.IntRange(1), help="Move at most so many.")
@click.option(
    "--first",
    "most",
    envvar="WARREN_QUEUE_REDRIVE_FIRST",
    type=click.IntRange(1),
    help="Look at the first so many only.",
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="At most so many a second.")
@click.option("--dry-run", is_flag=True, help="Show what would be moved, and move nothing.")
@click.option("--yes", is_flag=True, help="Do not show it first and ask.")
@json_option
def redrive(
    *, name: str, topology: Path | None, reasons: tuple[str, ...], died_in: str, older_than: float | None,
    younger_than: float | None, headers: tuple[str, ...], message_id: str, way: Way, to_queue: str,
    limit: int | None, most: int | None, rate: float | None, dry_run: bool, yes: bool, json_path: Path | None,
) -> int:  # fmt: skip
    """Move dead letters out of QUEUE, back to where they came from: each is published, confirmed by the
    broker, and only then acked. What cannot be routed stays. Shows first what would be moved, and asks.

    ^C ends it after the message in hand; to go on, run it again. Exit 1 where some that were meant stayed."""
    options.check_writable(json_path)
    choice = Choice(
        reasons=frozenset(reasons), died_in=died_in, older_s=older_than, younger_s=younger_than,
        headers=header_filters(headers), message_id=message_id,
    )  # fmt: skip
    found = work.desk(options.context(topology), name)
    order = found.order(choice, way=way, to_queue=to_queue, limit=limit, rate=rate, most=most)
    if dry_run or not yes:
        surveyed = found.survey(order)
        click.echo(page.survey_text(surveyed, found.title))
        if dry_run:
            options.write_json(json_path, page.survey_result(surveyed))
            return EXIT_OK
        if not surveyed.moving and surveyed.looked == surveyed.waiting:
            return EXIT_OK
        confirm("Do this?", "warren queue redrive")
    with signals.shielded(options.say, "the message in hand") as shield:
        done = found.move(order, stopped=lambda: shield.noted > 0)
        options.write_json(json_path, done.as_result())
        click.echo(page.moved_text(done, found.title))
    if done.error is not None:
        raise done.error
    return EXIT_FAILED if done.stayed else EXIT_OK


@queue.command()
@click.argument("name", metavar="QUEUE")
@topology_option
@click.option("--yes", is_flag=True, help="Remove the messages of a queue that is not empty.")
def purge(name: str, topology: Path | None, yes: bool) -> None:
    """Remove every message of QUEUE that waits, for ever. QUEUE is named exactly; what consumers hold
    stays."""
    found = work.desk(options.context(topology), name)
    click.echo(f"{work.purge(found, agreed=yes):,} messages of {found.title} removed")


@queue.command()
@click.argument("name", metavar="QUEUE")
@click.argument("node", metavar="NODE")
@topology_option
@json_option
def lead(name: str, node: str, topology: Path | None, json_path: Path | None) -> None:
    """Have NODE lead the quorum queue QUEUE. Clients stay connected; what the queue does beside its leader,
    dead-lettering at least once, begins anew there."""
    options.check_writable(json_path)
    found = leading.lead(options.context(topology), name, node)
    options.write_json(json_path, found.as_result())
    click.echo(str(found))
