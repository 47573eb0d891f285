"""What a server answers with."""

from __future__ import annotations

import json
from typing import Any


def json_object(body: str | bytes) -> dict[str, Any]:
    """An answer's JSON object; empty where it is none, as from a proxy or another program on the port."""
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
