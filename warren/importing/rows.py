"""Reads exported definitions: JSON of ``rabbitmqctl export_definitions`` or ``/api/definitions``, 3.8 to 4.3.

Every fault of shape is reported with its place, all at once; nothing is guessed.
https://www.rabbitmq.com/docs/definitions
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from warren.bounded import JSON_BYTES, is_deep, read_text, short
from warren.errors import BadInputError, BadInputsError

Row = Mapping[str, Any]
#: Lists of an export, and the texts that each of their rows must have.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "vhosts": ("name",),
    "users": ("name",),
    "permissions": ("user", "vhost", "configure", "write", "read"),
    "topic_permissions": ("user", "vhost", "exchange", "write", "read"),
    "parameters": ("component", "name"),
    "global_parameters": ("name",),
    "policies": ("vhost", "name", "pattern"),
    "exchanges": ("vhost", "name", "type"),
    "queues": ("vhost", "name"),
    "bindings": ("vhost", "source", "destination", "destination_type", "routing_key"),
}
_TABLES = ("arguments", "definition", "metadata")
_FLAGS = ("durable", "auto_delete", "internal", "exclusive")
_HALF = re.compile("[\ud800-\udfff]")
#: What an export says beside its lists. None of it is of the cluster that it is brought to.
_PLAIN = frozenset(
    {
        "rabbit_version", "rabbitmq_version", "product_name", "product_version", "explanation",
        "rabbitmq_definition_format", "original_cluster_name", "original_vhost_name", "metadata",
        "description", "default_queue_type", "limits",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What a file says: its lists (all of them there, empty where it has none), the broker's version, and the
    keys that nobody here knows."""

    name: str
    version: str
    lists: Mapping[str, tuple[Row, ...]] = field(repr=False)
    unknown: tuple[str, ...]


def read_file(path: Path, *, vhost: str = "") -> Export:
    """Read the file; raises BadInputError where it cannot be read, else as `read`."""
    remedy = "give the file of an export"
    text = read_text(path, most_bytes=JSON_BYTES, remedy=remedy, encoding="utf-8-sig")
    return read(text, str(path), vhost=vhost)


def read(text: str, name: str, *, vhost: str = "") -> Export:
    """Read ``text``. ``vhost`` is said for the objects of an export of one virtual host, which name none.

    Raises BadInputsError with every fault and its place in the file.
    """
    document = _json(text, name)
    faults: list[BadInputError] = []
    lists = {key: _rows(document, key, name, vhost, faults) for key in _NEEDED}
    if vhost and not lists["vhosts"] and "vhosts" not in {fault.where.rpartition(":")[2] for fault in faults}:
        row = {"name": vhost, **{key: document[key] for key in ("metadata",) if key in document}}
        lists["vhosts"] = _rows({"vhosts": [row]}, "vhosts", name, "", faults)
    if faults:
        raise BadInputsError(faults)
    version = document.get("rabbitmq_version") or document.get("rabbit_version") or ""
    return Export(
        name=name,
        version=version if isinstance(version, str) else "",
        lists=lists,
        unknown=tuple(sorted(key for key in document if key not in _NEEDED and key not in _PLAIN)),
    )


def _json(text: str, name: str) -> dict[str, Any]:
    def no_number(what: str) -> NoReturn:
        raise ValueError(f"{what} is no JSON number")

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key {short(key)} is given twice in one object")
            found[key] = value
        return found

    remedy = "give what 'rabbitmqctl export_definitions' wrote, or /api/definitions"
    try:
        document = json.loads(text, parse_constant=no_number, object_pairs_hook=no_duplicates)
    except json.JSONDecodeError as error:
        raise BadInputError(f"{name}:{error.lineno}", f"is not JSON: {error.msg}", remedy) from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(name, f"is not JSON that can be read: {error}", remedy) from error
    if not isinstance(document, dict):
        raise BadInputError(name, "the top of the file must be an object", remedy)
    if not any(key in document for key in _NEEDED):
        raise BadInputError(name, "has none of the lists of an export (vhosts, users, queues, …)", remedy)
    return document


