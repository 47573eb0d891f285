from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from warren.errors import NotReadyError
from warren.state import State, base_folder, open_state, write_atomically


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state("lab", {"WARREN_STATE": str(tmp_path / "base")})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        state = open_state("lab", {"WARREN_STATE": str(tmp_path)})
    finally:
        os.umask(old)
    for folder in (state.root, state.secrets, state.pki, state.runs, state.rendered):
        assert mode(folder) == 0o700
    assert mode(state.root / "id") == 0o600


def test_prometheus_may_read_targets_and_nothing_else(state: State) -> None:
    assert mode(state.targets) == 0o755


def test_rights_that_were_widened_are_taken_back(state: State, tmp_path: Path) -> None:
    state.secrets.chmod(0o755)
    open_state("lab", {"WARREN_STATE": str(tmp_path / "base")})
    assert mode(state.secrets) == 0o700


def test_identity_stays_and_a_new_folder_at_the_old_path_has_another(tmp_path: Path) -> None:
    first = open_state("lab", {"WARREN_STATE": str(tmp_path)})
    kept = first.id
    assert open_state("lab", {"WARREN_STATE": str(tmp_path)}).id == kept
    (first.root / "id").unlink()
    assert open_state("lab", {"WARREN_STATE": str(tmp_path)}).id != kept


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"WARREN_STATE": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/warren"),
        ({"WARREN_STATE": "", "HOME": "/c"}, "/c/.local/state/warren"),
    ],
)
def test_base_folder_follows_the_variables_in_their_order(env: dict[str, str], expected: str) -> None:
    assert base_folder(env) == Path(expected)


def test_state_that_cannot_be_made_names_the_folder_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReadyError, match="WARREN_STATE") as caught:
        open_state("lab", {"WARREN_STATE": str(tmp_path / "file")})
    assert caught.value.where == str(tmp_path / "file" / "lab")


def test_second_command_is_told_who_holds_the_lock(state: State) -> None:
    with (
        state.lock("warren cluster up"),
        pytest.raises(NotReadyError, match=rf"in use by warren cluster up \(process {os.getpid()}\)"),
        state.lock("warren cluster down"),
    ):
        raise AssertionError("two held it")


def test_lock_is_free_after_an_interrupt_and_forgets_its_holder(state: State) -> None:
    with pytest.raises(KeyboardInterrupt), state.lock("warren cluster up"):
        raise KeyboardInterrupt
    assert (state.root / "lock").read_text() == ""
    with state.lock("warren cluster down"):
        assert "warren cluster down" in (state.root / "lock").read_text()
    assert mode(state.root / "lock") == 0o600


def test_atomic_write_keeps_the_old_content_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old", mode=0o600)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new", mode=0o600)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["file"]


def test_atomic_write_sets_the_mode_before_the_content_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = os.fsync

    def look(descriptor: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    write_atomically(tmp_path / "secret", b"x", mode=0o400)
    assert seen == [0o400]
    assert mode(tmp_path / "secret") == 0o400


def test_state_that_another_command_has_removed_meanwhile_is_told(tmp_path: Path) -> None:
    """As while `destroy` waited for its answer and another one was faster."""
    state = open_state("lab", {"WARREN_STATE": str(tmp_path)})
    shutil.rmtree(state.root)
    with pytest.raises(NotReadyError, match="is gone"), state.lock("warren cluster destroy"):
        pytest.fail("there is nothing to hold")
