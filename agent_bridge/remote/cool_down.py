"""The pause between two summaries of one directory in one channel."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

#: Seconds of the pause.
COOL_DOWN: Final = 300.0


class NothingToDo(Exception):
    """The hook has nothing to do; the message tells why."""


class CoolDown:
    """A file whose time is the beginning of the pause. *key*: the channel and the directory. One process enters it."""

    _entered: CoolDown | None = None

    def __init__(self, *key: str) -> None:
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        name = hashlib.sha256("\n".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._file = Path(cache) / "agent_bridge" / f"hook-{name}"
        self._is_begun = False

    def begin(self) -> None:
        """Have the pause begin: the summary is posted."""
        self._is_begun = True

    def __enter__(self) -> Self:
        """Enter it.

        Raises:
            NothingToDo: the pause lasts, or another process posts now.
            OSError: the file cannot be written.
        """
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            # A time in the future means that the clock was set back.
            if 0 <= time.time() - self._file.stat().st_mtime < COOL_DOWN:
                raise NothingToDo("a summary was posted within the last five minutes")
            # One of several processes succeeds.
            ended = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            self._file.rename(ended)
            ended.unlink()
        try:
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise NothingToDo("another session of the directory posts now") from None
        CoolDown._entered = self
        return self

    def __exit__(self, *_: object) -> None:
        """End the pause of a summary that was not posted."""
        if not self._is_begun:
            self._file.unlink(missing_ok=True)
        CoolDown._entered = None

    @classmethod
    def forget(cls) -> None:
        """End the pause of a summary that is not posted, because the process ends."""
        if cls._entered is not None:
            cls._entered.__exit__()
