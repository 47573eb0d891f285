"""Types the committed dashboards against Grafana's own models with the TypeScript compiler.

``python tests/grafana_schema/check.py [JSON …]`` exits 0 where all fit, 1 naming what does not, 3 where npm
or node is missing. Grafana's types and the compiler come from npm, by the lock beside this file, into the
user's cache; nothing of them is in Warren.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
GENERATED = HERE.parents[1] / "dashboards" / "generated"
_PACKAGES = ("package.json", "package-lock.json", ".npmrc")
_TIMEOUT_S = 300
_ERROR = re.compile(r"^(\S+)\((\d+),\d+\): error TS\d+: (.*)$")

Json = Mapping[str, Any]


class MissingToolError(Exception):
    """npm or node is not there, or could not fetch what the lock names."""


def statements(name: str, dashboard: Json) -> Iterator[tuple[str, str]]:
    """(where, TypeScript) for each part of a dashboard; a fault is told at the part."""
    frame = {key: value for key, value in dashboard.items() if key != "panels"}
    yield f"{name}: the dashboard", _constant("Frame", frame)
    for panel in dashboard["panels"]:
        where = f"{name}: {panel.get('title', '')!r} ({panel['type']})"
        if panel["type"] == "row":
            yield where, _constant("Row", {key: value for key, value in panel.items() if key != "panels"})
            yield from statements(name, {"panels": panel["panels"]}) if panel["panels"] else ()
            continue
        yield where, _constant(f"Panel<{json.dumps(panel['type'])}>", panel)
        yield from _overrides(where, panel)


def _overrides(where: str, panel: Json) -> Iterator[tuple[str, str]]:
    """Grafana's types know nothing of what an override sets; the fields' own types do."""
    for override in (panel.get("fieldConfig") or {}).get("overrides", ()):
        for each in override["properties"]:
            path = each["id"].split(".")
            kind = f"CustomOf<{json.dumps(panel['type'])}>" if path[0] == "custom" else "Standard"
            value: Any = each.get("value")
            for key in reversed(path[1:] if path[0] == "custom" else path):
                value = {key: value}
            yield f"{where}: override of {each['id']}", _constant(kind, value)


def _constant(kind: str, value: Any) -> str:
    return f"{{ const each: {kind} = {json.dumps(value, ensure_ascii=True)}; void each; }}"


def faults(dashboards: Mapping[str, Json]) -> list[str]:
    """One line for each part that does not fit, with the compiler's words. Raises MissingToolError."""
    packages = _packages()
    parts = [part for name, one in dashboards.items() for part in statements(name, one)]
    head = 'import type { CustomOf, Frame, Panel, Row, Standard } from "./model.js";'
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "node_modules").symlink_to(packages / "node_modules")
        (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
        for file in ("model.ts", "tsconfig.json"):
            shutil.copy(HERE / file, folder)
        script = "\n".join([head, *(statement for _, statement in parts), "export {};", ""])
        (folder / "boards.ts").write_text(script, encoding="utf-8")
        done = _run([_tool("node"), "node_modules/typescript/bin/tsc", "--pretty", "false"], folder)
    found = list(_told(done.stdout, [where for where, _ in parts]))
    return found or ([f"the compiler failed: {done.stderr[-2000:]}"] if done.returncode else [])


def _told(output: str, places: Sequence[str]) -> Iterator[str]:
    for line in output.splitlines():
        match = _ERROR.match(line)
        if match is None:
            yield f"    {line.strip()}"
            continue
        file, number, words = match.group(1), int(match.group(2)), match.group(3)
        place = (
            places[number - 2]
            if file == "boards.ts" and 0 <= number - 2 < len(places)
            else f"{file}:{number}"
        )
        yield f"{place}: {words}"


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingToolError(f"{name} is not installed, so Grafana's types cannot be had")
    return found


def _packages() -> Path:
    """The folder of what the lock names, made once for each lock."""
    npm = _tool("npm")
    texts = b"".join((HERE / name).read_bytes() for name in _PACKAGES)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "warren" / "grafana-schema"
    folder = base / hashlib.sha256(texts).hexdigest()[:16]
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in _PACKAGES:
            shutil.copy(HERE / name, folder)
        done = _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        if done.returncode:
            raise MissingToolError(f"npm could not fetch Grafana's types:\n{done.stderr[-2000:]}")
        (folder / ".complete").touch()
    return folder


def _run(argv: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def main(arguments: Sequence[str]) -> int:
    """Check the files named, or all that are committed."""
    paths = [Path(each) for each in arguments] or sorted(GENERATED.glob("*.json"))
    dashboards = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    try:
        found = faults(dashboards)
    except MissingToolError as error:
        sys.stderr.write(f"NOT CHECKED against Grafana's types: {error}\n  try: apt-get install npm\n")
        return 3
    for line in found:
        sys.stdout.write(f"{line}\n")
    if not found:
        sys.stdout.write(f"{len(dashboards)} dashboards fit Grafana's types\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
