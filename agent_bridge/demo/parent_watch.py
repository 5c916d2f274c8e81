"""Runs a Python module as a program that ends with its parent, even if the parent is killed.

``python -m agent_bridge.demo.parent_watch PARENT_PID MODULE [ARGUMENT ...]``
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
import threading
import time

#: ``PR_SET_PDEATHSIG`` of prctl(2).
_SIGNAL_AT_PARENT_DEATH = 1
_PAUSE = 0.5


def end_with(parent: int) -> None:
    """Have this process end with SIGTERM when *parent*, the process that started it, ends.

    On Linux the kernel sends the signal at once, elsewhere a thread looks for the parent twice a second.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENT_DEATH, signal.SIGTERM)
    else:
        threading.Thread(target=end_after, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it ended before the watch began
        sys.exit(1)


def end_after(parent: int) -> None:
    """Send SIGTERM to this process when *parent* is no longer its parent."""
    while os.getppid() == parent:
        time.sleep(_PAUSE)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
