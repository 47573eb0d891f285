"""Fetches Debian packages of any suite, checked by signature, without touching the machine's own package
sources.

apt is given a source list, cache and status of its own, so this needs no right beyond reading apt's
configuration. The mirror is the one that the machine itself is configured for (``apt-get indextargets``,
see its manual page); proxies and credentials of the machine's configuration stay in force.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warren.errors import NotReadyError
from warren.process import Runner, check

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_TARGET_FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
_NO_MIRROR_REMEDY = """\
name a Debian mirror of yours: export WARREN_DEBIAN_MIRROR=…
or let the container engine reach a registry, so that nothing has to be built"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One Debian suite as apt sees it from ``folder``, where its lists and packages are kept."""

    name: str
    mirror: str
    folder: Path

    @property
    def archives(self) -> Path:
        """Where fetched packages lie."""
        return self.folder / "cache" / "archives"

    def options(self) -> list[str]:
        """apt's options that replace the machine's sources, cache and status by this suite's own."""
        settings = {
            "Dir::Etc::SourceList": str(self.folder / "sources.list"),
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": str(self.folder),
            "Dir::State::Lists": str(self.folder / "lists"),
            "Dir::State::Status": str(self.folder / "status"),
            "Dir::Cache": str(self.folder / "cache"),
            "APT::Sandbox::User": "",
            "APT::Install-Recommends": "false",
            "APT::Update::Post-Invoke": "",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
            "Debug::NoLocking": "true",
            "DPkg::Post-Invoke": "",
        }
        return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def find_mirror(*, run: Runner, codename: str) -> str:
    """The address of the Debian mirror in the machine's apt configuration, for the release ``codename``.

    Raises NotReadyError where the machine names none (another distribution, apt absent).
    """
    done = check(
        run(["apt-get", "indextargets", "--format", _TARGET_FORMAT, "Created-By: Packages"], timeout_s=20),
        _NO_MIRROR_REMEDY,
    )
    rows = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 3]  # noqa: PLR2004
    mains = [
        row for row in rows if row[1] in {codename, "stable", "testing", "unstable"} and row[2] == "main"
    ]
    for uri, _, _, origin in sorted(mains, key=lambda row: row[3] != "Debian"):
        if origin == "Debian" or origin.startswith(
            "$("
        ):  # before the first update the origin is not known yet
            return uri
    raise NotReadyError("apt", "no Debian mirror in this machine's package sources", _NO_MIRROR_REMEDY)


def open_suite(*, name: str, mirror: str, folder: Path, run: Runner) -> Suite:
    """Make ``folder`` apt's own view of the suite ``name`` and refresh its lists (about 2 s).

    The suite's Release file may be past its date (testing is not always re-signed in time), so its age
    alone is no fault; its signature is checked. Raises NotReadyError with apt's last line.
    """
    suite = Suite(name=name, mirror=mirror, folder=folder)
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    (folder / "sources.list").write_text(
        f"deb [signed-by={KEYRING} check-valid-until=no] {mirror} {name} main\n", encoding="utf-8"
    )
    done = run(["apt-get", *suite.options(), "--quiet", "update"], timeout_s=180)
    check(done, "see whether this machine's package mirror answers: apt-get update")
    return suite


def fetch(suite: Suite, packages: Sequence[str], *, run: Runner) -> list[Path]:
    """Download ``packages`` with all they need, as for an empty machine; the files, sorted by name."""
    for old in suite.archives.glob("*.deb"):
        old.unlink()
    argv = ["apt-get", *suite.options(), "--quiet", "--yes", "--download-only", "install", *packages]
    check(run(argv, timeout_s=300), "see whether this machine's package mirror answers: apt-get update")
    return sorted(suite.archives.glob("*.deb"))


def fetch_one(suite: Suite, package: str, *, run: Runner) -> Path:
    """Download ``package`` alone, without what it needs."""
    here = 'cd "$1" && shift && exec "$@"'  # apt-get download knows no other target than the current folder
    argv = ["apt-get", *suite.options(), "--quiet", "download", package]
    done = run(["sh", "-c", here, "sh", str(suite.archives), *argv], timeout_s=300)
    check(done, "see whether this machine's package mirror answers: apt-get update")
    return max(suite.archives.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)


def candidate(package: str, *, run: Runner, suite: Suite | None = None) -> str | None:
    """The version that apt would install, from ``suite`` or else from the machine's sources; None for
    none."""
    done = run(["apt-cache", *(suite.options() if suite else []), "policy", package], timeout_s=30)
    match = re.search(r"^\s*Candidate: (\S+)$", done.stdout, re.MULTILINE)
    return match[1] if match and match[1] != "(none)" else None
