from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from warren.errors import DeadlineError, NotReadyError
from warren.process import Completed, check, run


def test_program_without_input_gets_none_and_cannot_wait_for_an_answer() -> None:
    done = run([sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))"], timeout_s=20)
    assert done.stdout == "''\n"


def test_input_output_and_status_are_passed_on() -> None:
    script = "import sys; print(sys.stdin.read()[::-1]); print('reason', file=sys.stderr); sys.exit(7)"
    done = run([sys.executable, "-c", script], timeout_s=20, stdin=b"abc")
    assert (done.stdout, done.returncode, done.ok, done.reason()) == ("cba\n", 7, False, "reason")
    with pytest.raises(NotReadyError, match="reason"):
        check(done)


def test_program_that_takes_too_long_is_ended_and_told() -> None:
    with pytest.raises(DeadlineError, match=r"did not end within 0\.2 s"):
        run([sys.executable, "-c", "import time; time.sleep(30)"], timeout_s=0.2)


def test_missing_program_and_one_that_may_not_be_run_are_not_ready(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="not installed"):
        run([str(tmp_path / "nothing")], timeout_s=1)
    (tmp_path / "text").write_text("no program")
    with pytest.raises(NotReadyError, match="cannot be started: Permission denied"):
        run([str(tmp_path / "text")], timeout_s=1)


def test_silent_failure_still_has_a_reason() -> None:
    done = Completed(argv=("x",), returncode=9, stdout="\n", stderr="")
    assert done.reason() == "exit status 9 and no output"


def test_signal_of_the_terminal_ends_no_program_that_is_run() -> None:
    """^C and a hang-up go to everything in the terminal's foreground: an engine's client that dies of it
    leaves its act half done, whatever its driver does."""
    script = "import time; time.sleep(0.6); print('done')"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setsid()
            signal.signal(signal.SIGHUP, lambda number, frame: None)  # as a driver that holds it back
            threading.Timer(0.3, lambda: os.killpg(0, signal.SIGHUP)).start()
            status = 0 if run([sys.executable, "-c", script], timeout_s=20).stdout == "done\n" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
