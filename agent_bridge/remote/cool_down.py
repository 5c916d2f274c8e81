"""The pause between two summaries of one directory in one channel."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from pathlib import Path
from typing import Final, Self

#: Seconds of the pause.
COOL_DOWN: Final = 300.0


class NothingToDo(Exception):
    """The hook has nothing to do; the message tells why."""


class CoolDown:
    """A file whose time is the beginning of the last pause. *key*: the channel and the directory.

    One process enters it, and holds a lock on the file meanwhile. A process that is killed begins no pause.
    """

    def __init__(self, *key: str) -> None:
        # A relative path would be in the project.
        cache = os.environ.get("XDG_CACHE_HOME", "")
        directory = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
        name = hashlib.sha256("\n".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._file = directory / "agent_bridge" / f"hook-{name}"
        self._opened = -1

    def begin(self) -> None:
        """Have the pause begin: the summary is posted."""
        os.utime(self._opened)

    def __enter__(self) -> Self:
        """Enter it.

        Raises:
            NothingToDo: the pause lasts, another process posts now, or the file cannot be written.
        """
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._opened = self._open()
            self._lock()
        except OSError as error:
            self.__exit__()
            raise NothingToDo(f"{self._file} cannot be written: {error.strerror or error}") from None
        except NothingToDo:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened >= 0:
            os.close(self._opened)
            self._opened = -1

    def _open(self) -> int:
        # The file must not be a pipe, which would have the hook wait for its other end.
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            opened = os.open(self._file, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(self._file, flags)
        os.utime(opened, (0, 0))
        return opened

    def _lock(self) -> None:
        try:
            fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NothingToDo("another session of the directory posts now") from None
        # A time in the future means that the clock was set back.
        if 0 <= time.time() - os.fstat(self._opened).st_mtime < COOL_DOWN:
            raise NothingToDo("a summary was posted within the last five minutes")
