"""Values of an Ansible role's own variables, so that no path of a host is written down twice.

Core Jinja only, as for the templates (`warren.render`); what only Ansible can work out is refused by name.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jinja2
import jinja2.meta
import jinja2.nativetypes

from warren import checkout, render
from warren.errors import BadInputError
from warren.reader import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleValues:
    """``role``'s variables as Ansible would have them for a host of which the inventory says ``given``: those
    in ``vars`` before the inventory's, and these before the defaults."""

    role: str
    given: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """The variable called ``name``, templates worked out; raises BadInputError where that takes what is
        not known here."""
        return self._worked_out(name, self._raw(name))

    def text(self, template: str) -> str:
        """The text of the role's template of that name; raises as `value` does."""
        path = checkout.path("ansible", "roles", self.role, "templates", f"{template}.j2")
        wanted = _wanted(path.read_text(encoding="utf-8"))
        return render.render_template(path, {name: self.value(name) for name in wanted})

    def _raw(self, name: str) -> Any:
        for known in self._known():
            if name in known:
                return known[name]
        raise BadInputError(f"role {self.role}", f"{name} is not known", "name it in the inventory")

    def _known(self) -> tuple[Mapping[str, Any], ...]:
        return self._file("vars"), self.given, self._file("defaults")

    def _file(self, folder: str) -> Mapping[str, Any]:
        path = checkout.ROOT / "ansible" / "roles" / self.role / folder / "main.yml"
        return _parsed(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _worked_out(self, name: str, raw: Any) -> Any:
        if isinstance(raw, Mapping):
            return {key: self._worked_out(name, each) for key, each in raw.items()}
        if isinstance(raw, list):
            return [self._worked_out(name, each) for each in raw]
        if not (isinstance(raw, str) and "{{" in raw):
            return raw
        wanted: frozenset[str] = frozenset()
        try:
            wanted = _wanted(raw)
            there = {each for each in wanted if any(each in known for known in self._known())}
            return _compiled(raw).render({each: self.value(each) for each in there})
        except jinja2.UndefinedError as error:  # and nothing stands in for it, as `default` would
            for each in sorted(wanted):
                self._raw(each)
            raise BadInputError(f"role {self.role}", f"{name}: {error.message}") from error
        except jinja2.TemplateError as error:
            what = f"{name} is a template that only Ansible can work out: {error}"
            raise BadInputError(f"role {self.role}", what, f"say {name} in the inventory as it is") from error


# Of each text once: one file is rendered for every node, and its variables refer to the same others.


@functools.cache
def _wanted(text: str) -> frozenset[str]:
    """The variables that a template takes."""
    parsed = jinja2.Environment(autoescape=False).parse(text)  # noqa: S701 - looked at, not rendered
    return frozenset(jinja2.meta.find_undeclared_variables(parsed))


@functools.cache
def _compiled(text: str) -> jinja2.Template:
    return jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined).from_string(text)


@functools.cache
def _parsed(text: str) -> Mapping[str, Any]:
    return plain(text) or {}
