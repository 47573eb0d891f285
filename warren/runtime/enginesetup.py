"""Installs and starts a container engine on Debian and Ubuntu, and words the commands for those who must do
it by hand.

Facts about the machine come in as a `Host`, so that every case can be tested without it.
"""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from warren.console import Say
from warren.errors import NotReadyError
from warren.process import Runner, check
from warren.runtime.debian import candidate, fetch_one, find_mirror, open_suite

#: The first Debian release whose Compose is v2; its package also runs with the engine of the release before.
COMPOSE_SUITE = "trixie"
_INSTALL_S = 600.0
_APT_REMEDY = "see what apt says: apt-get update && apt-get install docker.io iptables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What matters about this machine and user. ``clients`` are Docker clients in the order to try;
    ``remote`` says that the user pointed the client at another engine; ``root`` is where / is (for tests)."""

    uid: int
    user: str
    distribution: str
    codename: str
    service_manager: bool
    has_daemon: bool
    clients: tuple[str, ...]
    remote: bool
    needs_apparmor: bool
    plugin_folder: Path
    root: Path = Path("/")

    @property
    def has_apt(self) -> bool:
        return self.distribution in {"debian", "ubuntu"}

    @property
    def may_install(self) -> bool:
        return self.uid == 0 and self.has_apt


class Spawn(Protocol):
    """Starts a program that outlives us."""

    def __call__(self, argv: Sequence[str], *, log: Path) -> None: ...


def this_host() -> Host:
    """The machine that this runs on."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    uid = os.geteuid()
    found = [path for path in (shutil.which("docker"), "/usr/bin/docker") if path and Path(path).exists()]
    apparmor = Path("/sys/module/apparmor/parameters/enabled")
    enabled = apparmor.exists() and apparmor.read_text().startswith("Y")
    home = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    return Host(
        uid=uid,
        user=_user_name(uid),
        distribution=release.get("ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        service_manager=Path("/run/systemd/system").is_dir(),
        has_daemon=_which("dockerd") is not None,
        clients=tuple(dict.fromkeys(found)),
        remote=bool(os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")),
        needs_apparmor=enabled and _which("apparmor_parser") is None,
        plugin_folder=Path("/usr/local/lib/docker/cli-plugins") if uid == 0 else home / "cli-plugins",
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _which(program: str) -> str | None:
    """Where ``program`` is; system folders are searched even when a user's PATH leaves them out."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


# What to type


def install_commands(host: Host) -> str:
    """The commands that install an engine; one a line."""
    if not host.has_apt:
        return "install Docker Engine and its Compose plugin (v2) as this system's documentation says"
    sudo = "" if host.uid == 0 else "sudo "
    lines = [
        f"{sudo}apt-get update",
        f"{sudo}apt-get install --no-install-recommends {' '.join(_engine_packages(host))}",
    ]
    if not host.service_manager:
        lines.append(_start_by_hand(host))
    return "\n".join(lines if host.uid == 0 else [*lines, *_group_commands(host)])


def start_commands(host: Host) -> str:
    """The commands that start the daemon."""
    if host.service_manager:
        return ("" if host.uid == 0 else "sudo ") + "systemctl start docker"
    return _start_by_hand(host)


def right_commands(host: Host) -> str:
    """The commands that give a user the right to use the engine."""
    return "\n".join(_group_commands(host))


def compose_commands(host: Host) -> str:
    """The commands that install Compose v2."""
    sudo = "" if host.uid == 0 else "sudo "
    package = "docker-compose-v2" if host.distribution == "ubuntu" else "docker-compose"
    if not host.has_apt:
        return "install Docker's Compose plugin (v2) as this system's documentation says"
    if host.codename == "bookworm":
        folder = host.plugin_folder
        return (
            f"put the program of Debian {COMPOSE_SUITE}'s package docker-compose into {folder}\n"
            f"(make cluster-up does this by itself where the machine's package mirror answers)"
        )
    return f"{sudo}apt-get install --no-install-recommends {package}"


def _group_commands(host: Host) -> list[str]:
    return [f"sudo usermod --append --groups docker {host.user}", "newgrp docker   # or log in again"]


def _start_by_hand(host: Host) -> str:
    start = "setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null &"
    return start if host.uid == 0 else f"sudo sh -c '{start}'"


def _engine_packages(host: Host) -> list[str]:
    """Since Debian 13 the client is a package of its own, which docker.io merely recommends."""
    split = host.distribution == "debian" and host.codename not in {"bullseye", "bookworm"}
    client = ["docker-cli"] if split else []
    return ["docker.io", *client, "iptables", *(["apparmor"] if host.needs_apparmor else [])]


# Doing it


def install_engine(host: Host, *, run: Runner, say: Say) -> None:
    """Install the engine from the distribution's packages; says so first. Raises NotReadyError with apt's
    reason."""
    packages = _engine_packages(host)
    say(f"no container engine here: installing {', '.join(packages)} with apt-get (about 60 MB to fetch)")
    began = time.monotonic()
    _apt(run, "update")
    _apt(run, "install", "--yes", "--no-install-recommends", *packages)
    say(f"installed {', '.join(packages)} ({time.monotonic() - began:.0f} s)")


def install_compose(host: Host, *, run: Runner, say: Say) -> None:
    """Install Compose v2: the distribution's package where it is v2 and we are root, else the plugin
    alone."""
    package = "docker-compose-v2" if host.distribution == "ubuntu" else "docker-compose"
    version = candidate(package, run=run)
    if version is None and host.may_install:
        _apt(run, "update")
        version = candidate(package, run=run)
    if host.may_install and version is not None and _major(version) >= 2:  # noqa: PLR2004
        say(f"Docker Compose v2 is missing: installing {package} {version} with apt-get")
        _apt(run, "install", "--yes", "--no-install-recommends", package)
        return
    if host.distribution != "debian":
        raise NotReadyError("container engine", "Docker Compose v2 is missing", compose_commands(host))
    _fetch_compose(host, run=run, say=say)


def _fetch_compose(host: Host, *, run: Runner, say: Say) -> None:
    target = host.plugin_folder / "docker-compose"
    say(f"Docker Compose v2 is missing: fetching {COMPOSE_SUITE}'s (signature checked) into {target}")
    mirror = os.environ.get("WARREN_DEBIAN_MIRROR") or find_mirror(run=run, codename=host.codename)
    with tempfile.TemporaryDirectory(prefix="warren-compose-") as folder:
        suite = open_suite(name=COMPOSE_SUITE, mirror=mirror, folder=Path(folder) / "apt", run=run)
        package = fetch_one(suite, "docker-compose", run=run)
        unpacked = Path(folder) / "unpacked"
        check(run(["dpkg-deb", "--extract", str(package), str(unpacked)], timeout_s=60))
        program = unpacked / "usr/libexec/docker/cli-plugins/docker-compose"
        host.plugin_folder.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(".docker-compose.draft")
        shutil.copyfile(program, draft)
        draft.chmod(0o755)
        draft.replace(target)


def _major(version: str) -> int:
    digits = version.rpartition(":")[2].partition(".")[0]
    return int(digits) if digits.isdigit() else 0


def _apt(run: Runner, *words: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    argv = ["apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0", *words]
    check(run(argv, timeout_s=_INSTALL_S, env=env), _APT_REMEDY)


def log_path(host: Host) -> Path:
    """Where the output of a daemon goes that is started by hand."""
    return host.root / "var/log/dockerd.log"


def log_command(host: Host) -> str:
    """What to type to read why the daemon does not come up."""
    if host.service_manager:
        return "journalctl --unit docker --lines 30"
    return f"tail -n 30 {log_path(host)}"


def start_daemon(host: Host, *, run: Runner, say: Say, spawn: Spawn) -> bool:
    """Start the daemon without waiting for it; returns False where one lives already and was left alone.

    A daemon that was killed leaves process ids on disk, and such an id may since belong to another process:
    dockerd would then refuse to start, or wait for a containerd that is none. Only the files of ids that are
    not the program's any more are removed.
    """
    if host.service_manager:
        say("starting the container engine: systemctl start docker")
        check(run(["systemctl", "start", "docker"], timeout_s=90), f"read why: {log_command(host)}")
        return True
    if daemon_lives(host):
        say("a container engine is running and does not answer yet: waiting for it")
        return False
    for name, program in (
        ("run/docker/containerd/containerd.pid", "containerd"),
        ("run/docker.pid", "dockerd"),
    ):
        pid_file = host.root / name
        if pid_file.exists() and not _lives(pid_file, program, host.root):
            say(f"removing {pid_file}, which a killed {program} left behind")
            pid_file.unlink()
    log = log_path(host)
    say(f"no service manager here: starting dockerd by hand (it goes on afterwards; its log: {log})")
    spawn(["dockerd"], log=log)
    return True


def daemon_lives(host: Host) -> bool:
    """Whether a dockerd that was started by hand is running, whether or not it answers."""
    return _lives(host.root / "run/docker.pid", "dockerd", host.root)


def _lives(pid_file: Path, program: str, root: Path) -> bool:
    """Whether the process of ``pid_file`` is ``program`` and runs; one that was killed stays listed as a
    zombie until its parent collects it (proc(5), status)."""
    try:
        status = (root / f"proc/{int(pid_file.read_text())}/status").read_text()
    except (OSError, ValueError):
        return False
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return fields.get("Name", "").strip() == program and not fields.get("State", "").strip().startswith("Z")


def spawn_detached(argv: Sequence[str], *, log: Path) -> None:
    """The real `Spawn`: a session of its own, output appended to ``log``."""
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
    with log.open("ab") as output:
        subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )


def last_line(log: Path) -> str:
    """The last line of a log, "" where there is none to be read."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
