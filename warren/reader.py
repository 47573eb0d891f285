"""Strict reading of YAML: every fault named by file and key path, and all of a file's faults at once.

Shared by the topology, the scenarios and the experiments. A `Section` hands out typed values and
notes each fault instead of raising, so that one reading reports them all; `Document.finish` raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from warren.bounded import DEPTH, YAML_BYTES, read_text, refuse_bomb, short
from warren.errors import BadInputError, BadInputsError
from warren.nearest import meant

T = TypeVar("T")
_MISSING: Any = object()


#: libyaml reads a topology in a tenth of the time, but for each level of nesting it takes a piece of the
#: stack, and beyond some 20,000 it takes the process down: what may be this deep goes to the slow reader.
_DEEP = 2_000
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Placed(yaml.constructor.BaseConstructor):
    """Says where a value is that cannot be made; PyYAML lets out what Python said of an empty ``!!int``."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise _refuse(node, str(error)) from error
        except (LookupError, AttributeError, TypeError, OverflowError) as error:
            raise _refuse(node, f"cannot be read as {node.tag.rpartition(':')[2]}") from error


class _StrictLoader(_Placed, yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, which YAML forbids and PyYAML lets pass."""


class _FastStrictLoader(_Placed, _FAST):  # type: ignore[misc]
    """The same by libyaml, where it is there."""


def _refuse(node: yaml.Node, what: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def _mapping_without_duplicates(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    loader.flatten_mapping(node)
    seen: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise _refuse(key_node, "a key must be plain text")
        if key in seen:
            raise _refuse(key_node, f"key '{key}' is given twice")
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


for _loader in (_StrictLoader, _FastStrictLoader):
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_duplicates)


def _may_be_deep(text: str) -> bool:
    """Each level takes a bracket, or a column of its line which a mapping and a list may share."""
    return text.count("[") + text.count("{") + 2 * max(map(len, text.splitlines()), default=0) > _DEEP


def _load(text: str) -> Any:
    """What ``text`` says. Faults are left to the slow reader, which words them better."""
    is_deep = _may_be_deep(text)
    refuse_bomb(text, _StrictLoader if is_deep else _FastStrictLoader)
    if not is_deep:
        with suppress(yaml.YAMLError, ValueError, RecursionError):
            return yaml.load(text, Loader=_FastStrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - likewise


def value_of(text: str) -> Any:
    """What YAML given on a command line says. Raises ValueError, saying what is wrong with it."""
    try:
        return _load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(getattr(error, "problem", None) or error)) from error
    except RecursionError as error:
        raise ValueError("is nested too deep") from error


def plain(text: str) -> Any:
    """What YAML of our own making says; nothing in it is judged."""
    return yaml.load(text, Loader=_FAST)  # noqa: S506 - a SafeLoader in C


@dataclass(slots=True)
class Document:
    """One YAML file being read: its name, and the faults found so far.

    ``given`` maps the paths of values that came from elsewhere to how their givers know them.
    """

    name: str
    faults: list[BadInputError] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)

    def fault(self, path: str, what: str, remedy: str = "") -> None:
        where = self.given.get(path) or (f"{self.name}:{path}" if path else self.name)
        self.faults.append(BadInputError(where, what, remedy))

    def finish(self) -> None:
        """Raise BadInputsError when any fault was noted."""
        if self.faults:
            raise BadInputsError(self.faults)


def _place_and_problem(error: yaml.YAMLError, text: str, name: str) -> tuple[str, str]:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{name}:{line}", f"character {error.character:#06x}: {error.reason}"
    return (f"{name}:{mark.line + 1}" if mark else name), str(problem or error)


def parse(text: str, name: str) -> tuple[Document, Section]:
    """Parse YAML ``text`` into a document and its root section; ``name`` is used in messages.

    Raises BadInputError when the text is not YAML or its top is not a mapping.
    """
    try:
        data = _load(text)
    except yaml.YAMLError as error:
        raise BadInputError(*_place_and_problem(error, text, name), "mend the YAML at that line") from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(name, f"not readable as YAML: {error}", "mend the file") from error
    document = Document(name)
    if not isinstance(data, dict):
        raise BadInputError(name, "the top of the file must be a mapping of keys", "see docs/topology.md")
    return document, Section(document, "", data)


def parse_file(path: Path) -> tuple[Document, Section]:
    """`parse` of a file; raises BadInputError when it cannot be read."""
    text = read_text(path, most_bytes=YAML_BYTES, remedy="give the path of a readable file")
    return parse(text, str(path))


#: No setting has a greater number than what 64 bits hold; float() of a far greater one would fail.
_GREATEST = 2**63


def is_number(value: Any) -> bool:
    """Whether ``value`` is a number, finite and no truth value, that 64 bits hold."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) < _GREATEST  # false for .inf and .nan too


def _is_plain(value: Any, depth: int = DEPTH) -> bool:
    """Whether ``value`` is made of text, truth values, numbers, lists and mappings of names only, and is not
    nested deeper than ``depth``."""
    if isinstance(value, dict):
        return depth > 0 and all(
            isinstance(name, str) and _is_plain(item, depth - 1) for name, item in value.items()
        )
    if isinstance(value, list):
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    return isinstance(value, (str, bool)) or is_number(value)


@dataclass(slots=True)
class Section:
    """One mapping of a document at a key path. Each getter marks its key as known."""

    document: Document
    path: str
    data: dict[Any, Any]
    known: set[str] = field(default_factory=set)

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def fault(self, key: str, what: str, remedy: str = "") -> None:
        self.document.fault(self.at(key) if key else self.path, what, remedy)

    def _get(self, key: str, default: Any) -> Any:
        self.known.add(key)
        value = self.data.get(key, _MISSING)
        if value is not _MISSING and value is not None:
            return value
        if default is _MISSING:
            self.fault(key, "must be given", f"add '{key}:'")
        return _MISSING

    def _typed(
        self, key: str, default: Any, accepts: Callable[[Any], bool], expected: str, fallback: Any
    ) -> Any:
        value = self._get(key, default)
        if value is _MISSING:
            return fallback if default is _MISSING else default
        if not accepts(value):
            self.fault(key, f"must be {expected}, not {short(value)}", f"give {expected}")
            return fallback if default is _MISSING else default
        return value

    def text(self, key: str, default: str = _MISSING, *, pattern: str | None = None, hint: str = "") -> str:
        """The text at ``key``. With a ``pattern`` it must match as a whole, and is left empty only where that
        is the default."""
        value = str(self._typed(key, default, lambda v: isinstance(v, str), "text", ""))
        if pattern is None:
            return value
        if value and not re.fullmatch(pattern, value):
            self.fault(key, f"{short(value)} is not a valid name", hint or f"it must match {pattern}")
        elif self._is_left_empty(key, default):
            self.fault(key, "must not be empty", hint or f"it must match {pattern}")
        return value

    def _is_left_empty(self, key: str, default: str) -> bool:
        return bool(self.data.get(key) == "" != default)

    def choice(self, key: str, allowed: Collection[str], default: str = _MISSING) -> str:
        value = self.text(key, default)
        if value not in allowed and (value or self._is_left_empty(key, default)):
            remedy = meant(value, allowed, f"choose one of {', '.join(sorted(allowed))}")
            self.fault(key, f"'{value}' is not known", remedy)
        return value

    def integer(
        self, key: str, default: int = _MISSING, *, low: int | None = None, high: int | None = None
    ) -> int:
        value = int(
            self._typed(key, default, lambda v: isinstance(v, int) and is_number(v), "a whole number", 0)
        )
        self._range(key, value, low, high)
        return value

    def number(
        self, key: str, default: float = _MISSING, *, low: float | None = None, high: float | None = None
    ) -> float:
        value = float(self._typed(key, default, is_number, "a finite number", 0))
        self._range(key, value, low, high)
        return value

    def _range(self, key: str, value: float, low: float | None, high: float | None) -> None:
        if not is_number(self.data.get(key)):
            return  # not given, or refused already
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"at least {low:g}" if high is None else f"from {low or 0:g} to {high:g}"
            self.fault(key, f"{value:g} is out of range", f"give a value {span}")

    def flag(self, key: str, default: bool = _MISSING) -> bool:
        return bool(self._typed(key, default, lambda v: isinstance(v, bool), "true or false", False))

    def texts(self, key: str, default: tuple[str, ...] = _MISSING) -> tuple[str, ...]:
        def is_texts(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)

        return tuple(self._typed(key, default, is_texts, "a list of texts", ()))

    def table(self, key: str, default: dict[str, Any] = _MISSING) -> dict[str, Any]:
        """A mapping passed on as it is: arguments and policy definitions in the broker's own terms.

        Its values are what JSON has: YAML's dates, for one, would reach the broker as something else.
        """

        def is_table(value: Any) -> bool:
            return isinstance(value, dict) and _is_plain(value)

        return dict(self._typed(key, default, is_table, "a mapping of names to plain values", {}))

    def section(self, key: str, *, required: bool = True) -> Section:
        value = self._typed(
            key, _MISSING if required else {}, lambda v: isinstance(v, dict), "a mapping of keys", {}
        )
        return Section(self.document, self.at(key), value)

    def sections(self, key: str, read: Callable[[Section], T], *, required: bool = False) -> tuple[T, ...]:
        """Read each mapping of the list at ``key`` by ``read``; unknown keys in it are faults."""
        items = self._typed(key, _MISSING if required else [], lambda v: isinstance(v, list), "a list", [])
        found: list[T] = []
        for index, item in enumerate(items):
            path = f"{self.at(key)}[{index}]"
            if not isinstance(item, dict):
                self.document.fault(
                    path, f"must be a mapping of keys, not {short(item)}", "write '- key: value'"
                )
                continue
            if isinstance(item.get("name"), str):
                path = f"{self.at(key)}[{item['name']}]"
            child = Section(self.document, path, item)
            found.append(read(child))
            child.finish()
        return tuple(found)

    def finish(self) -> None:
        """Note each key that no getter asked for, with the nearest known one."""
        for key in self.data:
            if key in self.known:
                continue
            remedy = meant(str(key), self.known, f"known here: {', '.join(sorted(self.known))}")
            self.fault(str(key), "unknown key", remedy)
