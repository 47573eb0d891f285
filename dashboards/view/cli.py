"""The preview's command: parse, call the engine, print."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from dashboards.view.config import load_config
from dashboards.view.probe import probe as probe_engine
from dashboards.view.server import serve
from warren.errors import EXIT_OK, WarrenError


@click.command(name="view")
@click.option(
    "--config",
    "path",
    envvar="WARREN_DASHBOARDS_VIEW_CONFIG",
    type=click.Path(path_type=Path),
    required=True,
    help="JSON configuration file.",
)
@click.option("--probe", is_flag=True, help="Only ask whether the preview is up: exit 0, or 3.")
def view(path: Path, probe: bool) -> None:
    """Serve a preview of the dashboards' Grafana JSON, drawn from Prometheus without Grafana."""
    config = load_config(path)
    if probe:
        probe_engine(config)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(config, stop=stop, on_ready=lambda url: click.echo(f"preview of the dashboards: {url}"))


def main() -> None:
    """Run the command as a process of its own, errors as message and exit code."""
    try:
        view.main(standalone_mode=False)
    except WarrenError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    sys.exit(EXIT_OK)
