"""The state folder of one cluster: made once, kept outside the checkout, readable by its owner only."""

from __future__ import annotations

import fcntl
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from warren.errors import NotReadyError

_PRIVATE = 0o700
#: The definitions of the first boot hold hashes of passwords, so they lie among the secrets.
BOOT_DEFINITIONS = "boot-definitions.json"


@dataclass(frozen=True, slots=True)
class State:
    """``${WARREN_STATE:-${XDG_STATE_HOME:-~/.local/state}/warren}/<cluster>``, mode 0700."""

    root: Path

    @property
    def id(self) -> str:
        """Random, made with the folder: tells a new folder at an old path from the old one."""
        return (self.root / "id").read_text(encoding="utf-8").strip()

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def hosts_ca(self) -> Path:
        """What verifies every server of a cluster of hosts: our authority, and that of given certificates."""
        return self.pki / "hosts-ca.pem"

    @property
    def runs(self) -> Path:
        """A folder per run: result, ledger parts, report."""
        return self.root / "runs"

    @property
    def benches(self) -> Path:
        """A document per benchmark, and its table."""
        return self.root / "benches"

    @property
    def targets(self) -> Path:
        """Prometheus reads scrape targets of load runs here; no secrets, readable by all."""
        return self.root / "targets"

    @property
    def faults(self) -> Path:
        """The exporter reads here which faults are open; no secrets, readable by all."""
        return self.root / "faults"

    @property
    def open_faults(self) -> Path:
        """What the journal keeps for the exporter: see `warren.journal.Journal`."""
        return self.faults / "open.json"

    @property
    def rendered(self) -> Path:
        """What the last ``up`` rendered, to look at; no secrets."""
        return self.root / "rendered"

    @property
    def boot_definitions(self) -> Path:
        """The definitions of the first boot, kept as they were: a changed file would be imported again."""
        return self.secrets / BOOT_DEFINITIONS

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def images(self) -> Path:
        """Record of the images in use: where they came from and their digests."""
        return self.root / "images.json"

    @property
    def compose_file(self) -> Path:
        return self.rendered / "compose.yml"

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Hold the cluster for one change at a time; raises NotReadyError while another command holds it, or
        when one has removed the folder since it was opened."""
        with self._lock_file() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                handle.seek(0)
                holder = handle.read().strip() or "another command"
                raise NotReadyError(
                    str(self.root), f"is in use by {holder}", "wait for it to end, then try again"
                ) from error
            handle.truncate(0)
            handle.write(f"{what} (process {os.getpid()})\n")
            handle.flush()
            try:
                yield
            finally:
                handle.truncate(0)  # whoever finds it locked next must not read this holder's name

    def _lock_file(self) -> IO[str]:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            descriptor = os.open(self.root / "lock", flags, 0o600)
        except FileNotFoundError as error:
            what = "is gone: another command has removed the cluster"
            raise NotReadyError(str(self.root), what, "make cluster-up brings up a new one") from error
        return os.fdopen(descriptor, "a+", encoding="utf-8")


def base_folder(env: Mapping[str, str]) -> Path:
    """The folder that holds one state folder a cluster."""
    if env.get("WARREN_STATE"):
        return Path(env["WARREN_STATE"]).expanduser().resolve()
    state_home = env.get("XDG_STATE_HOME") or str(Path(env.get("HOME") or Path.home()) / ".local" / "state")
    return (Path(state_home) / "warren").resolve()


def open_state(cluster: str, env: Mapping[str, str]) -> State:
    """The state of ``cluster``, its folders made if missing; raises NotReadyError when they cannot be."""
    state = State(base_folder(env) / cluster)
    try:
        for folder in (state.root, state.secrets, state.pki, state.runs, state.rendered):
            folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
            folder.chmod(_PRIVATE)
        if not (state.root / "id").exists():
            write_atomically(state.root / "id", uuid.uuid4().hex.encode(), mode=0o600)
        for shown in (state.targets, state.faults):
            shown.mkdir(exist_ok=True)
            shown.chmod(0o755)
    except OSError as error:
        raise NotReadyError(
            str(state.root),
            f"cannot be made: {error.strerror}",
            "set WARREN_STATE to a folder that you can write",
        ) from error
    return state


def write_atomically(path: Path, content: bytes, *, mode: int) -> None:
    """Replace ``path`` by ``content`` in one step; nobody ever reads half of it or with wider rights."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
