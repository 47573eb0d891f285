"""Durations as people write them: ``30s``, ``1.5m``, ``1h``, ``500ms`` or plain seconds."""

from __future__ import annotations

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def parse_duration_s(text: str) -> float:
    """The seconds that ``text`` means. Raises ValueError, with examples, for anything that is no duration."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 30s, 2m, 1h or 500ms")
    return float(match[1]) * _UNITS_S[match[2]]
