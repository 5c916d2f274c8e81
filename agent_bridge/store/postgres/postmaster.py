"""The main process of a PostgreSQL server, found by the file that it writes into its folder."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import signal
    from pathlib import Path

_PAUSE = 0.02
#: Seconds until a killed process has ended.
_KILLED = 5.0
#: Lines of postmaster.pid, which PostgreSQL writes one after the other.
_PID, _PORT, _SOCKETS, _STATUS = 0, 3, 4, 7


class Reaction(Enum):
    """The reaction of a server to a new connection: the exit code of ``pg_isready``."""

    ACCEPTS = 0
    #: It starts, recovers or shuts down.
    REFUSES = 1
    NONE = 2


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live process. *uri* is None until it has opened its socket."""

    pid: int
    uri: str | None
    #: Whether it has begun to shut down.
    is_stopping: bool

    def is_alive(self) -> bool:
        """Tell whether the process has not ended."""
        return _is_alive(self.pid)

    def end(self, number: signal.Signals, within: float) -> bool:
        """Send signal *number*, and tell whether the process ended *within* so many seconds."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        deadline = time.monotonic() + within
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True


def find_postmaster(folder: Path) -> Postmaster | None:
    """Return the live postmaster of the database in *folder*; None also if its id belongs to another process now."""
    try:
        lines = (folder / "postmaster.pid").read_text("utf-8").splitlines()
        pid = int(lines[_PID])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    if not _is_alive(pid) or not _serves(pid, folder):
        return None
    uri = None
    if len(lines) > _SOCKETS and lines[_SOCKETS].strip():
        uri = socket_uri(lines[_SOCKETS].strip(), int(lines[_PORT]))
    return Postmaster(pid, uri, is_stopping=len(lines) > _STATUS and lines[_STATUS].strip() == "stopping")


def kill_processes(folder: Path) -> None:
    """Kill every process of the server in *folder*. A child that outlives its postmaster keeps the shared memory."""
    processes = [each for each in psutil.process_iter() if _works_in(each, folder)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=_KILLED)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return bool(process.name() == "postgres" and process.cwd() == str(folder))
    except psutil.Error:
        return False


def socket_uri(sockets: str, port: int) -> str:
    """Return the URI of the database ``postgres`` behind the Unix socket in the folder *sockets*."""
    return f"postgresql://postgres@/postgres?host={quote(sockets, safe='/')}&port={port}"


def _is_alive(pid: int) -> bool:
    # In a container the bridge may be process 1, which inherits the postmaster and has to collect it.
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _serves(pid: int, folder: Path) -> bool:
    # After a restart of the machine or the container another program may have the id.
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return bool(command) and command[0].endswith("postgres") and str(folder) in command
