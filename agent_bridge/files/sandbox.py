"""The limits of a process that reads untrusted bytes. It has neither the environment nor the secrets of the bridge."""

from __future__ import annotations

import os
import sys

#: Actions that are denied, by the names of Python's audit events.
_DENIED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.")
#: The bridge itself goes before.
_NICE = 5


def bound(memory: int, seconds: int) -> None:
    """Limit this process to *memory* bytes of address space and *seconds* of CPU time; it can write no file.

    The limit of time is for the case that the bridge dies and cannot end the process.
    """
    os.nice(_NICE)
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def deny() -> None:
    """Deny this process connections and further processes."""
    sys.addaudithook(_deny)


def _deny(event: str, _: object) -> None:
    if event.startswith(_DENIED):
        raise PermissionError(f"{event} is not allowed")
