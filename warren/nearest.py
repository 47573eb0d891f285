"""What somebody may have meant who typed a name that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(name: str, known: Iterable[str], otherwise: str) -> str:
    """What to try in place of ``name``: the nearest of ``known``, or ``otherwise`` where none is near."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f"did you mean '{close[0]}'?" if close else otherwise
