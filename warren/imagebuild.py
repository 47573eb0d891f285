"""Builds container images from Debian packages, in the shape of the official ones, and Warren's own.

Every built image is tagged with a hash of what went into it, so that an unchanged one is found again by
name alone and a changed one cannot be mistaken for it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from warren.console import Say
from warren.errors import NotReadyError
from warren.process import Runner
from warren.runtime.debian import KEYRING, Suite, candidate, fetch, find_mirror, open_suite
from warren.runtime.rootfs import PACKAGES, import_seed, write_seed
from warren.runtime.stream import Stream
from warren.wait import Clock

#: The Debian suite whose packages are used: the first with RabbitMQ 4.3.
SUITE = "forky"
#: Series of the broker that another suite has, with the Erlang that belongs to it: 4.0 is in Debian 13.
BROKER_SUITES: Mapping[str, str] = {"4.0.": "trixie"}
_BUILD_S = 600.0
_BUILD_REMEDY = "see whether this machine's package mirror answers (apt-get update), then run this again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one official image is stood in for: the Debian ``package``, how many parts of the official
    version the package must share (``series_parts``), and the ``version_argument`` of its Dockerfile.

    ``inputs`` stands for its own files, ``bases`` for what it stands on, by suite; ``others`` are the suites
    of series that the usual one does not have.
    """

    name: str
    package: str
    series_parts: int
    version_argument: str
    inputs: str
    bases: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)

    def suite(self, official: str) -> str:
        """The Debian suite that the stand-in for ``official`` is built from."""
        return self.others.get(self.series(official), SUITE)

    def tag(self, official: str) -> str:
        """The name of the image built in place of ``official`` (``repository:version``)."""
        inputs_hash = short_hash(self.bases[self.suite(official)], self.inputs)
        return f"warren/{self.name}:{_version(official)}-{short_hash(inputs_hash, official)}"

    def series(self, official: str) -> str:
        """The leading part of ``official``'s version that a package must share, with its last dot."""
        return ".".join(_version(official).split(".")[: self.series_parts]) + "."


def recipes(root: Path) -> dict[str, Recipe]:
    """The images that can be built, by the name that a topology gives them."""
    images = root / "deploy" / "images"
    bases = {suite: base_hash(root, suite) for suite in (SUITE, *BROKER_SUITES.values())}

    def recipe(name: str, package: str, series_parts: int, others: Mapping[str, str] | None = None) -> Recipe:
        return Recipe(
            name=name,
            package=package,
            series_parts=series_parts,
            version_argument=f"{name.upper()}_VERSION",
            inputs=hash_files(images / name, [images / name]),
            bases=bases,
            others=others or {},
        )

    return {
        "rabbitmq": recipe("rabbitmq", "rabbitmq-server", 2, BROKER_SUITES),
        "prometheus": recipe("prometheus", "prometheus", 1),
        "alertmanager": recipe("alertmanager", "prometheus-alertmanager", 1),
        "victoriametrics": recipe("victoriametrics", "victoria-metrics", 1),
    }


def base_hash(root: Path, suite: str = SUITE) -> str:
    """Stands for everything that goes into the base image of ``suite``."""
    folder = root / "deploy" / "images" / "base"
    return short_hash(hash_files(folder, [folder]), suite, *PACKAGES, platform.machine())


