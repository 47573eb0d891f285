"""`warren topology`: each command parses, calls one engine function and prints."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from warren import checkout, committed
from warren.assertions.verify import check_waivers
from warren.drift import page as drift_page
from warren.drift.looking import look
from warren.drift.model import DriftKind
from warren.errors import EXIT_FAILED, EXIT_OK, BadInputError, RefusedError
from warren.importing import engine as importing
from warren.importing import notes as import_notes
from warren.importing import rows as export_rows
from warren.kubernetes import secrets as kubernetes_secret
from warren.kubernetes import writing as kubernetes
from warren.kubernetes.place import MONITORING_NAMESPACE, Place
from warren.kubernetes.yaml_text import dump
from warren.objects import planning
from warren.objects.writing import command_for
from warren.operate import options
from warren.operate.cli import confirm, json_option
from warren.topology_reader import load

topology_option = click.option(
    "--topology",
    "path",
    envvar="WARREN_TOPOLOGY",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Topology file (default: deploy/topology.yml).",
)

namespace_option = click.option(
    "--namespace", metavar="NAME", help="Namespace of the Kubernetes resources (default: the cluster's name)."
)
monitoring_option = click.option(
    "--monitoring-namespace",
    "monitoring",
    envvar="WARREN_TOPOLOGY_RENDER_MONITORING_NAMESPACE",
    metavar="NAME",
    help="With --kubernetes: the namespace of Prometheus, which may scrape (default: monitoring).",
)


@click.group()
def topology() -> None:
    """Check, render, plan and apply deploy/topology.yml."""


@topology.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def check(file: Path | None) -> None:
    """Read FILE (default: deploy/topology.yml) and name every fault in it. Needs no cluster."""
    path = checkout.topology(file)
    found = load(path)
    check_waivers(found, name=str(path))
    click.echo(f"{path}: no faults; {planning.summary(found)}")


@topology.command()
@topology_option
@click.option(
    "--check",
    "only_check",
    envvar="WARREN_TOPOLOGY_RENDER_CHECK",
    is_flag=True,
    help="Write nothing; exit 1 where a file differs.",
)
@click.option(
    "--kubernetes",
    "folder",
    envvar="WARREN_TOPOLOGY_RENDER_KUBERNETES",
    is_flag=False,
    flag_value="kubernetes",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="[DIRECTORY]",
    help="Write the resources for RabbitMQ's operators there instead (default: kubernetes, in this folder), "
    "as kustomize. Needs no cluster.",
)
@namespace_option
@monitoring_option
def render(
    path: Path | None, only_check: bool, folder: Path | None, namespace: str | None, monitoring: str | None
) -> int:
    """Write the committed files that follow from the topology."""
    for option, given in (("--namespace", namespace), ("--monitoring-namespace", monitoring)):
        if given and folder is None:
            raise BadInputError(
                option, "is of Kubernetes' resources alone", "give --kubernetes DIRECTORY too"
            )
    source = checkout.topology(path)
    found = load(source)
    again = "warren topology render"
    if folder is None:
        changed = committed.write(found, checkout.ROOT, only_check=only_check)
    else:
        place = Place(
            topology=found,
            namespace=namespace or found.cluster,
            monitoring=monitoring or MONITORING_NAMESPACE,
        )
        changed, notes = kubernetes.render_into(folder, place, source, only_check=only_check)
        again += f" --kubernetes {folder} --namespace {place.namespace}"
        for note in notes:
            options.say(f"note: {note}")
    return _tell_rendered(changed, again, only_check=only_check)


def _tell_rendered(changed: list[Path], again: str, *, only_check: bool) -> int:
    verb = "differs from the topology" if only_check else "written"
    for name in changed:
        click.echo(f"{name}: {verb}")
    if not changed:
        click.echo("the generated files are up to date")
    elif only_check:
        click.echo(f"write them with: {again}")
    return EXIT_FAILED if changed and only_check else EXIT_OK


@topology.command("kubernetes-secrets")
@topology_option
@namespace_option
def kubernetes_secrets(path: Path | None, namespace: str | None) -> None:
    """Print the secrets that the rendered resources name, made from the state folder, for
    `kubectl apply --server-side -f -`. Refuses to print them to a terminal."""
    if sys.stdout.isatty():
        what = "would show passwords and keys on this terminal"
        remedy = "pipe it: warren topology kubernetes-secrets | kubectl apply --server-side -f -"
        raise RefusedError("warren topology kubernetes-secrets", what, remedy)
    context = options.context(path)
    place = Place(topology=context.topology, namespace=namespace or context.topology.cluster)
    click.echo(dump(kubernetes_secret.documents(place, context.secrets, context.pki)), nl=False)


@topology.command()
@topology_option
@json_option
def plan(path: Path | None, json_path: Path | None) -> None:
    """Show what `apply` would do to the running cluster. Changes nothing."""
    options.check_writable(json_path)
    found = planning.current_plan(options.context(path))
    options.write_json(json_path, found.as_result())
    click.echo(planning.text(found))


@topology.command()
@topology_option
@click.option("--user", default="", help="Look as this user of the topology (default: the operator).")
@click.option(
    "--kind",
    "kinds",
    envvar="WARREN_TOPOLOGY_DIFF_KIND",
    multiple=True,
    type=click.Choice([kind.value for kind in DriftKind]),
    metavar="KIND",
    help="Compare this kind only; may be given several times.",
)
@json_option
def diff(path: Path | None, user: str, kinds: tuple[str, ...], json_path: Path | None) -> int:
    """What differs between the topology and the running cluster, by kind: objects, rights, members, settings,
    listeners, feature flags, deprecated features. For a watch or a pipeline: exit 1 where anything differs,
    4 where nothing does and the user may not read every kind. Changes nothing."""
    options.check_writable(json_path)
    report = look(options.context(path), user=user, kinds=[DriftKind(kind) for kind in kinds])
    options.write_json(json_path, report.as_result())
    click.echo(drift_page.text(report))
    return report.exit_code


@topology.command()
@topology_option
@click.option("--prune", is_flag=True, help="Also remove what the topology does not have, if nobody uses it.")
@click.option(
    "--recreate", is_flag=True, help="Also delete and declare anew what cannot be changed, if it is empty."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def apply(path: Path | None, prune: bool, recreate: bool, yes: bool, json_path: Path | None) -> int:
    """Make the running cluster's objects those of the topology. Exit 1 when differences are left."""
    options.check_writable(json_path)
    context = options.context(path)
    found = planning.current_plan(context)
    click.echo(planning.text(found))
    if found and not yes:
        confirm("Do this?", "warren topology apply")
    agreed = None if yes else found
    applied = planning.apply_now(context, prune=prune, recreate=recreate, agreed=agreed)
    left = planning.left_text([step.line for step in applied.left], command_for(applied.left))
    click.echo(f"{len(applied.done)} steps done" + (f"\n{left}" if left else ""))
    options.write_json(json_path, applied.as_result())
    return EXIT_FAILED if applied.left else EXIT_OK


@topology.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the topology there, to a new file (default: print it).",
)
@click.option("--name", default="imported", help="The cluster's name.")
@click.option(
    "--like",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The topology whose nodes, ports, images, monitoring and own accounts are taken (default: "
    "deploy/topology.yml).",
)
@click.option("--vhost", default="", help="The virtual host of an export of one, which does not name it.")
@json_option
def import_definitions(
    *, file: Path, output: Path | None, name: str, like: Path | None, vhost: str, json_path: Path | None
) -> None:
    """Make a topology of FILE: what `rabbitmqctl export_definitions` or /api/definitions gave, of RabbitMQ
    3.8 to 4.3.

    Whatever a topology cannot say is told by name and place. Passwords are not taken over."""
    options.check_writable(json_path)
    export = export_rows.read_file(file, vhost=vhost)
    base = importing.like(checkout.topology(like))
    found = importing.bring_in(export, base, cluster=name)
    options.say(import_notes.text(found.notes))
    options.write_json(json_path, found.as_result())
    if output is None:
        click.echo(found.text, nl=False)
        return
    importing.write(output, found.text)
    click.echo(f"{output}: no faults; {planning.summary(found.topology)}")
