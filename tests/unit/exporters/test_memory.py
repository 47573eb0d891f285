"""Threads that share memory, counted by glibc's own report."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
from exporters.memory import few_arenas
if sys.argv[1] == "few":
    few_arenas()
begun = threading.Barrier(9)
def work():
    begun.wait()
    bytes(100_000)
    begun.wait()
for _ in range(8):
    threading.Thread(target=work).start()
begun.wait()
begun.wait()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def arenas(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
def test_threads_share_two_arenas() -> None:
    assert arenas("few") <= 2 < arenas("as they come")