def hash_files(root: Path, paths: Iterable[Path]) -> str:
    """A hash of the names (below ``root``), contents and executable bits of all files in ``paths``."""
    total = hashlib.sha256()
    for path in sorted(file for start in paths for file in _files(start)):
        executable = bool(path.stat().st_mode & 0o100)
        total.update(f"{path.relative_to(root)}\0{executable}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        yield path
    for file in path.rglob("*") if path.is_dir() else ():
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
            yield file


def _version(official: str) -> str:
    return version_of(official).removeprefix("v")


def version_of(reference: str) -> str:
    """The version in ``name:version``, which a digest may follow."""
    return reference.partition("@")[0].rpartition(":")[2]


def short_hash(*parts: str) -> str:
    """Twelve hexadecimal digits that stand for ``parts``."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


class Builder:
    """Builds images, saying each step with the seconds since the image was begun."""

    def __init__(
        self,
        *,
        docker: str,
        run: Runner,
        follow: Stream,
        say: Say,
        clock: Clock,
        scratch: Path,
        root: Path,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._docker, self._run, self._follow, self._say, self._clock = docker, run, follow, say, clock
        self._scratch, self._root, self._environ = scratch, root, environ
        self._suites: dict[str, Suite] = {}
        self._name, self._start = "", 0.0

    def build(self, recipe: Recipe, official: str) -> str:
        """Build the stand-in for ``official``; returns package and version, for the user.

        Raises NotReadyError where no suite has its series, with the versions that there are.
        """
        suite = recipe.suite(official)
        self.begin(recipe.name)
        version = self.package_version(recipe.package, suite)
        upstream = _upstream(version or "")
        if not upstream.startswith(recipe.series(official)):
            raise self._not_to_be_had(recipe, official)
        base = self.base(suite)
        self.begin(recipe.name)
        arguments = {"BASE": base, recipe.version_argument: upstream}
        context = self.context(recipe.name, self._root / "deploy" / "images" / recipe.name)
        self.docker_build(context, recipe.tag(official), arguments)
        self.step(f"ready: {recipe.package} {version}")
        return f"{recipe.package} {version}"

    def _not_to_be_had(self, recipe: Recipe, official: str) -> NotReadyError:
        suites = dict.fromkeys((SUITE, *recipe.others.values()))
        found = {each: self.package_version(recipe.package, each) for each in suites}
        there = ", ".join(f"{each} has {found[each] or 'no package'}" for each in suites)
        versions = " or ".join(_upstream(version) for version in found.values() if version)
        return NotReadyError(
            f"image {recipe.name}",
            f"{official} is wanted and no registry answers; Debian {there}",
            f"in the topology, name one that can be had under images: {recipe.name}"
            + (f" ({versions})" if versions else "")
            + (", and the same as broker.version" if recipe.name == "rabbitmq" else ""),
        )

    def base(self, name: str = SUITE) -> str:
        """The image that all others of the suite ``name`` stand on, made out of Debian packages where it is
        not there yet."""
        folder = self._root / "deploy" / "images" / "base"
        reference = f"warren/base:{base_hash(self._root, name)}"
        if self.has(reference):
            return reference
        self.begin("base")
        suite = self._open_suite(name)
        self.step("fetch the packages of a minimal Debian")
        debs = fetch(suite, PACKAGES, run=self._run)
        self.step(f"lay out {len(debs)} packages")
        sources = f"deb [signed-by={KEYRING} check-valid-until=no] {suite.mirror} {name} main\n"
        extra = {
            "bootstrap/configure.sh": ((folder / "configure.sh").read_bytes(), 0o755),
            "bootstrap/sources.list": (sources.encode(), 0o644),
            "usr/local/sbin/warren-install": ((folder / "warren-install").read_bytes(), 0o755),
        }
        seed = self._scratch / "seed.tar"
        write_seed(debs, extra, seed)
        labels = {"org.opencontainers.image.title": "warren-base"}
        import_seed(seed, reference, docker=self._docker, run=self._run, step=self.step, labels=labels)
        shutil.rmtree(suite.archives, ignore_errors=True)
        seed.unlink(missing_ok=True)
        self.step("ready")
        return reference

    def has(self, reference: str) -> bool:
        """Whether the engine has this image."""
        return self._run(
            [self._docker, "image", "inspect", "--format", "{{.Id}}", reference], timeout_s=30
        ).ok

    def forget(self, repository: str, *, keep: int) -> None:
        """Remove all but the ``keep`` newest images of ``repository``; those that a container uses stay."""
        listed = self._run(
            [self._docker, "image", "ls", repository, "--format", "{{.Repository}}:{{.Tag}}"], timeout_s=30
        )
        for reference in listed.stdout.split()[keep:]:  # the newest come first
            self._run([self._docker, "rmi", reference], timeout_s=30)

    def package_version(self, package: str, suite: str = SUITE) -> str | None:
        """The version of ``package`` in ``suite``; None where it has none."""
        return candidate(package, run=self._run, suite=self._open_suite(suite))

    def begin(self, name: str) -> None:
        """From now on, steps and seconds are those of the image ``name``."""
        self._name, self._start = name, self._clock.now()

    def step(self, what: str) -> None:
        """Say what begins now."""
        self._say(f"  image {self._name}: {what} ({self._clock.now() - self._start:.0f} s)")

    def fresh(self, name: str) -> Path:
        """An empty working folder."""
        folder = self._scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o755)
        return folder

    def context(self, name: str, source: Path) -> Path:
        """A copy of ``source`` as a build context, with modes that do not depend on the user's umask."""
        target = self.fresh(name)
        shutil.copytree(source, target, dirs_exist_ok=True)
        return target

    def docker_build(
        self, context: Path, tag: str, arguments: Mapping[str, str], dockerfile: str = "Dockerfile"
    ) -> None:
        """Build ``tag``, saying each step; the context is removed afterwards.

        The builder is the engine's own whatever buildx is set to, since other builders cannot see local
        images. Raises NotReadyError with the build's last lines.
        """
        open_modes(context)
        options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
        if self._environ.get("http_proxy"):  # by name alone: its value may hold a password
            options += ["--build-arg", "http_proxy"]
        argv = [self._docker, "build", "--network", "host", "--tag", tag, "--file", str(context / dockerfile)]
        done = self._follow(
            [*argv, *options, str(context)],
            on_line=self._say_step,
            timeout_s=_BUILD_S,
            env={"BUILDKIT_PROGRESS": "plain", "BUILDX_BUILDER": "default"},
        )
        if not done.ok:
            tail = "\n".join(done.stdout.splitlines()[-8:])
            raise NotReadyError(f"image {self._name}", f"its build failed:\n{tail}", _BUILD_REMEDY)
        shutil.rmtree(context, ignore_errors=True)

    def _say_step(self, line: str) -> None:
        """Say the steps that take long, as the classic builder and BuildKit print them."""
        match = re.match(r"(?:Step \d+/\d+ : |#\d+ \[[^]]*\] )RUN (.*)", line)
        if match and (package := re.search(r'warren-install "?([\w-]+)', match[1])):
            self.step(f"install {package[1]} and what it needs")
        elif match and "compileall" in match[1]:
            self.step("compile")

    def _open_suite(self, name: str) -> Suite:
        if name not in self._suites:
            self.step(f"read the package lists of Debian {name}")
            mirror = self._environ.get("WARREN_DEBIAN_MIRROR") or find_mirror(
                run=self._run, codename=_codename()
            )
            self._suites[name] = open_suite(
                name=name, mirror=mirror, folder=self._scratch / f"debian-{name}", run=self._run
            )
        return self._suites[name]


def open_modes(folder: Path) -> None:
    """Make everything below ``folder`` readable to all, and executable to all where it is to its owner."""
    for path in (folder, *folder.rglob("*")):
        executable = path.is_dir() or bool(path.stat().st_mode & 0o100)
        path.chmod(0o755 if executable else 0o644)


def _upstream(version: str) -> str:
    """ "4.3.6" out of Debian's "4.3.6-1", "3.5.3" out of "3.5.3+ds1-6"."""
    return re.split(r"[-+~]", version.rpartition(":")[2])[0]


def _codename() -> str:
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""
