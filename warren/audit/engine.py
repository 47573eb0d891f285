"""Asks OSV, the open database of vulnerabilities, about each package and version of a lock.

One question for all: https://google.github.io/osv.dev/post-v1-querybatch. Nothing else of this machine is
sent.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warren.errors import BadInputError, NotReadyError

URL = "https://api.osv.dev/v1/querybatch"
_PATIENCE_S = 15.0
#: A package of a lock: its name and its one version; what follows (a marker, hashes) is left.
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """One line of a lock."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


Ask = Callable[[bytes], bytes]


def packages(lock: str, name: str) -> tuple[Package, ...]:
    """What ``lock`` pins, each once; raises BadInputError where that is nothing."""
    found = tuple(dict.fromkeys(Package(*match) for match in _PINNED.findall(lock)))
    if not found:
        raise BadInputError(name, "pins no package", "write it anew: make lock")
    return found


def audit(wanted: Sequence[Package], ask: Ask) -> Mapping[Package, tuple[str, ...]]:
    """The identifiers of what is known of each package that anything is known of.

    Raises NotReadyError where the database does not answer, or not as it should.
    """
    queries = [
        {"package": {"name": each.name, "ecosystem": "PyPI"}, "version": each.version} for each in wanted
    ]
    answer = ask(json.dumps({"queries": queries}).encode())
    try:
        results: list[Mapping[str, Any]] = json.loads(answer)["results"]
        known = [tuple(str(row["id"]) for row in result.get("vulns", ())) for result in results]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotReadyError(URL, "its answer is not one of the database") from error
    if len(known) != len(wanted):
        raise NotReadyError(URL, f"{len(known)} answers to {len(wanted)} questions")
    return {each: ids for each, ids in zip(wanted, known, strict=True) if ids}


def ask_osv(question: bytes) -> bytes:
    """Ask the database; raises NotReadyError where it cannot be reached."""
    request = urllib.request.Request(URL, question, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:  # noqa: S310 - likewise
            return bytes(answer.read())
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise NotReadyError(URL, f"cannot be reached: {reason}") from error
