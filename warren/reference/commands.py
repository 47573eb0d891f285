"""``docs/commands.md``: every command with its arguments, options, defaults and variables.

Read off the commands themselves, so no import of click is needed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HEAD = """# Commands

Every command, as `warren … --help` has it; written by `make docs`. Each option can also come from the
variable beside it, but for passwords, which come from a file, a descriptor or a prompt only. `make help`
lists the short ways.

Exit codes: 0 done and passed; 1 the verdict failed; 2 wrong usage or bad input, nothing was changed; 3 the
environment is not ready; 4 inconclusive; 70 a bug of ours; 130 interrupted.
"""
_TABLE = ("| option | default | variable | |", "|---|---|---|---|")
#: An option that so many commands share, to the letter, is described once, before them.
_SHARED_BY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """One command: how it is called, and its options, by their longest names: the row of each."""

    title: str
    usage: str
    help: str
    rows: Mapping[str, str]


def page(root: Any) -> str:
    """The page for the root command ``root``: what many commands share, then a section per command, in the
    order of its help."""
    context = root.context_class(root, info_name="warren", **root.context_settings)
    sections = [section for name in root.list_commands(context) for section in _walk(root, context, name)]
    times = Counter(row for section in sections for row in section.rows.values())
    shared = {row for row, count in times.items() if count >= _SHARED_BY}
    head = [_HEAD]
    if shared:
        head += ["Options of many commands:", "", *_TABLE, *(row for row in times if row in shared), ""]
    return "\n".join([*head, *(line for section in sections for line in _lines(section, shared))])


def _lines(section: _Section, shared: Container[str]) -> list[str]:
    rows = [row for row in section.rows.values() if row not in shared]
    also = [f"`{name}`" for name, row in section.rows.items() if row in shared]
    lines = [f"## {section.title}", "", f"    {section.usage}", "", section.help]
    if rows:
        lines += ["", *_TABLE, *rows]
    if also:
        lines += ["", f"{'And' if rows else 'Options:'} {', '.join(also)}, as above."]
    return [*lines, ""]


def _walk(group: Any, context: Any, name: str) -> Iterator[_Section]:
    command = group.get_command(context, name)
    if command is None or command.hidden:
        return
    inner = command.context_class(command, info_name=name, parent=context, **command.context_settings)
    if not hasattr(command, "list_commands"):
        yield _section(command, inner)
        return
    if command.invoke_without_command:
        yield _section(command, inner)
    for each in command.list_commands(inner):
        yield from _walk(command, inner, each)


def _section(command: Any, context: Any) -> _Section:
    options = [each for each in command.params if each.param_type_name == "option"]
    return _Section(
        title=context.command_path,
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        help=_plain(command.help or ""),
        rows={max(each.opts, key=len): _row(each, context) for each in options},
    )


def _row(option: Any, context: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    kind = "" if option.is_flag else f" {_escaped(option.make_metavar(context))}"
    default = option.get_default(context, call=False)
    unset = default is None or default is False or default == () or type(default).__name__ == "Sentinel"
    shown = "" if unset else f"`{default}`"
    variable = "" if option.name and "password" in option.name else f"`{_variable(option, context)}`"
    return f"| {names}{kind} | {shown} | {variable} | {_escaped(option.help or '')} |"


def _variable(option: Any, context: Any) -> str:
    if option.envvar:
        return str(option.envvar)
    flag = max(option.opts, key=len).lstrip("-").replace("-", "_").upper()
    return f"{context.auto_envvar_prefix}_{flag}"


def _plain(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines()).replace("\b", "")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
