"""What the documents and the messages name is there: commands, options, variables, targets, paths, links,
profiles, metrics and alerts."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from warren import checkout, rules
from warren.cli import root
from warren.topology import Topology

ROOT = checkout.ROOT
#: Written by people; what the code writes is held against the code elsewhere, and linked to all the same.
GENERATED = {ROOT / "docs" / f"{name}.md" for name in ("commands", "metrics", "alerts", "assertions")}
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "ansible").rglob("*.md")],
)
WRITTEN = [page for page in PAGES if page not in GENERATED]
SOURCES = sorted(
    path
    for package in ("warren", "chaos", "loadgen", "exporters", "dashboards", "report")
    for path in (ROOT / package).rglob("*.py")
)
#: What stands for a word that the reader puts in.
PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*(=.*)?$|[./~<\[{$…'\"]|.*[<…]")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_of(text: str) -> Iterator[str]:
    """Every piece of code of a Markdown page: lines of blocks, and what stands between backticks."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)
    joined = re.sub(r"(?m)^(    .*|```.*)$", "", text)
    yield from (" ".join(each.split()) for each in re.findall(r"`([^`]+)`", joined) if "\n" in each)


def texts_of(source: Path) -> Iterator[str]:
    """Every string of a module, f-strings with … for what is filled in."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


# -- commands ----------------------------------------------------------------------------------------------

#: A command ends where its explanation, a remark, a pipe or the next command begins.
COMMAND = re.compile(r"(?:^|(?<=[\s(`'\";]))(?:\.venv/bin/)?warren +([a-z][^\n]*)")
END = re.compile(r"  +|\t| -- | [#|&>(]|[;`'\"]|, | and ")


def faults_of(words: str) -> Iterator[str]:
    """What `warren WORDS` names that the command line does not have."""
    command: click.Command = root
    context = click.Context(root, info_name="warren")
    options: set[str] = set()
    for given in END.split(words)[0].split():
        word = given.rstrip(".,:)")
        if word.startswith("…") and isinstance(command, click.Group):
            return  # any command of the group
        if word.startswith("--"):
            options.add(word.partition("=")[0])
        elif isinstance(command, click.Group) and not PLACEHOLDER.match(word):
            found = [command.get_command(context, each) for each in word.split("|")]
            if None in found:
                if not command.invoke_without_command:
                    yield f"warren {words}: no command '{word}'"
                return
            command = found[0] or command
    known = {each for option in command.params for each in (*option.opts, *option.secondary_opts)}
    for option in sorted(options - known - {"--help", "--version", "--"}):
        yield f"warren {words}: no option {option}"


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_command_in_a_page_is_there(page: Path) -> None:
    pieces = list(code_of(page.read_text(encoding="utf-8")))
    found = [match[1] for piece in pieces for match in COMMAND.finditer(piece)]
    assert [fault for words in found for fault in faults_of(words)] == []


def test_every_command_that_a_message_or_a_help_text_names_is_there() -> None:
    found = {
        fault
        for source in SOURCES
        for text in texts_of(source)
        for match in COMMAND.finditer(text)
        if match[1].split()[0] in root.list_commands(click.Context(root))
        for fault in faults_of(match[1])
    }
    assert found == set()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("cluster upp", "no command 'upp'"),
        ("chaos kill rmq2 --fore 20s", "no option --fore"),
        ("load run work --rate 5 --duraton 3s   the rest", "no option --duraton"),
    ],
)
def test_what_is_not_there_is_found(words: str, fault: str) -> None:
    assert [each.rpartition(": ")[2] for each in faults_of(words)] == [fault]


def test_explanations_and_other_programs_options_are_not_taken_for_ours() -> None:
    assert list(faults_of("cluster ctl rmq1 -- rabbitmqctl list_queues --foo")) == []
    assert list(faults_of("topology render            write (--nothing: only compare)")) == []


# -- make --------------------------------------------------------------------------------------------------


@functools.cache
def targets() -> frozenset[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def goals(text: str) -> Iterator[str]:
    for words in re.findall(r"\bmake((?: +[a-z][a-z-]*\b(?!=))+)", re.sub(r"  +", "\n", text)):
        yield from words.split()


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_make_target_in_a_page_is_there(page: Path) -> None:
    pieces = code_of(page.read_text(encoding="utf-8"))
    assert [goal for piece in pieces for goal in goals(piece) if goal not in targets()] == []


def test_every_make_target_that_a_message_names_is_there() -> None:
    """`make room` is no target: those of two words are, and those that are there."""
    found = {goal for source in SOURCES for text in texts_of(source) for goal in goals(text) if "-" in goal}
    assert found
    assert found - targets() == set()


def test_every_command_that_a_target_calls_is_there() -> None:
    called = re.findall(
        r"^\t\$\(WARREN\) (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(called) > 10
    words = [re.sub(r"\$\((\w+)\)", r"\1", each) for each in called]
    assert [fault for each in words for fault in faults_of(each)] == []


def test_make_bench_makes_no_more_queues_than_the_labs_nodes_hold(deployed: Topology) -> None:
    """It would end there, and the ledger's part with it."""
    scrapes = importlib.import_module("loadgen.bench.scrapes")
    command = re.search(
        r"bench scrapes(?: --queues (\d+))?$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    assert command
    scrapes.refuse_what_does_not_fit(deployed, int(command[1] or 10_000), "classic")


# -- options, variables, paths, links ----------------------------------------------------------------------


@functools.cache
def readers() -> str:
    """Everything that may read a variable, and the variables of all options."""
    code = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "deploy" / "setup").glob("*.sh")]
    return "".join(path.read_text(encoding="utf-8") for path in [*code, ROOT / "docs" / "commands.md"])


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_variable_in_a_page_is_read_somewhere(page: Path) -> None:
    names = set(re.findall(r"\b(WARREN_[A-Z][A-Z_]*[A-Z])\b", page.read_text(encoding="utf-8")))
    assert [name for name in sorted(names) if name not in readers()] == []


