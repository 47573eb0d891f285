from __future__ import annotations

import os
import signal
import subprocess
import sys

from warren.processes import ask_to_end, birth, wait_for_end


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_birth_is_the_same_at_every_look_and_none_of_the_dead() -> None:
    child = sleeper()
    born = birth(child.pid)
    assert born == birth(child.pid)
    assert born != birth(os.getpid())
    child.kill()
    child.wait()
    assert birth(child.pid) is None


def test_process_is_ended_only_by_its_own_mark() -> None:
    child = sleeper()
    born = birth(child.pid)
    assert born is not None
    assert not ask_to_end(child.pid, "somebody-else")
    assert not wait_for_end(child.pid, born, 0.05)
    assert ask_to_end(child.pid, born)
    assert wait_for_end(child.pid, born, 10)
    assert child.wait() == -signal.SIGTERM
    assert not ask_to_end(child.pid, born)
    assert wait_for_end(child.pid, born, 0)


def test_name_with_a_bracket_in_it_does_not_shift_the_fields() -> None:
    code = (
        "import ctypes, time; ctypes.CDLL(None).prctl(15, b') 1 2'); print('x', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    born = birth(child.pid)
    child.stdout.readline()
    assert birth(child.pid) == born
    child.kill()
    child.wait()
