"""What strangers' files may cost at the most: bytes, values that aliases stand for, the time of a pattern.

A few lines of YAML can stand for more values than any memory holds, and a pattern of ten characters can keep
a matcher busy for longer than anybody lives: both are refused by name.
"""

from __future__ import annotations

import re
import reprlib
import signal
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from warren.errors import BadInputError

#: A topology of ten thousand queues and bindings has 2 MiB, an export of the same 4 MiB.
YAML_BYTES = 8 * 2**20
JSON_BYTES = 64 * 2**20
#: Of lists and mappings in each other: far more than an argument has, and far less than a recursion stands.
DEPTH = 32
#: Values that a file with aliases may stand for: some hundred thousand more than any that people write.
_VALUES = 200_000
#: Of processor time, for one pattern and all the names it is held against; ten thousand names take 5 ms.
_PATTERN_S = 1.0
#: An alias stands where a value or a key may; a pattern such as ``.*x`` is none.
_ALIAS = re.compile(r"(?:^|[\s\[{,:\-?])\*[^\s,\[\]{}]", re.MULTILINE)


def _shortener() -> reprlib.Repr:
    made = reprlib.Repr()
    made.maxstring = made.maxother = made.maxlong = 120
    return made


def short(value: Any) -> str:
    """``value`` as Python writes it, with its middle and what is deep in it left out where it is long."""
    return _shortener().repr(value)


def is_deep(value: Any) -> bool:
    """Whether lists and mappings are nested in each other deeper than `DEPTH`."""
    level = [value]
    for _ in range(DEPTH + 1):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return False
    return True


def read_text(path: Path, *, most_bytes: int, remedy: str, encoding: str = "utf-8") -> str:
    """The text of a file. Raises BadInputError where it cannot be read, is no UTF-8, or has more bytes."""
    try:
        with path.open("rb") as file:  # a device or a pipe has no size to ask for first
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise BadInputError(str(path), f"cannot be read: {error.strerror}", remedy) from error
    if len(content) > most_bytes:
        what = f"cannot be read: it has more than {most_bytes // 2**20} MiB"
        raise BadInputError(str(path), what, remedy)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadInputError(str(path), "cannot be read: not UTF-8 text", remedy) from error


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet, and how many values it stands for so far."""

    anchor: str | None
    count: int = 1


@dataclass(slots=True)
class _Counter:
    """How many values a YAML text stands for once each alias is what it is the name of."""

    opened: list[_Open] = field(default_factory=list)
    anchored: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.CollectionStartEvent):
            self.opened.append(_Open(event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = self.opened.pop()
            self._add(ended.count, ended.anchor)
        elif isinstance(event, yaml.ScalarEvent):
            self._add(1, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self.anchored.get(str(event.anchor), 1), None)

    def _add(self, count: int, anchor: str | None) -> None:
        if anchor is not None:
            self.anchored[anchor] = count
        if self.opened:
            self.opened[-1].count += count
        self.count = max(self.count, count, self.opened[-1].count if self.opened else 0)


def refuse_bomb(text: str, loader: Any) -> None:
    """Raise ``yaml.YAMLError`` with the line where the aliases of ``text`` stand for too many values."""
    if not _ALIAS.search(text):
        return
    counter = _Counter()
    for event in yaml.parse(text, Loader=loader):
        counter.take(event)
        if counter.count > _VALUES:
            what = f"its aliases stand for more than {_VALUES} values"
            mark: Any = event.start_mark
            raise yaml.constructor.ConstructorError(None, None, what, mark)


class _TooSlowError(Exception):
    pass


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooSlowError


def is_slow(pattern: str, names: Iterable[str], *, seconds: float = _PATTERN_S) -> bool:
    """Whether finding ``pattern`` in every one of ``names`` takes more than ``seconds`` of processor time.

    Python's matcher goes back and forth without a bound of its own, but lets a signal in. Only the main
    thread gets signals: in another nothing is tried, and the answer is no. Raises re.error for what is no
    pattern.
    """
    expression = re.compile(pattern)
    if threading.current_thread() is not threading.main_thread():
        return False
    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            for name in names:
                expression.search(name)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TooSlowError:
        return True
    finally:
        signal.signal(signal.SIGVTALRM, before)
    return False
