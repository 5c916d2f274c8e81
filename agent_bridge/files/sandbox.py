"""The limits of a process that reads untrusted bytes. It has neither the environment nor the secrets of the bridge."""

from __future__ import annotations

import os
import sys

#: Actions that are denied, by the names of Python's audit events.
_DENIED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.")
#: Folders of programs and of their data, and further files, that may be opened: modules are imported late.
_READABLE = ("/usr/share/", "/etc/mime.types", "/dev/null", "/dev/urandom")
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
    """Deny this process connections, further processes, and files other than those of programs.

    Python's own code asks for it; decoders in other languages do not.
    """
    roots = tuple(f"{os.path.realpath(path)}{os.sep}" for path in (*sys.path, sys.prefix, sys.base_prefix) if path)

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(_DENIED):
            raise PermissionError(f"{event} is not allowed")
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith((*roots, *_READABLE)):
                raise PermissionError(f"opening {path} is not allowed")

    sys.addaudithook(refuse)
