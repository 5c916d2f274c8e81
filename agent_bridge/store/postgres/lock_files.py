"""Lock files beside the folder of the embedded PostgreSQL. The kernel frees a lock when its process ends."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)

#: Seconds between two looks at a lock, and seconds of waiting after which the log says so.
_LOOK, _PATIENCE = 0.05, 1.0


def open_lock(folder: Path, name: str) -> int:
    """Return the file descriptor of a lock file beside *folder*, in a folder of the bridge."""
    file = folder.with_name(f".{folder.name}.{name}")
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        lock = os.open(file, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(file, flags)
    if os.geteuid() == 0:
        # A bridge that runs as the owner of the folder later has to open it, too.
        owner = file.parent.stat()
        os.fchown(lock, owner.st_uid, owner.st_gid)
    return lock


def wait_for(lock: int, folder: Path, within: float, pause: Callable[[float], object] = time.sleep) -> None:
    """Wait until no other process holds *lock* of *folder*, and hold it.

    *pause* waits for some seconds between two looks. An error that it raises ends the waiting.

    Raises:
        TimeoutError: another process holds it for more than *within* seconds.
    """
    begin = time.monotonic()
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - begin
        else:
            return
        if waited > within:
            raise TimeoutError(f"another process of the bridge starts or stops it for more than {within:g} s")
        if waited > _PATIENCE and not told:
            _log.info("another process starts or stops the embedded PostgreSQL in %s: waiting", folder)
            told = True
        pause(_LOOK)
