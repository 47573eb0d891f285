"""`warren hosts`: each command parses, calls one engine function and prints."""

from __future__ import annotations

from pathlib import Path

import click

from warren.context import Context, open_context
from warren.errors import EXIT_NOT_READY, EXIT_OK
from warren.hosts import upkeep
from warren.hosts.place import of_hosts
from warren.operate.cli import topology_only_option as topology_option
from warren.operate.options import say


@click.group()
def hosts() -> None:
    """Test hosts: Debian with systemd and sshd, a container each, to provision and to break."""


def _context(topology: Path | None) -> Context:
    return open_context(say, topology_path=topology, named=of_hosts)


@hosts.command()
@topology_option
def up(topology: Path | None) -> None:
    """Have a host for each node running, and an inventory of them for Ansible. Safe to repeat."""
    context = _context(topology)
    report = upkeep.up(context)
    for place in report.places:
        click.echo(f"{place.name}  {place.address}  {'made' if place.name in report.made else 'was there'}")
    click.echo(
        f"{len(report.places)} hosts after {report.seconds:.0f} s; their inventory: {report.inventory}"
    )
    click.echo(f"to provision them: cd ansible && ansible-playbook -i {report.inventory} site.yml")


@hosts.command()
@topology_option
def down(topology: Path | None) -> None:
    """Remove the hosts with all that is on them. Secrets and certificates are kept."""
    context = _context(topology)
    gone = upkeep.down(context)
    click.echo(
        f"removed: {', '.join(gone)}" if gone else f"cluster '{context.topology.cluster}' has no hosts"
    )


@hosts.command("status")
@topology_option
def show_status(topology: Path | None) -> int:
    """Each host: its container, and what systemd says. Exit code 3 when not all of them run."""
    found = upkeep.status(_context(topology))
    for each in found:
        click.echo(f"{each.place.name}  {each.place.address}  {each.container}  {each.system}".rstrip())
    return EXIT_OK if all(each.system == "running" for each in found) else EXIT_NOT_READY
