"""Looks for secrets where they must not be: what they are, how they may be written, and what is looked
through."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

#: Bigger than any page or record; of a longer file the beginning and the end are looked through.
_MOST_BYTES = 64 * 2**20
#: Of a private key's base64; one line stands for all.
_KEY_LINE = 40


def needles(folder: Path, users: Iterable[str]) -> dict[str, list[bytes]]:
    """Of each secret below ``folder``, a cluster's state: its name, and the forms in which it would be seen
    (as it is, in a URL, in a header with its user's name)."""
    found: dict[str, list[bytes]] = {}
    names = {"prometheus-web": "prometheus", "alertmanager-web": "alertmanager", "view": "view"}
    for path in sorted((folder / "secrets").iterdir()):
        if path.suffix in (".json", ".bcrypt", ".yml") or not path.is_file():
            continue
        value = path.read_text(encoding="utf-8").strip()
        login = f"{names.get(path.name, path.name)}:{value}"
        forms = {value, quote(value, safe=""), base64.b64encode(login.encode()).decode().rstrip("=")}
        forms.add(base64.b64encode(value.encode()).decode().rstrip("="))
        found[f"secret {path.name}"] = [form.encode() for form in forms]
    for path in sorted((folder / "pki").rglob("*.key")):
        lines = path.read_text(encoding="ascii").splitlines()
        found[f"key {path.relative_to(folder / 'pki')}"] = [
            lines[1][:_KEY_LINE].encode(),
            lines[2][:_KEY_LINE].encode(),
        ]
    return found


def search(needles: Mapping[str, list[bytes]], places: Iterable[tuple[str, bytes]]) -> tuple[list[str], int]:
    """Each place that holds a secret, by its name and never its value, and how many places there were."""
    told, count = [], 0
    for name, content in places:
        count += 1
        told += [
            f"{name}: {secret}" for secret, forms in needles.items() if any(form in content for form in forms)
        ]
    return told, count


def processes(proc: Path = Path("/proc")) -> Iterator[tuple[str, bytes]]:
    """Arguments and environments of every process of this machine, those in containers among them."""
    own = str(os.getpid())
    for folder in proc.iterdir():
        if not folder.name.isdigit() or folder.name == own:
            continue
        for kind in ("cmdline", "environ"):
            try:
                content = (folder / kind).read_bytes()
            except OSError:
                continue  # it has ended, or is somebody else's
            yield f"{kind} of process {folder.name}", content


def files(*roots: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below ``roots``."""
    for root in roots:
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and not path.is_symlink():
                yield str(path), _content(path)


def readable_by_others(root: Path) -> Iterator[tuple[str, bytes]]:
    """Files below ``root`` that others may read, but for what a closed folder above them keeps."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            yield str(path), _content(path)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
            size = path.stat().st_size
            if size > 2 * _MOST_BYTES:
                file.seek(size - _MOST_BYTES)
            return content + file.read(_MOST_BYTES)
    except OSError:
        return b""
