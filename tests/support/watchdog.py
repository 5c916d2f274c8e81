"""Ends servers that outlive the process that started them.

PostgreSQL detaches itself from its parent, and other programs start further processes. A watchdog is a small process
that reads from a pipe whose other end only the starter holds. The pipe closes when the starter ends, even by SIGKILL;
the watchdog then ends the server. This works on Linux and macOS.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WITHIN = 10
_PAUSE = 0.05
#: A folder in memory, where Linux has one, and the bytes that must be free there. Servers write many small files, and
#: Synapse waits for the disk at every commit.
_MEMORY, _ROOM_FOR_A_RUN = Path("/dev/shm"), 2 * 1024**3  # noqa: S108


@contextmanager
def ends_with_us(kind: str, target: str | int) -> Iterator[None]:
    """End a server at the end of the block or of this process, whichever comes first.

    *kind* is ``cluster`` (*target* is the data folder of a PostgreSQL cluster), ``group`` (a process group) or
    ``folder``, which is deleted.
    """
    command = (sys.executable, "-I", "-S", __file__, kind, str(target))
    # A new session: neither Ctrl-C nor a signal to the group of the starter ends the watchdog first.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Give a new folder, which is deleted at the end of the block or of this process, whichever comes first.

    It is in memory if there is room, and the environment does not name another place (``TMPDIR``).
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_memory()) as name, ends_with_us("folder", name):
        # If root runs the tests, PostgreSQL runs as another user.
        Path(name).chmod(0o711)
        yield Path(name)


def _memory() -> Path | None:
    if "TMPDIR" in os.environ or not _MEMORY.is_dir():
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free > _ROOM_FOR_A_RUN else None


def _end_cluster(folder: Path) -> None:
    """Shut down the PostgreSQL that runs on *folder*, if one does, without a checkpoint."""
    try:
        pid = int((folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        _wait(pid)
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return


def _wait(pid: int) -> None:
    """Return when process *pid* does not answer for :data:`_WITHIN` seconds.

    Raises:
        ProcessLookupError: it has ended.
    """
    deadline = time.monotonic() + _WITHIN
    while time.monotonic() < deadline:
        os.kill(pid, 0)
        time.sleep(_PAUSE)


def _end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _delete(folder: Path) -> None:
    """Delete *folder*. Servers that are about to end may write into it for a moment."""
    deadline = time.monotonic() + _WITHIN
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(_PAUSE)


if __name__ == "__main__":
    sys.stdin.read()
    match sys.argv[1]:
        case "cluster":
            _end_cluster(Path(sys.argv[2]))
        case "folder":
            _delete(Path(sys.argv[2]))
        case _:
            _end_group(int(sys.argv[2]))
