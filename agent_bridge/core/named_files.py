"""Files that people name, which may be anything: a pipe to which nobody writes, a device without an end."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Seconds that a pipe has to deliver its content, as that of ``<(…)`` in a shell.
PATIENCE = 5.0


def read_up_to(path: Path, most: int, patience: float = PATIENCE) -> bytes:
    """Return the content of the file *path*, but no more than *most* bytes. Blocks for *patience* seconds at most.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  # a descriptor
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return _whole(file.read, most)
        ends, poll = time.monotonic() + patience, select.poll()
        poll.register(descriptor, select.POLLIN)

        def part(size: int) -> bytes | None:
            left = ends - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"nothing more came from it within {patience:g} s")
            return file.read(size)

        return _whole(part, most)


def _whole(read: Callable[[int], bytes | None], most: int) -> bytes:
    """Return what *read* returns until its end, or *most* bytes of it."""
    parts: list[bytes] = []
    left = most
    while left and (part := read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
