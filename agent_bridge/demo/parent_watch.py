"""Runs a Python module as a program that ends with its parent, even if that is killed (on Linux).

``python -m agent_bridge.demo.parent_watch PARENT_PID MODULE [ARGUMENT ...]``
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

#: ``PR_SET_PDEATHSIG`` of prctl(2).
_SIGNAL_AT_PARENT_DEATH = 1


def end_with(parent: int) -> None:
    """Have the kernel end this process with SIGTERM when *parent*, the process that started it, ends."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENT_DEATH, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit(1)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
