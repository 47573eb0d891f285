"""`warren load`: each command parses, calls one engine function and prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from loadgen import composite, launch, parts, progress, resolve, scenario, summary, together
from loadgen import foreign as elsewhere
from loadgen.page import page_writer
from loadgen.selftest.cli import selftest
from loadgen.settings import read_settings
from loadgen.studies.cli import STUDIES
from warren.connection import Credentials
from warren.errors import BadInputError
from warren.operate import options
from warren.operate.cli import Duration, NamedByFlag, json_option, topology_option
from warren.results import LoadResult, write_result


@click.group()
def load() -> None:
    """Run load and prove that nothing confirmed was lost."""


load.add_command(selftest)
for study in STUDIES:
    load.add_command(study)


@load.command("list")
@click.argument("profile", required=False)
def list_profiles(profile: str | None) -> None:
    """The profiles that there are, or all that PROFILE says."""
    if profile in composite.names():
        click.echo(summary.composite(composite.load(profile)))
        return
    if profile is not None:
        click.echo(summary.profile(scenario.load(profile)))
        return
    found = {name: scenario.load(name).description for name in scenario.names()}
    found |= {name: composite.load(name).description for name in composite.names()}
    width = max(map(len, found))
    for name, description in found.items():
        click.echo(f"{name:<{width}}  {description}")


@load.command()
@click.argument("profile")
@click.option("--rate", metavar="N|max", help="Messages per second, all publishers together.")
@click.option("--duration", type=Duration(), help="How long to publish: 30s, 2m, 1h.")
@click.option("--size", type=click.IntRange(min=12), help="Bytes of a message's body.")
@click.option(
    "--processes", type=click.IntRange(1, 64), help="Publishers and workers of each role, so many each."
)
@click.option("--publishers", type=click.IntRange(1, 64), help="Publisher processes of each role.")
@click.option("--consumers", type=click.IntRange(1, 64), help="Worker processes of each role.")
@click.option("--prefetch", type=click.IntRange(1, 65535), help="Unacknowledged messages a worker may hold.")
@click.option("--window", type=click.IntRange(min=1), help="Unconfirmed messages a publisher may have.")
@click.option(
    "--set",
    "settings",
    cls=NamedByFlag,
    multiple=True,
    metavar="KEY=VALUE",
    help="Override any key of the profile.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which messages fail, and how often.")
@click.option("--purge", is_flag=True, help="Throw away what the profile's queues hold before it starts.")
@click.option("--part", metavar="N/OF", help="Run part N of a run; warren load merge judges all of them.")
@click.option("--run-name", metavar="NAME", help="With --part: the run's name, the same for all parts.")
@click.option("--start-at", metavar="TIME", help="With --part: when all parts begin, 2026-03-01T12:00:00Z.")
@click.option("--keep-objects", is_flag=True, help="Leave what the profile declares for itself.")
@click.option(
    "--beside",
    is_flag=True,
    help="Other runs last meanwhile: do not hold the broker's own counts, which are of all, against it.",
)
@click.option(
    "--held",
    is_flag=True,
    help="Connect, and begin to publish only when standard input ends: several runs can so begin at once.",
)
@click.option("--attach", metavar="NODE,…", help="Connect to these nodes, to others when these are lost.")
@json_option
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@click.option("--events", is_flag=True, help="Progress as lines of JSON on standard output, for a program.")
@topology_option
@click.option("--url", help="Another cluster: amqps://host:port,… The load then runs on this machine.")
@click.option("--user", help="With --url: the account that all roles use.")
@click.option("--password-file", type=click.Path(path_type=Path, dir_okay=False), help="With --url.")
@click.option("--ca-file", type=click.Path(path_type=Path, dir_okay=False), help="With --url amqps://.")
@click.option("--vhost", help="With --url: instead of the profile's.")
def run(profile: str, **given: Any) -> int:
    """Run PROFILE and judge it. Exit code: 0 passed, 1 failed, 4 inconclusive, 130 interrupted."""
    options.check_writable(given["json_path"])
    elsewhere.check_options(given)
    context = options.context(given["topology"])
    view = progress.view(
        Console(stderr=True),
        title=f"load {profile}",
        quiet=given["quiet"],
        tell=click.echo if given["events"] else None,
    )
    if profile in composite.names():
        return _tell(
            *together.run_together(context, _asked(profile, given), view=view, report=page_writer()), given
        )
    order = launch.Order(
        scenario=scenario.load(profile, overrides(profile, given)),
        purge=given["purge"],
        keep_objects=given["keep_objects"],
        seed=given["seed"],
        part=parts.parse(given["part"], given["run_name"], given["start_at"]),
        beside=given["beside"],
        held=given["held"],
        attach=tuple(given["attach"].split(",")) if given["attach"] else (),
    )
    if given["url"] and order.attach:
        raise BadInputError("--attach", "names nodes of the topology", "with --url name the hosts there")
    if given["url"] and order.held:
        raise BadInputError("--held", "is for Warren's own cluster", "with --url say --part and --start-at")
    if given["url"]:
        resolved = resolve.resolve(order.scenario, context.topology, foreign=True)
        result, folder = launch.run_here(
            order, resolved, _foreign(given), runs=context.state.runs, view=view, report=page_writer()
        )
    else:
        result, folder = launch.run_in_lab(context, order, view=view, report=page_writer())
    return _tell(result, folder, given)


def _tell(result: LoadResult, folder: Path, given: dict[str, Any]) -> int:
    if given["json_path"]:
        write_result(result, given["json_path"])
    click.echo(summary.text(result))
    click.echo(f"result     {folder / 'result.json'}\nreport     {folder / 'report.html'}")
    return result.exit_code


def _asked(name: str, given: dict[str, Any]) -> together.Asked:
    """The options that fit several profiles at once. Raises BadInputError for the others."""
    alone = ("size", "processes", "publishers", "consumers", "prefetch", "window", "part", "url")
    for option in (*alone, "beside", "held", "attach"):
        if given[option] not in (None, False):
            what = f"does not fit {name}, which is several profiles at once"
            raise BadInputError(f"--{option}", what, "say --set PART.KEY=VALUE for one of them")
    if given["rate"] is not None and not _is_number(given["rate"]):
        raise BadInputError("--rate", f"{given['rate']!r} is no rate", "give that of all parts together")
    day = composite.load(
        name,
        rate_per_s=None if given["rate"] is None else float(given["rate"]),
        duration_s=given["duration"],
        settings=read_settings(given["settings"]),
    )
    return together.Asked(
        day=day, seed=given["seed"], purge=given["purge"], keep_objects=given["keep_objects"]
    )


def _is_number(text: str) -> bool:
    try:
        return 0 < float(text) < 1e6  # noqa: PLR2004 - the greatest rate of a profile
    except ValueError:
        return False


def overrides(profile: str, given: dict[str, Any]) -> dict[str, str]:
    """The command's options as key paths of the profile; ``--set`` comes last and wins."""
    base = scenario.load(profile)
    found = {
        key: str(given[option])
        for option, key in (
            ("rate", "rate"),
            ("duration", "duration"),
            ("size", "size_bytes"),
            ("window", "window"),
        )
        if given.get(option) is not None
    }
    processes = given.get("processes")
    if publishers := given.get("publishers") or processes:
        found |= {f"publishers.{role.name}.count": str(publishers) for role in base.publishers}
    for option, key in (("consumers", "count"), ("prefetch", "prefetch")):
        if value := given.get(option) or (processes if option == "consumers" else None):
            places = [f"consumers.{role.name}" for role in base.consumers if role.does == "work"]
            places += [f"relays.{role.name}" for role in base.relays]
            found |= {f"{place}.{key}": str(value) for place in places}
    return found | read_settings(given.get("settings", ()))


def _foreign(given: dict[str, Any]) -> launch.Foreign:
    elsewhere.places(given["url"])
    if not given["user"]:
        raise BadInputError(
            "--url", "needs an account", "give --user, and --password-file or type the password"
        )
    if given["password_file"]:
        password = Credentials.from_file(given["user"], given["password_file"]).password
    elif sys.stdin.isatty():
        password = click.prompt(f"password of {given['user']}", hide_input=True, err=True)
    else:
        raise BadInputError("--url", "needs a password", "give --password-file")
    return elsewhere.foreign(
        given["url"], user=given["user"], password=password, vhost=given["vhost"], ca_file=given["ca_file"]
    )
