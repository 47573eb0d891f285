"""Many small siblings: a module each in one package, found by the names of their files.

So one more is a file more, and nowhere a list of them that it could be forgotten in.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from warren.errors import BadInputError


def files(package: ModuleType) -> tuple[str, ...]:
    """The names of the modules in ``package``, in order, as their files are called."""
    return tuple(sorted(each.name for each in pkgutil.iter_modules(package.__path__)))


def names(package: ModuleType) -> tuple[str, ...]:
    """The same as people type them: ``rotate-cookie`` for ``rotate_cookie``."""
    return tuple(sorted(name.replace("_", "-") for name in files(package)))


def module(package: ModuleType, file: str) -> ModuleType:
    """The module of ``package`` whose file is called so."""
    return importlib.import_module(f"{package.__name__}.{file}")


def named(package: ModuleType, kind: str, name: str) -> ModuleType:
    """The module that people call ``name``; raises BadInputError naming those there are of that ``kind``."""
    there = names(package)
    if name not in there:
        raise BadInputError(kind, f"there is no '{name}'", f"one of: {', '.join(there)}")
    return module(package, name.replace("-", "_"))
