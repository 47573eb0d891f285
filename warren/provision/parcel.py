"""Warren as a parcel for hosts: locked wheels for a host's Python, and our own wheel, in one folder.

Everything is fetched and built on the controller, whose pip knows its package index, so that a host needs
none. The folder's name is a hash of what goes in: an unchanged parcel is found again, and a host can tell by
the name alone that it has it.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warren.errors import BadInputError
from warren.imagebuild import hash_files, short_hash
from warren.ownimage import C_LIBRARIES, PACKAGES, PIP_REMEDY, for_python
from warren.process import Runner, check

#: A time in all wheels: the same sources give the same bytes (https://reproducible-builds.org/specs/source-date-epoch/).
_EPOCH = "1577836800"
_REQUIREMENTS = "requirements.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """For which Python ("3.13") on which machine ("x86_64"), made of the checkout at ``root``."""

    root: Path
    python_version: str
    machine: str

    @property
    def digest(self) -> str:
        """Twelve digits that stand for everything that goes in."""
        lock = self.root / "requirements" / "runtime.lock"
        sources = [self.root / "pyproject.toml", *(self.root / name for name in PACKAGES)]
        return short_hash(hash_files(self.root, [lock, *sources]), self.python_version, self.machine)


def check_target(parcel: Parcel) -> None:
    """Raise BadInputError for a host that no wheel can be had for."""
    found = re.fullmatch(r"(\d+)\.(\d+)", parcel.python_version)
    if not found or (int(found[1]), int(found[2])) < (3, 11):
        what = f"the host has Python {parcel.python_version}, and Warren needs 3.11 or newer"
        raise BadInputError("python", what, "provision hosts of Debian 12 or newer")


def make(parcel: Parcel, folder: Path, *, run: Runner, python: str = sys.executable) -> Path:
    """The parcel below ``folder``, made if it is not there yet; older ones stay until they are removed.

    Raises NotReadyError with the last line of what failed.
    """
    check_target(parcel)
    wanted = folder / parcel.digest
    if wanted.is_dir():
        return wanted
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch:
        made = Path(scratch) / "parcel"
        made.mkdir()
        _fetch(parcel, made, run=run, python=python)
        _build(parcel, Path(scratch), made, run=run, python=python)
        made.chmod(0o755)
        made.rename(wanted)
    return wanted


def _fetch(parcel: Parcel, made: Path, *, run: Runner, python: str) -> None:
    lock = (parcel.root / "requirements" / "runtime.lock").read_text(encoding="utf-8")
    requirements = made / _REQUIREMENTS
    requirements.write_text(for_python(lock, parcel.python_version), encoding="utf-8")
    argv = [python, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    argv += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--implementation", "cp"]
    argv += ["--python-version", parcel.python_version, *_platforms(parcel)]
    done = run([*argv, "--dest", str(made), "--requirement", str(requirements)], timeout_s=300)
    check(done, PIP_REMEDY)


def _platforms(parcel: Parcel) -> Sequence[str]:
    return [part for name in C_LIBRARIES for part in ("--platform", f"{name}_{parcel.machine}")]


def _build(parcel: Parcel, scratch: Path, made: Path, *, run: Runner, python: str) -> None:
    """Our wheel, from a copy, so that no build folder appears in the checkout."""
    source = scratch / "source"
    for name in PACKAGES:
        shutil.copytree(
            parcel.root / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(parcel.root / name, source)
    argv = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    # The environment of the build is this process' own, with the time that wheels are stamped with.
    done = run(
        ["env", f"SOURCE_DATE_EPOCH={_EPOCH}", *argv, "--wheel-dir", str(made), str(source)], timeout_s=180
    )
    check(done, "make setup")
