"""Plain JavaScript modules joined into one script, for a page that must stand alone.

The modules keep to a small dialect, so that joining them needs no JavaScript tool: imports and exports by
name, one to a line, from files of the given folders. Each module becomes a function that returns its
exports, in the order of their imports, so names of different modules cannot meet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from warren.errors import BadInputError

_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (async function|function|const|class) (\w+)", re.MULTILINE)
_FOREIGN = re.compile(r"^\s*(?:import|export)\b.*|\bimport\s*\(", re.MULTILINE)


def bundle(folders: Sequence[Path], *entries: str) -> str:
    """One script that does what the modules ``entries`` do; each is looked up in ``folders`` in order.

    Raises BadInputError for a module that is missing, imported in a circle, or outside the dialect.
    """
    ordered: list[str] = []
    for entry in entries:
        _visit(entry, folders, ordered, ())
    parts = [_wrapped(name, _source(name, folders)) for name in ordered]
    return '"use strict";\n' + "\n".join(parts)


def _visit(name: str, folders: Sequence[Path], ordered: list[str], path: tuple[str, ...]) -> None:
    if name in path:
        raise BadInputError(f"{name}.js", f"is imported in a circle: {' -> '.join((*path, name))}")
    if name in ordered:
        return
    for match in _IMPORT.finditer(_source(name, folders)):
        _visit(match.group(2), folders, ordered, (*path, name))
    ordered.append(name)


def _source(name: str, folders: Sequence[Path]) -> str:
    for folder in folders:
        path = folder / f"{name}.js"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise BadInputError(f"{name}.js", f"is in none of {', '.join(str(folder) for folder in folders)}")


def _wrapped(name: str, source: str) -> str:
    exports = [match.group(2) for match in _EXPORT.finditer(source)]
    body = _IMPORT.sub(lambda found: f"const {{ {found.group(1)} }} = module_{found.group(2)};", source)
    body = _EXPORT.sub(lambda found: f"{found.group(1)} {found.group(2)}", body)
    foreign = _FOREIGN.search(body)
    if foreign:
        raise BadInputError(
            f"{name}.js", f"has an import or export of another form: {foreign.group(0).strip()}"
        )
    return f"const module_{name} = (() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}})();\n"
