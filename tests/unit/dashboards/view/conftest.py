"""The renderer's modules in a JavaScript engine of their own: V8 without a page, from a wheel."""

from __future__ import annotations

import json
from typing import Any

import pytest
from py_mini_racer import MiniRacer

from dashboards.view.assets import STATIC
from dashboards.view.bundle import bundle


class Modules:
    """Calls exported functions of the renderer's modules with JSON in and JSON out."""

    def __init__(self) -> None:
        self._engine = MiniRacer()
        self._engine.eval(bundle((STATIC,), "page", "pages"))

    def call(self, module: str, function: str, *arguments: Any) -> Any:
        """What ``function`` returns; undefined and NaN come back as None."""
        given = ", ".join(json.dumps(one) for one in arguments)
        return self.evaluate(f"module_{module}.{function}({given})")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression over ``module_<name>`` objects."""
        text = self._engine.eval(f"JSON.stringify(({expression}) ?? null)")
        return json.loads(str(text))


@pytest.fixture(scope="session")
def modules() -> Modules:
    """The renderer, loaded once."""
    return Modules()
