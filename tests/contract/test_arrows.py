"""The rules of the house that can be read off the source: who imports whom, and what only some may do."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("warren", "chaos", "loadgen", "exporters", "dashboards", "report")

#: What a package may import of the others beside itself and the shared floor; a dot ends a prefix.
ALLOWED = {
    "chaos": ("loadgen.engine", "loadgen.ledger", "loadgen.child"),
    "report": ("dashboards.view",),
    "loadgen": (),
    "exporters": (),
    "dashboards": ("exporters.names", "loadgen.names"),
    "warren": (),
}
#: Exporters are told everything by flags; only the drift collector is given a topology file.
NOT_FOR_EXPORTERS = ("warren.topology", "warren.state", "warren.secrets", "warren.context", "warren.cluster")

#: The storeys of the shared floor from the ground up; a module imports from its own or a lower one. A name
#: covers what is below it, and ends with a star where it covers its siblings. A module that no line names
#: lives as high as what it imports: it may be anywhere, and what imports it may not be lower.
STOREYS: tuple[tuple[str, ...], ...] = (
    ("warren.errors",),
    ("warren.console", "warren.process", "warren.wait", "warren.checkout", "warren.reader", "warren.answers"),
    ("warren.topology*", "warren.routing", "warren.state", "warren.pki", "warren.secrets"),
    (
        "warren.render",
        "warren.management*",
        "warren.connection*",
        "warren.runtime",
        "warren.gate",
        "warren.results",
        "warren.journal",
        "warren.stats",
        "warren.prometheus",
        "warren.bundle",
        "warren.volume_archive",
    ),
    ("warren.context", "warren.plan", "warren.cluster"),
    ("warren.operate", "warren.demo"),
    ("warren.cli",),
)
FRONT_DOOR = len(STOREYS) - 1

#: What of loadgen speaks AMQP: the adapter and what runs on its loop. All else knows plain numbers.
AMQP_SIDE = (
    "transport", "loop", "wire", "worker", "publisher", "requester", "consumer", "relay", "passing",
    "objects",
)  # fmt: skip
#: The same of the canary.
CANARY_TRANSPORT = ("air", "lane", "link")
#: The misbehaving clients: many connections on a loop of their own, without loadgen's pace and ledger.
CHAOS_CLIENTS = ("crowd", "holding", "pouring")
#: Who may import a library, besides tests.
ONLY_IN = {
    "pika": (
        "warren/connection.py",
        "warren/connection_errors.py",
        "warren/queues/faithful.py",
        "warren/queues/wire.py",
        *(f"loadgen/{name}.py" for name in AMQP_SIDE),
        *(f"exporters/canary/{name}.py" for name in CANARY_TRANSPORT),
        *(f"chaos/clients/{name}.py" for name in CHAOS_CLIENTS),
    ),
    "rstream": ("loadgen/streaming/transport.py",),
    "grafanalib": ("dashboards/",),
}
#: The only files that wait, a worker's loop by the millisecond, and the only kind that ends the process.
WAITS = ("warren/wait.py", "loadgen/loop.py")
FRONT_DOORS = ("cli.py", "__main__.py")
#: What may speak of click: the pages, and the kind of group that several of them are.
PAGES = ("cli.py", "command_group.py")

#: What must not be touched while a module is imported.
AT_IMPORT = (
    "os.environ",
    "os.getenv",
    "open",
    "print",
    "time.time",
    "time.monotonic",
    "datetime.now",
    "random.",
    "secrets.token",
    "subprocess.",
    "socket.socket",
    "socket.create_connection",
    "signal.signal",
)
AT_IMPORT_METHODS = ("read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "exists")


@dataclass(frozen=True)
class Source:
    """One module: its path below the root and its syntax tree."""

    path: str
    tree: ast.Module

    @property
    def module(self) -> str:
        parts = Path(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]

    @property
    def name(self) -> str:
        return Path(self.path).name


def source(path: str, text: str) -> Source:
    return Source(path, ast.parse(text, filename=path))


def read_sources() -> list[Source]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            relative = str(path.relative_to(ROOT))
            found.append(source(relative, path.read_text(encoding="utf-8")))
    return found


SOURCES = read_sources()
MODULES = frozenset(each.module for each in SOURCES)


def imports_of(node: ast.AST, here: Source, modules: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Modules that the statements below ``node`` import, with their lines; a name that is a module counts
    as that module."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            for alias in each.names:
                yield alias.name, each.lineno
        elif isinstance(each, ast.ImportFrom):
            base = each.module or ""
            if each.level:
                levels = each.level - (Path(here.path).name == "__init__.py")
                parents = here.module.split(".")[: len(here.module.split(".")) - levels]
                base = ".".join([*parents, *([each.module] if each.module else [])])
            for alias in each.names:
                full = f"{base}.{alias.name}"
                yield (full if full in modules else base), each.lineno


def covers(prefix: str, module: str) -> bool:
    return module == prefix or module.startswith(f"{prefix}.")


def graph_of(sources: Sequence[Source], *, lazy: bool) -> dict[str, set[str]]:
    """Who imports whom when imported, with ``lazy`` also when called."""
    modules = frozenset(each.module for each in sources)
    graph: dict[str, set[str]] = {}
    for each in sources:
        nodes = (
            [each.tree] if lazy else [n for n in each.tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        )
        targets = {name for node in nodes for name, _ in imports_of(node, each, modules)}
        graph[each.module] = (targets & modules) - {each.module}
    return graph


GRAPH = graph_of(SOURCES, lazy=True)
HEIGHTS: dict[str, int] = {}


def named_storey(module: str) -> int | None:
    """The storey that the table gives ``module``. Command pages may know all but the front door."""
    if module.endswith(".cli") and module != "warren.cli":
        return FRONT_DOOR - 1
    for level, names in enumerate(STOREYS):
        for name in names:
            if module.startswith(name[:-1]) if name.endswith("*") else covers(name, module):
                return level
    return None


def storey(module: str, graph: Mapping[str, set[str]], known: dict[str, int]) -> int:
    """On which storey of the shared floor ``module`` lives: as named, or as high as what it imports.

    ``known`` keeps what was found; a ring of unnamed modules counts as low, its own test finds it.
    """
    if module not in known:
        known[module] = 0
        named = named_storey(module)
        below = [each for each in graph.get(module, ()) if covers("warren", each)]
        known[module] = (
            max((storey(each, graph, known) for each in below), default=0) if named is None else named
        )
    return known[module]


def package_faults(each: Source, modules: frozenset[str] = MODULES) -> Iterator[str]:
    """Imports of another package that no arrow allows."""
    for module, line in imports_of(each.tree, each, modules):
        target = module.partition(".")[0]
        if target not in PACKAGES or target in (each.package, "warren"):
            continue
        if not any(covers(prefix, module) for prefix in ALLOWED[each.package]):
            yield f"{each.path}:{line}: {each.package} must not import {module}"


def floor_faults(each: Source, modules: frozenset[str] = MODULES) -> Iterator[str]:
    """Imports within the shared floor that go up, and what exporters must not know."""
    for module, line in imports_of(each.tree, each, modules):
        if not covers("warren", module):
            continue
        own, height = named_storey(each.module), storey(module, GRAPH, HEIGHTS)
        if each.package == "warren" and own is not None and height > own:
            yield f"{each.path}:{line}: {module} stands above {each.module}"
        if each.package != "warren" and height == FRONT_DOOR:
            yield f"{each.path}:{line}: nobody imports the front door"
        forbidden = any(covers(prefix, module) for prefix in NOT_FOR_EXPORTERS)
        if each.package == "exporters" and forbidden and "drift" not in each.path:
            yield f"{each.path}:{line}: exporters are told by flags, not by {module}"


def library_faults(each: Source, modules: frozenset[str] = MODULES) -> Iterator[str]:
    """Libraries that only some files may know."""
    for module, line in imports_of(each.tree, each, modules):
        library = module.partition(".")[0]
        if library == "click" and each.name not in PAGES:
            yield f"{each.path}:{line}: click belongs into cli.py files"
        if library in ONLY_IN and not each.path.startswith(ONLY_IN[library]):
            yield f"{each.path}:{line}: {library} belongs into {', '.join(ONLY_IN[library])} only"


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of an attribute chain, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def aliases(each: Source) -> Mapping[str, str]:
    """What names bound by ``from module import name`` and ``import module as name`` really are."""
    found = {}
    for node in ast.walk(each.tree):
        if isinstance(node, ast.ImportFrom):
            found.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
        elif isinstance(node, ast.Import):
            found.update({a.asname: a.name for a in node.names if a.asname})
    return found


def real_name(node: ast.expr, known: Mapping[str, str]) -> str:
    name = dotted(node)
    head, dot, rest = name.partition(".")
    return f"{known.get(head, head)}{dot}{rest}"


def act_faults(each: Source) -> Iterator[str]:
    """Sleeping without a deadline, and ending the process where only the front door may."""
    known = aliases(each)
    for node in ast.walk(each.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            name = real_name(node, known)
            if name in ("time.sleep", "asyncio.sleep") and each.path not in WAITS:
                yield f"{each.path}:{node.lineno}: {name} waits without a deadline; use warren.wait"
            if name in ("sys.exit", "os._exit", "exit", "quit") and each.name not in FRONT_DOORS:
                yield f"{each.path}:{node.lineno}: {name} belongs to the front door; raise a WarrenError"
        if isinstance(node, ast.Raise) and node.exc is not None and each.name not in FRONT_DOORS:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if dotted(raised) == "SystemExit":
                yield f"{each.path}:{node.lineno}: SystemExit belongs to the front door"


def import_time_faults(each: Source) -> Iterator[str]:
    """What would happen just because a module is imported."""
    known = aliases(each)
    own = {node.name for node in each.tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for node in _import_time(each.tree.body):
        if _is_call(node, own) and each.name != "__main__.py":
            yield f"{each.path}:{node.lineno}: a call at import"
        for part in _without_bodies(node):
            if isinstance(part, ast.Attribute | ast.Name):
                name = real_name(part, known)
                wanted = any(name == w or (w.endswith(".") and name.startswith(w)) for w in AT_IMPORT)
                if wanted or any(name.endswith(w) for w in ("datetime.now",)):
                    yield f"{each.path}:{part.lineno}: {name} at import"
            if (
                isinstance(part, ast.Call)
                and isinstance(part.func, ast.Attribute)
                and part.func.attr in AT_IMPORT_METHODS
            ):
                yield f"{each.path}:{part.lineno}: {part.func.attr}() at import"


def _is_call(node: ast.stmt, own: set[str]) -> bool:
    """Whether a statement calls something for what it does; completing what the module itself
    defines (a constructor for its loader, a command for its group) is no act."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    head, dot, _ = dotted(node.value.func).partition(".")
    return not (dot and head in own)


