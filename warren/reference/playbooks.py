"""The playbooks of operations: one a file of ``warren/operations/``, so that none is missing.

All do the same by one role, and differ in what an operation is told and in what is said of it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from warren.operating.model import Operation, Parameter

_WIDTH = 118


def file_name(name: str) -> str:
    """A collection's playbook is called by its file, which has to be an identifier."""
    return f"{name.replace('-', '_')}.yml"


def playbook(name: str, operation: Operation) -> str:
    """The text of the playbook for the operation called ``name``."""
    summary = f"{operation.summary[0].upper()}{operation.summary[1:]}"
    return "\n".join([*_head(name, operation, summary), *_play(name, operation, summary), ""])


def _head(name: str, operation: Operation, summary: str) -> Iterator[str]:
    yield from _remark(
        f"Made by Warren from warren/operations/{file_name(name).removesuffix('.yml')}.py (make docs)."
    )
    yield from _remark(f"{summary}. --check shows the plan. Clients: {operation.promise}.")
    yield from _remark(f"With -e operation_undo=true, where it stopped on its way: {operation.undoing}.")
    for each in operation.parameters:
        yield from _remark(f"-e operation_{each.name}=…: {_described(each)}")


def _described(parameter: Parameter) -> str:
    what = parameter.help[0].lower() + parameter.help[1:]
    where = ", on the controller, by its whole path" if parameter.kind == "file" else ""
    choices = f" ({', '.join(parameter.choices)})" if parameter.choices else ""
    needed = "; needed" if parameter.default is None else ""
    return f"{what}{where}{choices}{needed}."


def _remark(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False):
        yield f"# {line}"


def _play(name: str, operation: Operation, summary: str) -> Iterator[str]:
    yield "---"
    yield "- name: Begin with an inventory that has nodes"
    yield "  ansible.builtin.import_playbook: look_for_nodes.yml"
    yield ""
    yield f"- name: {_quoted(summary)}"
    yield "  hosts: rabbitmq"
    yield "  gather_facts: false"
    yield "  any_errors_fatal: true"
    yield "  tasks:"
    yield f"    - name: Carry out {name}"
    yield "      ansible.builtin.include_role:"
    yield "        name: warren.hosts.operation"
    yield "      vars:"
    yield f"        operation_name: {name}"
    if operation.parameters:
        yield "        operation_arguments:"
    for each in operation.parameters:
        yield f'          {each.name}: "{{{{ {_value(each)} }}}}"'


def _value(parameter: Parameter) -> str:
    variable = f"operation_{parameter.name}"
    if parameter.default is None:
        return f"{variable} | mandatory('say it: -e {variable}=…')"
    return f"{variable} | default('{parameter.default}')"


def _quoted(text: str) -> str:
    return f'"{text}"' if ": " in text or '"' in text else text
