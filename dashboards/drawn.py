"""Kinds of panel that grafanalib 0.7.1 has only in a form that Grafana dropped."""

from __future__ import annotations

from typing import Any

import attr
from grafanalib import core


class Table(core.Panel):  # type: ignore[misc]
    """grafanalib's own table is the one that Grafana dropped in version 8."""

    def to_json_data(self) -> Any:
        return self.panel_json({"type": "table", "options": {"showHeader": True, "cellHeight": "sm"}})


@attr.s
class Heatmap(core.Panel):  # type: ignore[misc]
    """grafanalib's own heat map is the one that Grafana dropped in version 9.

    ``bucket_unit`` is that of the histogram's sizes.
    """

    bucket_unit: str = attr.ib(default="s", validator=attr.validators.instance_of(str))

    def to_json_data(self) -> Any:
        options = {
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Blues", "steps": 32, "exponent": 0.5, "fill": "blue"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": self.bucket_unit},
        }
        return self.panel_json({"type": "heatmap", "options": options})
