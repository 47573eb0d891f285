"""Figures that are called present are of the end of the time range, and are not there where that has none.

A panel of one large figure takes the last point that its query found anywhere in the range (``lastNotNull``),
so that a load that ended ten minutes ago is still shown at its last rate. Grafana's other reducer, ``last``,
does the same: an answer of Prometheus has no points where there is nothing, so its last point is the last one
that there was. A query for one moment has no such past; a query over the range, which the line below a figure
is drawn from, is cut down to series that are still there at its end.
"""

from __future__ import annotations

#: At the end of the range, as of the query's own step: what it would give if it were asked for that alone.
_AT_THE_END = "[$__interval:$__interval] @ end()"


def still_there(expr: str) -> str:
    """``expr`` over a range, of its series that have a value at the end of the range.

    ``@ end()`` is evaluated once for all points of a range:
    https://prometheus.io/docs/prometheus/latest/querying/basics/#modifier
    """
    return f"({expr}) and last_over_time(({expr}){_AT_THE_END})"


def is_still_there(expr: str) -> bool:
    """Whether ``expr`` is one that `still_there` made."""
    shortest = still_there("")
    inner = expr[1 : 1 + (len(expr) - len(shortest)) // 2]
    return expr == still_there(inner)
