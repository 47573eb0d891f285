"""`warren load merge|compare|sweep|record`: each command parses, calls one engine function and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loadgen import compare, foreign, launch, measured, merge, parts, record, runs, summary, sweep, sweeping
from loadgen.page import page_writer, sweep_page
from warren.connection import Credentials
from warren.errors import EXIT_OK, BadInputError
from warren.management import ManagementClient
from warren.operate import options
from warren.operate.cli import Duration, NamedByFlag, json_option, topology_option
from warren.results import read_result, write_result
from warren.wait import Clock


@click.command("merge")
@click.argument("parts_given", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the joined run; by default one of the run's name beside the parts.",
)
@json_option
@topology_option
def merge_parts(
    parts_given: tuple[str, ...], out: Path | None, json_path: Path | None, topology: Path | None
) -> int:
    """Judge the parts of a run together: folders, run ids, or a pattern of them. Exit code as of load run."""
    options.check_writable(json_path)
    known = options.context(topology).state.runs
    folders = [
        folder for given in parts_given for folder in runs.folders(given, known, holding=measured.FILE)
    ]
    where = out or known / parts.whole_name(folders[0].name)
    result = merge.merge(folders, where)
    write_result(result, where / runs.RESULT)
    page_writer()(result, where)
    if json_path:
        write_result(result, json_path)
    click.echo(summary.text(result))
    click.echo(f"result     {where / runs.RESULT}\nreport     {where / 'report.html'}")
    return result.exit_code


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option(
    "--fail-if",
    "fail_if",
    cls=NamedByFlag,
    multiple=True,
    metavar="EXPRESSION",
    help="A change of B beside A that fails: 'p99_end_to_end_s > +10%', 'lost > +0'.",
)
@json_option
@topology_option
def compare_runs(
    a: str, b: str, fail_if: tuple[str, ...], json_path: Path | None, topology: Path | None
) -> int:
    """Compare run B with run A: result files, run ids, patterns, folders, or several with commas between.

    Exit code 1 when a --fail-if holds.
    """
    options.check_writable(json_path)
    known = options.context(topology).state.runs
    sides = [[read_result(path) for path in runs.results(given, known)] for given in (a, b)]
    found = compare.compare(*sides, fail_if=fail_if)
    options.write_json(json_path, found.to_dict())
    click.echo(compare.text(found))
    return found.exit_code


@click.command("sweep")
@click.argument("profile")
@click.option(
    "--from",
    "start",
    cls=NamedByFlag,
    type=click.FloatRange(min=1),
    help="First rate; by default the profile's.",
)
@click.option("--duration", type=Duration(), help="How long each run publishes; by default 15s.")
@click.option(
    "--precision", default=0.05, show_default=True, type=click.FloatRange(0.005, 0.5), help="How close."
)
@click.option(
    "--threshold",
    "thresholds",
    cls=NamedByFlag,
    multiple=True,
    metavar="EXPRESSION",
    help="Beside the profile's own: 'p99_end_to_end_s < 0.2'.",
)
@click.option(
    "--set",
    "settings",
    cls=NamedByFlag,
    multiple=True,
    metavar="KEY=VALUE",
    help="Override any key of the profile.",
)
@click.option("--purge", is_flag=True, help="Throw away what the profile's queues hold before it starts.")
@click.option("--url", help="Another cluster: amqps://host:port,… The load then runs on this machine.")
@click.option("--user", help="With --url: the account that all roles use.")
@click.option("--password-file", type=click.Path(path_type=Path, dir_okay=False), help="With --url.")
@click.option("--ca-file", type=click.Path(path_type=Path, dir_okay=False), help="With --url amqps://.")
@click.option("--vhost", help="With --url: instead of the profile's.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Where the page goes.")
@json_option
@topology_option
def sweep_profile(profile: str, json_path: Path | None, topology: Path | None, **given: Any) -> int:
    """Find the highest rate at which PROFILE passes, then measure from 1 % to 105 % of it. Takes minutes.

    Exit code: 0 found, 1 messages were lost, 4 no rate passed or not steadily, 130 interrupted.
    """
    options.check_writable(json_path)
    foreign.check_options(given)
    context = options.context(topology)
    asked = sweeping.asked(
        profile, settings=given["settings"], thresholds=given["thresholds"], duration_s=given["duration"]
    )
    plan = sweep.Plan(start_per_s=given["start"] or asked.start_per_s, precision=given["precision"])
    if given["url"]:
        attempt = sweeping.elsewhere(context, asked, _broker(given))
    else:
        attempt = sweeping.in_lab(context, asked, purge=given["purge"])
    found = sweep.Sweeper(plan, attempt, _tell).run(profile)
    options.write_json(json_path, found.to_dict())
    page = sweep_page(found.to_dict(), given["html"] or sweeping.page_path(context.state.runs, profile))
    click.echo(sweep.text(found))
    click.echo(f"page       {page}")
    return found.exit_code


def _tell(what: str, trial: sweep.Trial) -> None:
    state = "passed" if trial.passed else f"did not pass: {trial.why}"
    options.say(f"  {what}: {trial.rate_per_s:.0f}/s {state}")


@click.command("record")
@click.argument("queues", metavar="QUEUE...", nargs=-1, required=True)
@click.option("--vhost", required=True, help="Where the queues are.")
@click.option("--for", "for_s", cls=NamedByFlag, type=Duration(), required=True, help="How long: 1h, 7m.")
@click.option(
    "--every",
    "every_s",
    cls=NamedByFlag,
    type=Duration(),
    default="10s",
    show_default=True,
    help="At least 5s.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="CSV file to make."
)
@click.option("--url", help="Another cluster's management API: https://host:15671,…")
@click.option("--user", help="With --url: an account with the tag monitoring.")
@click.option("--password-file", type=click.Path(path_type=Path, dir_okay=False), help="With --url.")
@click.option("--ca-file", type=click.Path(path_type=Path, dir_okay=False), help="With --url.")
@topology_option
def record_queues(queues: tuple[str, ...], out: Path, topology: Path | None, **given: Any) -> int:
    """Sample how fast messages come to QUEUEs, as a curve that a profile's replay phase follows."""
    foreign.check_options(given, only_there=("user", "password_file", "ca_file"))
    if given["every_s"] < record.SHORTEST_S:
        raise BadInputError("--every", f"{given['every_s']:g} s is shorter than the broker's own 5 s")
    client = _management(given) if given["url"] else options.context(topology).management
    read = record.reader(client, given["vhost"], queues)
    rows = record.rows(read, for_s=given["for_s"], every_s=given["every_s"], clock=Clock(), note=options.say)
    count = record.write(rows, out, say=lambda t_s, rate: options.say(f"  {t_s:8.1f} s  {rate:.1f}/s"))
    click.echo(f"{count} rows in {out}; in a profile: phases: [{{replay: {out}}}]")
    return EXIT_OK


def _broker(given: dict[str, Any]) -> launch.Foreign:
    account = _account(given)
    return foreign.foreign(
        given["url"],
        user=account.username,
        password=account.password,
        vhost=given["vhost"],
        ca_file=given["ca_file"],
    )


def _management(given: dict[str, Any]) -> ManagementClient:
    account = _account(given)
    return record.foreign(
        given["url"], user=account.username, password=account.password, ca_file=given["ca_file"]
    )


def _account(given: dict[str, Any]) -> Credentials:
    """Hours may lie between the start and the first use: nobody is asked for a password."""
    if not given["user"] or not given["password_file"]:
        raise BadInputError("--url", "needs an account", "give --user and --password-file")
    return Credentials.from_file(given["user"], given["password_file"])


STUDIES = (merge_parts, compare_runs, sweep_profile, record_queues)
