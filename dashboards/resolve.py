"""Grafana's variables in PromQL replaced by values, for checks that ask Prometheus without Grafana."""

from __future__ import annotations

import re
from collections.abc import Mapping

from warren.errors import BadInputError

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
#: What the time range of a check stands for; the rate window is Grafana's, four scrapes of five seconds.
_BUILT_IN = {"__rate_interval": "20s", "__interval": "5s", "__range": "15m"}


def resolve(expr: str, values: Mapping[str, str]) -> str:
    """``expr`` with every variable replaced; raises BadInputError naming one that has no value."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = values.get(name, _BUILT_IN.get(name))
        if found is None:
            raise BadInputError(expr, f"variable ${name} has no value", f"known: {', '.join(sorted(values))}")
        return found

    return _VARIABLE.sub(value, expr)
