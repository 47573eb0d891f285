"""The seconds of a run as columns: fewer bytes than rows, thinned where a run is long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

#: Points a chart may hold, more than a screen has pixels across; a longer run is joined into buckets.
MOST_POINTS = 1800
_DIGITS = 4


def columns_of(series: Sequence[Mapping[str, Any]], *, most: int = MOST_POINTS) -> dict[str, Any]:
    """``{"t_s": […], "columns": {key: […]}, "seconds_per_point": n}`` of the result's ``series``.

    Joined seconds take the mean of rates, and the largest of everything else, so that no peak of a latency
    is lost. Numbers keep four significant digits; a value that is missing is null.
    """
    size = max(1, math.ceil(len(series) / most))
    buckets = [series[at : at + size] for at in range(0, len(series), size)]
    keys = list(dict.fromkeys(key for row in series for key in row if key != "t_s"))
    columns = {key: [_joined(key, bucket) for bucket in buckets] for key in keys}
    return {
        "t_s": [short_number(bucket[0]["t_s"]) for bucket in buckets],
        "columns": {
            key: values for key, values in columns.items() if any(value is not None for value in values)
        },
        "seconds_per_point": size,
    }


def _joined(key: str, bucket: Sequence[Mapping[str, Any]]) -> float | int | None:
    values = [row[key] for row in bucket if _is_number(row.get(key))]
    if not values:
        return None
    return short_number(sum(values) / len(values) if key.endswith("_per_s") else max(values))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def short_number(value: float) -> float | int:
    """Four significant digits, and no digits at all after the point of a large number."""
    if value == 0 or float(value).is_integer():
        return int(value)
    return round(value, max(0, _DIGITS - 1 - math.floor(math.log10(abs(value)))))