FOLDERS = "warren|chaos|loadgen|exporters|dashboards|report|ansible|deploy|tests|docs|requirements|[.]ci"
PATH = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./*<>{{}}-]*")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_of_the_checkout_in_a_page_is_there(page: Path) -> None:
    missing = []
    for piece in code_of(page.read_text(encoding="utf-8")):
        for match in PATH.finditer(piece):
            path = re.sub(r"<[^>]*>|\{[^}]*\}", "*", match[0]).rstrip(".")
            if not list(ROOT.glob(path.rstrip("/"))):
                missing.append(match[0])
    assert missing == []


def test_every_page_that_the_code_refers_to_is_there() -> None:
    named = {
        match[0]
        for source in SOURCES
        for match in PATH.finditer(source.read_text(encoding="utf-8"))
        if match[0].endswith(".md") and not set("<{*") & set(match[0])
    }
    assert named
    assert [each for each in sorted(named) if not (ROOT / each).is_file()] == []


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: https://docs.github.com/en/get-started/writing-on-github"""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


# -- profiles, metrics, alerts -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_profile_that_a_page_runs_is_there(page: Path) -> None:
    kinds = ("scenarios", "composites")
    known = {path.stem for kind in kinds for path in (ROOT / "loadgen" / kind).glob("*.yml")}
    named = {
        word
        for piece in code_of(page.read_text(encoding="utf-8"))
        for word in re.findall(r"\b(?:load (?:run|sweep)|PROFILE=) ?([a-z][a-z-]*)\b(?![./])", piece)
    }
    assert named - known == set()


def test_every_profile_that_the_readme_lists_is_there() -> None:
    (line,) = re.findall(r"warren load list {2,}(.*)", (ROOT / "README.md").read_text(encoding="utf-8"))
    named = set(line.split(", ")) - {"…"}
    assert named - {path.stem for path in (ROOT / "loadgen" / "scenarios").glob("*.yml")} == set()


@functools.cache
def series() -> frozenset[str]:
    """Every word of what names a metric, or a variable of a role: the reference, the rules, the code,
    templates, defaults and specifications of arguments."""
    roles = ROOT / "ansible" / "roles"
    ansible = [
        *roles.rglob("*.j2"),
        *roles.glob("*/defaults/*.yml"),
        *roles.glob("*/meta/argument_specs.yml"),
    ]
    parts = [path.read_text(encoding="utf-8") for path in rules.files()]
    parts += [path.read_text(encoding="utf-8") for path in [*SOURCES, *ansible]]
    parts.append((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"))
    return frozenset(re.findall(r"\b\w+\b", "\n".join(parts)))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_metric_and_alert_of_ours_in_a_page_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    metrics = set(re.findall(r"\bwarren_[a-z0-9_]*[a-z0-9]\b(?!\*)", text))
    alerts = set(re.findall(r"\bWarren[A-Z][A-Za-z]+\b", text))
    parts = {each for each in metrics if re.sub(r"_(bucket|count|sum)$", "", each) in series()}
    assert sorted((metrics | alerts) - series() - parts) == []
