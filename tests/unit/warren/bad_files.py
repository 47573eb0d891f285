"""Files as nobody should write them, and a process of little memory that reads each.

`run` is started as a program by the tests: what takes it down takes no test down with it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

#: Of address space, code and libraries included; an import of ten thousand queues needs a third.
MEMORY_BYTES = 2 * 2**30
#: Of processor time, for all files together.
CPU_S = 120

_MARK = "          x-message-ttl: 5000\n"
_NAME = "  name: warren\n"
Build = Callable[[str], str | bytes]


def _named(value: str) -> Build:
    return lambda base: base.replace(_NAME, f"  name: {value}\n", 1)


def _argument(value: str) -> Build:
    return lambda base: base.replace(_MARK, f"{_MARK}          x-more: {value}\n", 1)


def _until(words: str) -> Build:
    return lambda base: base[: base.index(words) + len(words)]


def _line(value: str) -> Build:
    return lambda base: base + value + "\n"


def _laughs() -> str:
    lines = ["a0: &a0 [" + "lol, " * 9 + "lol]"]
    return (
        "\n".join([*lines, *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))]) + "\n"
    )


def _merged() -> str:
    inner = "&m0 {x: 1}"
    for n in range(1, 9):
        inner = f"&m{n} {{<<: [{inner}{f', *m{n - 1}' * 9}]}}"
    return f"a: {inner}\n"


def _hungry(base: str) -> str:
    queue = "      - {name: orders.work,"
    base = base.replace(queue, f"      - {{name: {'a' * 60}.b}}\n{queue}", 1)
    return base.replace(r"pattern: '\.failed$'", "pattern: '^(a|aa)+$'", 1)


#: What is wrong -> (how the deployed topology becomes such a file, what is said of it).
TOPOLOGIES: Mapping[str, tuple[Build, str]] = {
    "empty": (lambda base: "", "must be a mapping of keys"),
    "only a comment": (lambda base: "# nothing\n", "must be a mapping of keys"),
    "truncated in a list": (_until("[rabbitmq_management"), "bad.yml:"),
    "truncated in a mapping": (_until("{name: orders.priority"), "bad.yml:"),
    "UTF-16": (lambda base: base.encode("utf-16"), "not UTF-8"),
    "Latin-1": (lambda base: base.replace("Orders,", "Aufträge,", 1).encode("latin-1"), "not UTF-8"),
    "NUL": (lambda base: base.replace("warren", "war\0ren", 1), "bad.yml:2: character 0x0000"),
    "escape": (lambda base: base.replace("warren", "war\x1b[31mren", 1), "bad.yml:2: character 0x001b"),
    "marks of byte order inside": (_named("war\ufeffren"), "is not a valid name"),
    "tabs": (lambda base: base.replace(_NAME, "\tname: warren\n", 1), "bad.yml:7: found character"),
    "key twice": (_line("schema: 1"), "key 'schema' is given twice"),
    "key twice inside": (_argument("{a: 1, a: 2}"), "key 'a' is given twice"),
    "list for a key": (_line("? [a]\n: 1"), "a key must be plain text"),
    "aliases that multiply": (lambda base: _laughs() + base, "aliases stand for more than"),
    "aliases for a name": (lambda base: _laughs() + _named("*a8")(base), "aliases stand for more than"),  # type: ignore[operator]
    "aliases that merge": (lambda base: _merged() + base, "aliases stand for more than"),
    "alias of nothing": (_named("*nobody"), "found undefined alias"),
    "alias in itself": (_argument("&r [*r]"), "recursive"),
    "a Python object": (_named("!!python/object/apply:os.system [true]"),
        "could not determine a constructor"),
    "nested lists": (_argument("[" * 100 + "]" * 100), "must be a mapping of names to plain values"),
    "nested without end": (_argument("[" * 100_000), "bad.yml"),
    "nested mappings": (_argument("{a: " * 300 + "1" + "}" * 300), "bad.yml"),
    "number beyond bounds": (
        lambda base: base.replace("memory_limit_mib: 1024", f"memory_limit_mib: {10**400}", 1),
        "must be a whole number"),
    "number too long to read": (_argument("9" * 5000), "bad.yml:LINE: Exceeds the limit"),
    "number that is none": (lambda base: base.replace("memory_watermark: 0.6", "memory_watermark: .nan", 1),
        "must be a finite number"),
    "name without end": (_named("x" * 1_000_000), "is not a valid name"),
    "keys without end": (_line("\n".join(f"k{n}: 1" for n in range(5000))), "and 4800 more faults"),
    "two documents": (_line("---\nschema: 1"), "but found another document"),
    "a list": (lambda base: "".join(f"- {line}\n" for line in ("a", "b")), "must be a mapping of keys"),
    "a date that is none": (_named("2020-13-45"), "bad.yml:7: month must be in 1..12"),
    "a tag that does not fit": (_named("!!bool perhaps"), "bad.yml:7: cannot be read as bool"),
    "an empty number": (_named("!!int"), "bad.yml:7: cannot be read as int"),
    "a date for text": (_named("2020-01-01"), "must be text"),
    "text for a section": (lambda base: base.replace("images:  ", "images: none\nx:  ", 1),
        "must be a mapping"),
    "pattern without end": (_hungry, "takes seconds to be held against"),
    "more than it may have": (lambda base: base + "#" * (8 * 2**20), "more than 8 MiB"),
}  # fmt: skip

_ROW = '{"name": "a", "vhost": "/", "arguments": %s}'


def _rows(*rows: str) -> str:
    return f'{{"vhosts": [{{"name": "/"}}], "queues": [{", ".join(rows)}]}}'


#: The same of exports.
EXPORTS: Mapping[str, tuple[str | bytes, str]] = {
    "UTF-16": ('{"vhosts": []}'.encode("utf-16"), "not UTF-8"),
    "truncated": (_rows(_ROW % "{}")[:-20], "bad.json:1: is not JSON"),
    "comma too many": ('{"vhosts": [1,]}', "bad.json:1: is not JSON"),
    "NUL": ('{"vhosts": [{"name": "/\0"}]}', "bad.json:1: is not JSON"),
    "nested in an argument": (_rows(_ROW % ("[" * 400 + "]" * 400)), "queues[0]: is nested too deep"),
    "nested for a row": (_rows("[" * 400 + "]" * 400), "bad.json:queues[0]: is nested too deep"),
    "nested for a list": ('{"queues": ' + "[" * 40 + "]" * 40 + "}", "queues[0]: is nested too deep"),
    "nested mapping for a list": ('{"queues": ' + '{"a": ' * 400 + "1" + "}" * 401,
        "must be a list, not something"),
    "number too long to read": (_rows(_ROW % ('{"x-a": ' + "9" * 5000 + "}")), "Exceeds the limit"),
    "keys twice among many": ('{"vhosts": [], ' + "".join(f'"k{n}": 1, ' for n in range(50_000)) + '"k1": 2}',
        "the key 'k1' is given twice"),
    "no text for a key": ("{1: 2}", "bad.json:1: is not JSON"),
    "YAML": ("vhosts: &a [*a]\n", "bad.json:1: is not JSON"),
    "nothing but space": (" \n\t ", "bad.json:2: is not JSON"),
}  # fmt: skip


def write(folder: Path, base: str) -> None:
    """Every bad file, numbered in order, below ``folder``."""
    for place, (build, _) in enumerate(TOPOLOGIES.values()):
        _put(folder / f"t{place}" / "bad.yml", build(base))
    for place, (content, _) in enumerate(EXPORTS.values()):
        _put(folder / f"e{place}" / "bad.json", content)


def _put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


def _command(path: Path) -> list[str]:
    if path.suffix == ".yml":
        return ["topology", "check", path.name]
    return ["topology", "import", path.name, "-o", "made.yml"]


def run(folder: Path) -> None:
    """Read every file below ``folder`` by the command for it; one JSON line for each on standard output."""
    from warren import cli  # noqa: PLC0415 - only in the process of its own

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    for path in sorted(folder.glob("*/bad.*")):
        os.chdir(path.parent)
        out, err, code = io.StringIO(), io.StringIO(), None
        began_s = time.process_time()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main(_command(path))
            except SystemExit as ended:
                code = ended.code
        told = {
            "file": path.parent.name, "code": code, "out": out.getvalue(), "err": err.getvalue(),
            "cpu_s": time.process_time() - began_s, "left": sorted(each.name for each in Path().iterdir()),
        }  # fmt: skip
        print(json.dumps(told), flush=True)  # noqa: T201 - its only way to tell


if __name__ == "__main__":
    run(Path(sys.argv[1]))
