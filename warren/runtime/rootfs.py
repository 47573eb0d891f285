"""Makes a container image out of Debian packages alone: no registry, no root, no debootstrap.

The packages' files are laid into one archive (owners travel inside it, so nobody has to be root), the
engine imports that as a seed, the packages configure themselves in a container of the seed, and the result
is flattened into one layer. This is what bootstrap tools do in a changed root; a container needs only the
right to use the engine.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from warren.errors import NotReadyError
from warren.process import Runner, check

#: Essential packages (apt's pattern) and what every image needs besides.
PACKAGES = ("?essential", "apt", "ca-certificates", "passwd")
_LEFT_OUT = ("usr/share/man/", "usr/share/info/", "usr/share/locale/")


def write_seed(debs: Iterable[Path], extra: Mapping[str, tuple[bytes, int]], target: Path) -> None:
    """Write the archive ``target``: the files of ``debs``, the packages below /bootstrap, and ``extra``.

    ``extra`` maps a path to content and mode. base-files comes first: it brings the links of the merged /usr.
    """
    debs = sorted(debs, key=lambda deb: (not deb.name.startswith("base-files_"), deb.name))
    known: set[str] = set()
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as seed:
        for deb in debs:
            _append_files(deb, seed, known)
            seed.add(deb, f"bootstrap/{deb.name}", filter=_as_root)
        for name, (content, mode) in extra.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            seed.addfile(entry, io.BytesIO(content))


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o644
    return entry


def _append_files(deb: Path, seed: tarfile.TarFile, known: set[str]) -> None:
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as unpack,
        tarfile.open(fileobj=unpack.stdout, mode="r|") as files,
    ):
        for entry in files:
            name = entry.name.removeprefix("./")
            if name.startswith(_LEFT_OUT) or (entry.isdir() and name in known):
                continue
            known.add(name)
            seed.addfile(entry, files.extractfile(entry) if entry.isreg() else None)
    if unpack.returncode:
        raise NotReadyError(str(deb), "this package cannot be unpacked", f"remove {deb.parent} and try again")


def import_seed(
    seed: Path,
    reference: str,
    *,
    docker: str,
    run: Runner,
    step: Callable[[str], None],
    labels: Mapping[str, str],
) -> None:
    """Turn the archive ``seed`` (with /bootstrap/configure.sh in it) into the image ``reference``.

    ``step`` is told what begins. Needs no network. Raises NotReadyError with the failing program's last line.
    """
    raw, flat = f"{reference}-seed", seed.with_suffix(".flat.tar")
    container = raw.replace("/", "-").replace(":", "-")
    run([docker, "rm", "--force", container], timeout_s=60)
    try:
        step("configure the packages in a container")
        check(run([docker, "import", str(seed), raw], timeout_s=120))
        configure = ["/bin/sh", "/bootstrap/configure.sh"]
        check(run([docker, "run", "--name", container, "--network", "none", raw, *configure], timeout_s=300))
        step("flatten the result into one layer")
        check(run([docker, "export", "--output", str(flat), container], timeout_s=120))
        changes = [f"LABEL {key}={value}" for key, value in labels.items()]
        options = [part for change in changes for part in ("--change", change)]
        check(run([docker, "import", *options, str(flat), reference], timeout_s=120))
    finally:
        run([docker, "rm", "--force", container], timeout_s=60)
        run([docker, "rmi", raw], timeout_s=60)
        flat.unlink(missing_ok=True)