def _rows(
    document: Mapping[str, Any], key: str, name: str, vhost: str, faults: list[BadInputError]
) -> tuple[Row, ...]:
    value = document.get(key, [])
    if not isinstance(value, list):
        said = "something nested too deep" if is_deep(value) else _short(value)
        faults.append(BadInputError(f"{name}:{key}", f"must be a list, not {said}", "mend the file"))
        return ()
    found: list[Row] = []
    for place, row in enumerate(value):
        where = f"{name}:{key}[{place}]"
        if is_deep(row):
            faults.append(BadInputError(where, "is nested too deep", "mend the file"))
            continue
        if not isinstance(row, dict):
            faults.append(BadInputError(where, f"must be an object, not {_short(row)}", "mend the file"))
            continue
        whole = {"vhost": vhost, **row} if vhost and "vhost" in _NEEDED[key] else row
        before = len(faults)
        _judge(whole, key, where, faults)
        if len(faults) == before:
            found.append(whole)
    return tuple(found)


def _judge(row: Row, key: str, where: str, faults: list[BadInputError]) -> None:
    """Note what is wrong with one row."""

    def expect(name: str, kind: type | tuple[type, ...], called: str, *, needed: bool) -> None:
        if name not in row and not needed:
            return
        if not isinstance(row.get(name), kind):
            what = f"must be {called}, not {_short(row[name])}" if name in row else "is missing"
            remedy = (
                "an export of one virtual host names none: say --vhost"
                if name == "vhost"
                else "mend the file"
            )
            faults.append(BadInputError(f"{where}.{name}", what, remedy))

    for name in _NEEDED[key]:
        expect(name, str, "text", needed=True)
    for name in _TABLES:
        expect(name, dict, "an object", needed=name == "definition" and key == "policies")
    for name in _FLAGS:
        expect(name, bool, "true or false", needed=False)
    for name, bad in _unwritable(row):
        faults.append(BadInputError(f"{where}.{name}", f"holds half a character: {bad!r}", "mend the file"))
    _judge_values(row, key, where, faults)


def _judge_values(row: Row, key: str, where: str, faults: list[BadInputError]) -> None:
    """Note what is wrong with the values of a row that may have several forms."""
    if key == "parameters" and row.get("component") in ("operator_policy", "vhost-limits"):
        for name, kinds, called in (("vhost", str, "text"), ("value", (dict, list), "an object")):
            if not isinstance(row.get(name), kinds):
                what = f"must be {called}, not {_short(row[name])}" if name in row else "is missing"
                faults.append(BadInputError(f"{where}.{name}", what, "mend the file"))
    if key == "parameters" and row.get("component") == "operator_policy":
        _judge_operator_policy(row.get("value"), where, faults)
    for name in ("tags", "limits") if key in ("users", "vhosts") else ():
        value = row.get(name)
        if not (value is None or _FORMS[name](value)):
            what = f"must be {_CALLED[name]}, not {_short(value)}"
            faults.append(BadInputError(f"{where}.{name}", what, "mend the file"))


def _judge_operator_policy(value: Any, where: str, faults: list[BadInputError]) -> None:
    """What a policy says of itself, which here is one level deeper."""
    for name, kind, called in (("pattern", str, "text"), ("definition", dict, "an object")):
        if isinstance(value, dict) and not isinstance(value.get(name), kind):
            what = f"must be {called}, not {_short(value.get(name))}"
            faults.append(BadInputError(f"{where}.value.{name}", what, "mend the file"))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


_CALLED = {"tags": "text or a list of texts", "limits": "an object"}
#: An empty list stands for no limits: so do some versions write an empty object.
_FORMS: Mapping[str, Callable[[Any], bool]] = {
    "tags": lambda value: isinstance(value, str) or _are_texts(value),
    "limits": lambda value: isinstance(value, dict) or value == [],
}


def _unwritable(row: Row) -> list[tuple[str, str]]:
    """Texts with halves of surrogate pairs, which JSON can say and no file can hold."""
    return [(key, value) for key, value in _texts("", row) if _HALF.search(value)]


def _texts(path: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(path, value)]
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inner = [(f"{path}.{key}" if path else key, each) for key, each in value.items()]
        inner += [(path or "its keys", key) for key in value]
    elif isinstance(value, list):
        inner = [(f"{path}[{place}]", each) for place, each in enumerate(value)]
    return [found for place, each in inner for found in _texts(place, each)]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) < 40 else f"{text[:39]}…"  # noqa: PLR2004 - a line's worth
