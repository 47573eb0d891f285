from __future__ import annotations

from collections.abc import Iterator

import bcrypt
import pytest


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """Right ones, made and checked in a moment: how long they take is not what is tried here."""
    with pytest.MonkeyPatch.context() as patch:
        salt = bcrypt.gensalt
        patch.setattr(bcrypt, "gensalt", lambda rounds: salt(min(rounds, 4)))
        yield
