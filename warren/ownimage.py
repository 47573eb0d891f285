"""Warren's own image, in which load, exporter and preview run: locked dependencies, and our wheel on top.

Wheels are fetched and unpacked on the host (whose pip knows its package index) for the Python of the image,
so that the build itself needs no index and the image no pip. Dependencies are an image of their own; a
changed source costs one wheel and one layer.
"""

from __future__ import annotations

import platform
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from warren.errors import NotReadyError
from warren.imagebuild import Builder, base_hash, hash_files, short_hash, version_of
from warren.process import Runner, check

NAME = "warren"
PACKAGES = ("chaos", "dashboards", "exporters", "loadgen", "report", "warren")
#: Tags of the wheels that may go into the image, newest C library first; the image's is newer than all of
#: these.
C_LIBRARIES = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
#: Images of earlier sources that stay: a run that began on one may still start containers of it.
_KEPT = 5
PIP_REMEDY = "see whether this machine's pip reaches its package index: .venv/bin/python -m pip download pika"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRecipe:
    """How the image is made: ``base`` is an official Python image, or None for Debian's Python."""

    base: str | None
    python_tag: str
    tag: str


def own_recipe(root: Path, *, base: str | None) -> OwnRecipe:
    """The recipe for the sources below ``root``; the tags follow from their contents."""
    images, lock = root / "deploy" / "images", root / "requirements" / "runtime.lock"
    folder = images / NAME
    python = short_hash(
        hash_files(root, [folder / "Dockerfile.python", images / "base" / "warren-install", lock]),
        base or base_hash(root),
        platform.machine(),
    )
    sources = [root / "pyproject.toml", folder / "Dockerfile", folder / "warren"]
    own = short_hash(python, hash_files(root, [*sources, *(root / name for name in PACKAGES)]))
    return OwnRecipe(base=base, python_tag=f"warren/python:{python}", tag=f"warren/{NAME}:{own}")


def build_own(
    recipe: OwnRecipe, *, builder: Builder, run: Runner, root: Path, python: str = sys.executable
) -> None:
    """Build the image; the dependencies only where they are not there yet. ``python`` is one with pip.

    Raises NotReadyError with the last line of what failed.
    """
    folder = root / "deploy" / "images" / NAME
    if not builder.has(recipe.python_tag):
        base = recipe.base or builder.base()
        builder.begin("python")
        _build_dependencies(recipe, base, folder, builder=builder, run=run, root=root, python=python)
    builder.begin(NAME)
    builder.step("build our wheel")
    app = builder.fresh("app")
    shutil.copy(folder / "Dockerfile", app)
    shutil.copy(folder / "warren", app)
    with zipfile.ZipFile(_wheel(builder, run, root, python)) as wheel:
        wheel.extractall(app / "app")
    builder.docker_build(app, recipe.tag, {"BASE": recipe.python_tag})
    builder.forget(recipe.tag.partition(":")[0], keep=_KEPT)
    builder.step("ready")


def _build_dependencies(
    recipe: OwnRecipe, base: str, folder: Path, *, builder: Builder, run: Runner, root: Path, python: str
) -> None:
    version = _python_version(recipe.base, builder)
    context = builder.fresh("python")
    shutil.copy(folder / "Dockerfile.python", context)
    shutil.copy(folder.parent / "base" / "warren-install", context)
    lock = context / "image.lock"
    lock.write_text(for_python((root / "requirements" / "runtime.lock").read_text(encoding="utf-8"), version))
    builder.step(f"fetch the locked dependencies for Python {version}")
    platforms = [f"{library}_{platform.machine()}" for library in C_LIBRARIES]
    argv = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-deps",
        "--no-compile",
        "--require-hashes",
    ]
    argv += ["--only-binary", ":all:", "--python-version", version, "--implementation", "cp"]
    argv += [part for name in platforms for part in ("--platform", name)]
    done = run([*argv, "--target", str(context / "site"), "--requirement", str(lock)], timeout_s=240)
    check(done, PIP_REMEDY)
    lock.unlink()
    builder.docker_build(context, recipe.python_tag, {"BASE": base}, dockerfile="Dockerfile.python")
    builder.step("ready")


def _python_version(base: str | None, builder: Builder) -> str:
    """Major and minor version of the image's Python: named by the official image's tag, else Debian's
    package."""
    found = version_of(base).partition("-")[0] if base else builder.package_version("python3")
    parts = (found or "").split(".")
    if len(parts) < 2:  # noqa: PLR2004
        raise NotReadyError(
            "image python", f"no version of Python to be read off {base or 'Debian'}: {found}"
        )
    return ".".join(parts[:2])


def _wheel(builder: Builder, run: Runner, root: Path, python: str) -> Path:
    """Our wheel, built from a copy, so that no build folder appears in the checkout."""
    source = builder.fresh("source")
    for name in PACKAGES:
        if (root / name).is_dir():
            shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", source)
    readme = root / "README.md"
    (source / "README.md").write_text(readme.read_text(encoding="utf-8") if readme.exists() else "")
    argv = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    check(run([*argv, "--wheel-dir", str(source / "wheel"), str(source)], timeout_s=120), "make setup")
    return next((source / "wheel").glob("*.whl"))


def for_python(lock: str, version: str) -> str:
    """The requirements of ``lock`` that apply to CPython ``version`` ("3.14") on Linux, without their
    markers.

    pip judges markers by the interpreter that runs it, not by ``--python-version``, so they are judged here.
    """
    environment = {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    kept = []
    for line in lock.replace("\\\n", " ").splitlines():
        requirement, _, hashes = line.partition(" --hash")
        if not requirement.strip() or requirement.startswith("#"):
            continue
        parsed = Requirement(requirement)
        if parsed.marker is None or parsed.marker.evaluate(environment):
            kept.append(f"{parsed.name}{parsed.specifier} --hash{hashes}")
    return "\n".join(kept) + "\n"
