"""Documents as YAML that Kubernetes' parsers read as it was meant.

They follow YAML 1.1 more closely than PyYAML writes it: to them a bare ``y`` is true and ``1e5`` a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

import yaml

from warren.render import MANAGED

#: What stands bare: words that begin with a letter. `yaml` itself quotes those that mean something else.
_BARE = re.compile(r"[A-Za-z/][^\n]*")
_TRUTHS = frozenset({"y", "n"})


class _Dumper(yaml.SafeDumper):
    """Writes lines as lines, and in quotes whatever some parser may read as other than text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = None
        if "\n" in data:
            style = "|"
        elif not _BARE.fullmatch(data) or data.lower() in _TRUTHS:
            style = "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    yaml_representers: ClassVar[dict[Any, Any]] = {
        **yaml.SafeDumper.yaml_representers,
        str: represent_str,
    }


def dump(documents: Iterable[dict[str, Any]]) -> str:
    """A file of ``documents``, whose first line says who made it."""
    parts = [
        yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True) for each in documents
    ]
    return f"# {MANAGED}\n" + "---\n".join(parts)
