"""One authority followed by another, with a time in which both are trusted.

``NAME-ca.pem`` holds all authorities that are trusted, the one that signs first, and ``NAME-ca.key`` is that
one's key: so everybody who is given the file trusts both, and `Pki.ensure_leaf` makes anew what the other one
has signed. The other one lies beside it, as ``next`` before it signs and as ``former`` after.
Every change can be repeated from wherever it broke off.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from warren.pki import Pair, Pki, belong_together
from warren.state import write_atomically

#: The name of a certificate of the authority that does not sign, to see whether somebody trusts it. No user
#: or node may be called so.
WITNESS = ".witness"
#: ``none``: there is one authority; ``trusted``: another is trusted and does not sign; ``signing``: the other
#: one signs, and the former is trusted still.
Stage = Literal["none", "trusted", "signing"]


@dataclass(frozen=True, slots=True)
class Succession:
    """That of the authority called ``name``."""

    pki: Pki
    name: str

    @property
    def stage(self) -> Stage:
        """How far it has come, as its files say."""
        if self._next.key.exists():
            return "trusted"
        return "signing" if self._former.key.exists() else "none"

    def begin(self) -> None:
        """Make another authority, if there is none, and have both trusted."""
        if not belong_together(self._next):
            self.pki.make_authority(self.name, self._next)
        self._trust(_first(self._used.certificate), _first(self._next.certificate))

    def give_up(self) -> None:
        """Have the one in use trusted alone, before the other has signed anything."""
        self._trust(_first(self._used.certificate))
        _remove(self._next)

    def promote(self) -> None:
        """Let the next one sign; the one in use becomes the former, and stays trusted."""
        if self.stage == "trusted":
            if not self._former.key.exists():
                _copy(self._used, self._former)
            self._put_to_use(self._next, beside=self._former)
            _remove(self._next)

    def demote(self) -> None:
        """Let the former one sign again; the one in use becomes the next."""
        if not self._former.key.exists():
            return
        if not self._next.key.exists():
            _copy(self._used, self._next)
        self._put_to_use(self._former, beside=self._next)
        _remove(self._former)

    def make_witness(self) -> None:
        """A certificate of the next authority, or of the former; where there is neither, one that was made
        before stays."""
        other = next((pair for pair in (self._next, self._former) if pair.key.exists()), None)
        if other is not None:
            self.pki.leaf_of(other, self.name, WITNESS, hosts=("witness",), purpose="both")

    def remove_witness(self) -> None:
        _remove(self.pki.leaf(self.name, WITNESS))

    def drop(self) -> None:
        """Have the one that signs trusted alone; the former's key is gone then."""
        self._trust(_first(self._used.certificate))
        _remove(self._former)

    @property
    def _used(self) -> Pair:
        return self.pki.authority(self.name)

    @property
    def _next(self) -> Pair:
        return self._beside("next")

    @property
    def _former(self) -> Pair:
        return self._beside("former")

    def _beside(self, word: str) -> Pair:
        folder = self.pki.folder
        return Pair(folder / f"{self.name}-ca.{word}.pem", folder / f"{self.name}-ca.{word}.key")

    def _put_to_use(self, pair: Pair, *, beside: Pair) -> None:
        write_atomically(self._used.key, pair.key.read_bytes(), mode=0o600)
        self._trust(_first(pair.certificate), _first(beside.certificate))

    def _trust(self, *certificates: bytes) -> None:
        write_atomically(self._used.certificate, b"".join(certificates), mode=0o644)


def _first(path: Path) -> bytes:
    """The certificate of the authority that signs, as PEM."""
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.PEM)


def _copy(pair: Pair, to: Pair) -> None:
    """The key last: by it `Succession.stage` knows that the pair is there."""
    write_atomically(to.certificate, _first(pair.certificate), mode=0o644)
    write_atomically(to.key, pair.key.read_bytes(), mode=0o600)


def _remove(pair: Pair) -> None:
    pair.key.unlink(missing_ok=True)
    pair.certificate.unlink(missing_ok=True)
