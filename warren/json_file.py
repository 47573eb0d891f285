"""Reading a file that must hold a JSON object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from warren.errors import BadInputError


def read_object(path: Path) -> dict[str, Any]:
    """The object in the file at ``path``. Raises BadInputError, naming it, where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(str(path), f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadInputError(str(path), f"is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadInputError(str(path), "is not a JSON object")
    return content
