"""HTTP basic authentication against bcrypt hashes or password files."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from pathlib import Path

import bcrypt

from dashboards.view.config import Credential
from warren.errors import BadInputError

#: A hash that no password has, checked for unknown users so that they take as long as known ones.
_NOBODY = "$2b$10$abcdefghijklmnopqrstuuSdYvbnmNNRkKuSVzgYjT0i8pYdB6mbu"


class Gate:
    """Decides whether an ``Authorization`` header is one of the users'.

    A bcrypt check takes a tenth of a second by design and a page asks thirty things at once, so the last
    good password of each user is remembered, as a keyed digest that lives and dies with the process.
    """

    def __init__(self, credentials: tuple[Credential, ...]) -> None:
        """Read the password files; raise BadInputError for one that is missing or empty."""
        self._hashes = {one.user: one.password_bcrypt for one in credentials if one.password_bcrypt}
        self._passwords = {
            one.user: read_secret(one.password_file) for one in credentials if one.password_file
        }
        self._key = secrets.token_bytes(32)
        self._good: dict[str, bytes] = {}
        self._lock = threading.Lock()  # one bcrypt check at a time: guessing must not take all cores

    def admits(self, header: str | None) -> bool:
        """Whether the header names a user with the right password."""
        user, password = _parse(header)
        if user is None or password is None:
            return False
        if user in self._passwords:
            return hmac.compare_digest(password, self._passwords[user].encode())
        return self._admits_hashed(user, password)

    def _admits_hashed(self, user: str, password: bytes) -> bool:
        digest = hmac.new(self._key, user.encode() + b"\0" + password, hashlib.sha256).digest()
        remembered = self._good.get(user)
        if remembered is not None and hmac.compare_digest(remembered, digest):
            return True
        with self._lock:
            good = _check(password, self._hashes.get(user, _NOBODY)) and user in self._hashes
        if good:
            self._good[user] = digest
        return good


def _check(password: bytes, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(password, hashed.encode())
    except ValueError:  # longer than bcrypt's 72 bytes
        return False


def _parse(header: str | None) -> tuple[str | None, bytes | None]:
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else (None, None)
    except ValueError:  # no base64, characters that are none of its, or not UTF-8
        return None, None


def read_secret(path: Path) -> str:
    """The first line of a secret's file. Raises BadInputError where there is none."""
    try:
        text = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInputError(str(path), f"the password file cannot be read: {error.strerror}") from error
    if not text or not text[0]:
        raise BadInputError(str(path), "the password file is empty")
    return text[0]