def _import_time(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported: its own and those of its classes, not main blocks."""
    for node in body:
        if isinstance(node, ast.If) and "__name__" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.ClassDef):
            yield from _import_time(node.body)
            continue
        yield node


def _without_bodies(node: ast.AST) -> Iterator[ast.AST]:
    """Like `ast.walk`, leaving out what only runs when a function is called, and annotations."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        defaults = [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
        # A function named as a default (a clock, a source of randomness) is passed in, not called.
        for each in defaults:
            if not isinstance(each, ast.Name | ast.Attribute):
                yield from _without_bodies(each)
        return
    if isinstance(node, ast.AnnAssign):
        if node.value is not None and not isinstance(node.value, ast.Name | ast.Attribute):
            yield from _without_bodies(node.value)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _without_bodies(child)


def cycles(graph: Mapping[str, set[str]]) -> Iterator[str]:
    """Rings of modules that import each other while they are imported."""
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> Iterator[str]:
        if module in trail:
            yield " -> ".join([*trail[trail.index(module) :], module])
            return
        if module in done:
            return
        for target in sorted(graph.get(module, ())):
            yield from visit(target, (*trail, module))
        done.add(module)

    for module in sorted(graph):
        yield from visit(module, ())


CHECKS = (package_faults, floor_faults, library_faults, act_faults, import_time_faults)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_house_keeps_its_rules(check: object) -> None:
    faults = [fault for each in SOURCES for fault in check(each)]  # type: ignore[operator]
    assert not faults, "\n" + "\n".join(faults)


def test_no_modules_import_each_other_in_a_ring() -> None:
    assert not list(cycles(graph_of(SOURCES, lazy=False)))


def test_all_packages_were_read() -> None:
    assert {each.package for each in SOURCES} >= {"warren", "chaos", "loadgen"}
    assert len(SOURCES) > 40


MUTANTS = [
    ("loadgen/x.py", "import chaos.engine", package_faults),
    ("loadgen/x.py", "def f():\n    from exporters import names", package_faults),
    ("chaos/x.py", "from loadgen import publisher", package_faults),
    ("chaos/x.py", "from loadgen import transport", package_faults),
    ("dashboards/x.py", "from exporters.broker import Broker", package_faults),
    ("warren/x.py", "from chaos.engine import heal", package_faults),
    ("report/x.py", "import loadgen.ledger", package_faults),
    ("warren/errors.py", "from warren.console import Say", floor_faults),
    ("warren/topology.py", "from warren import management", floor_faults),
    ("warren/runtime/compose.py", "from warren.cluster import up", floor_faults),
    ("warren/runtime/compose.py", "from ..cluster import up", floor_faults),
    ("warren/cluster.py", "from warren.operate.status import text", floor_faults),
    ("warren/topology_x.py", "import warren.cli", floor_faults),
    ("warren/journal.py", "from warren import volume_writing", floor_faults),
    ("chaos/x.py", "from warren.cli import main", floor_faults),
    ("exporters/x.py", "from warren.topology_reader import load\nfrom warren import topology", floor_faults),
    ("chaos/engine.py", "import click", library_faults),
    ("chaos/client.py", "from pika import spec", library_faults),
    ("chaos/clients/orders.py", "import pika", library_faults),
    ("warren/cluster.py", "from click import echo", library_faults),
    ("exporters/x.py", "import pika.spec", library_faults),
    ("exporters/canary/flight.py", "from pika import spec", library_faults),
    ("warren/render.py", "from pika import spec", library_faults),
    ("warren/queues/redrive.py", "import pika", library_faults),
    ("report/x.py", "from grafanalib.core import Graph", library_faults),
    ("chaos/x.py", "import time\ntime.sleep(1)", act_faults),
    ("chaos/x.py", "import time as t\ndef f():\n    t.sleep(1)", act_faults),
    ("chaos/x.py", "from time import sleep as rest\ndef f():\n    rest(1)", act_faults),
    ("chaos/x.py", "import sys\ndef f():\n    sys.exit(1)", act_faults),
    ("chaos/x.py", "from sys import exit\ndef f():\n    exit(1)", act_faults),
    ("chaos/x.py", "def f():\n    raise SystemExit(3)", act_faults),
    ("chaos/x.py", "import os\nHOME = os.environ['HOME']", import_time_faults),
    ("chaos/x.py", "from os import environ\nclass A:\n    home = environ['HOME']", import_time_faults),
    ("chaos/x.py", "TEXT = open('x').read()", import_time_faults),
    ("chaos/x.py", "from pathlib import Path\nTEXT = Path('x').read_text()", import_time_faults),
    ("chaos/x.py", "import time\nT0 = time.monotonic()", import_time_faults),
    ("chaos/x.py", "from datetime import datetime\nT0 = datetime.now()", import_time_faults),
    ("chaos/x.py", "import random\nX = random.random()", import_time_faults),
    ("chaos/x.py", "def f(x=open('y')): ...", import_time_faults),
    ("chaos/x.py", "f()", import_time_faults),
    ("chaos/x.py", "def f(): ...\nf()", import_time_faults),
    ("chaos/x.py", "import os\nos.umask(0)", import_time_faults),
    ("loadgen/judge.py", "from pika import spec", library_faults),
]


@pytest.mark.parametrize(("path", "text", "check"), MUTANTS)
def test_broken_rule_is_caught(path: str, text: str, check: object) -> None:
    faults = list(check(source(path, text)))  # type: ignore[operator]
    assert faults
    assert all(fault.startswith(f"{path}:") for fault in faults)


SOUND = [
    ("chaos/cli.py", "import click\nfrom warren.operate.cli import json_option"),
    ("chaos/x.py", "from loadgen import engine\nfrom loadgen.ledger import Kind"),
    ("report/x.py", "from dashboards.view import assets"),
    ("dashboards/x.py", "from exporters.names import LAG\nfrom grafanalib.core import Graph"),
    ("warren/wait.py", "import time\nREST = time.sleep"),
    ("warren/x/cli.py", "import sys\nimport click\ndef main():\n    sys.exit(0)"),
    ("loadgen/__main__.py", "import sys\nsys.exit(0)\n"),
    ("exporters/drift.py", "from warren.topology_reader import load"),
    ("chaos/x.py", "import random\ndef f(draw=random.random):\n    return draw()"),
    ("warren/x.py", "class A: ...\nA.register(int)"),
    ("chaos/x.py", "import re\nNAME = re.compile('x')\nif __name__ == '__main__':\n    print(1)"),
]


@pytest.mark.parametrize(("path", "text"), SOUND)
def test_sound_module_passes(path: str, text: str) -> None:
    assert not [fault for check in CHECKS for fault in check(source(path, text))]


def test_ring_is_caught() -> None:
    ring = [
        source("chaos/a.py", "from chaos import b"),
        source("chaos/b.py", "from chaos.c import x"),
        source("chaos/c.py", "import chaos.a"),
    ]
    assert list(cycles(graph_of(ring, lazy=False))) == ["chaos.a -> chaos.b -> chaos.c -> chaos.a"]
