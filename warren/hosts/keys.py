"""The key by which Warren and Ansible log in on test hosts, and the keys by which these are known again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from warren.hosts.place import Place
from warren.state import write_atomically


@dataclass(frozen=True, slots=True)
class Keys:
    """The files below ``folder``, of the cluster's state: ``id_ed25519`` and ``known_hosts``."""

    folder: Path

    @property
    def private(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def ensure(self) -> str:
        """Make the key (Ed25519, no passphrase, mode 0600) if it is not there; returns its public half, one
        line as in ``authorized_keys``."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        try:
            key = load_ssh_private_key(self.private.read_bytes(), password=None)
        except (FileNotFoundError, ValueError):
            key = ed25519.Ed25519PrivateKey.generate()
            text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            write_atomically(self.private, text, mode=0o600)
        return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def forget(self) -> None:
        """Know no host any more, and keep no connection to one (ssh has its sockets here): a host that is
        made anew has the address of the one before it, and is another."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path == self.known_hosts or path.is_socket():
                path.unlink(missing_ok=True)

    def know(self, places: Iterable[Place], host_keys: Mapping[str, str]) -> None:
        """Write ``known_hosts``: each host's key, as it was read out of the host itself, under its name and
        its address."""
        lines = (
            f"{each.name},{each.address} {' '.join(host_keys[each.name].split()[:2])}" for each in places
        )
        write_atomically(self.known_hosts, "".join(f"{line}\n" for line in lines).encode(), mode=0o600)
