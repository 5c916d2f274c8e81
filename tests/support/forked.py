"""Python modules run as programs in processes that start in milliseconds.

A fork server imports the application once. Each process is forked from it, and is as real as one of a new interpreter:
it has its own process id and session, and a SIGKILL ends it alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from multiprocessing import forkserver
from typing import TYPE_CHECKING
from unittest.mock import patch

from agent_bridge.demo.program import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

#: The variable with the folders of modules.
_FOLDERS = "PYTHONPATH"
_CONTEXT = multiprocessing.get_context("forkserver")
# The command line imports the application when a command runs.
_CONTEXT.set_forkserver_preload(
    [
        "agent_bridge.cli",
        "agent_bridge.cli.doctor",
        "agent_bridge.app",
        "agent_bridge.config.load",
        "agent_bridge.log",
        # Left out where Synapse is not installed.
        "support.preloaded_synapse",
    ]
)


class ForkedProcess:
    """A process of the fork server, with the interface of :class:`asyncio.subprocess.Process`."""

    def __init__(self, process: ForkServerProcess, stderr: asyncio.StreamReader) -> None:
        self._process = process
        self.pid = process.pid or 0
        self.stderr = stderr
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    @property
    def returncode(self) -> int | None:
        return self._code.result() if self._code.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    def send_signal(self, number: int, /) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._code.set_result(self._process.exitcode or 0)
        self._process.close()


async def fork_module(module: str, *arguments: str, join_output: bool = False) -> ForkedProcess:
    """Run *module* with *arguments* as ``python -m`` does. The process ends with this one.

    With *join_output* standard output goes where standard error goes, otherwise nowhere.
    """
    with _folders_in_environment():
        forkserver.ensure_running()
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    # A daemon: an exit of this process ends the program instead of waiting for it.
    given = (theirs, module, arguments, join_output, os.environ.get(_FOLDERS))
    process = _CONTEXT.Process(target=_run, args=given, daemon=True)
    process.start()
    theirs.close()
    return ForkedProcess(process, await _reader(ours))


@contextlib.contextmanager
def _folders_in_environment() -> Iterator[None]:
    """Let a fork server that starts meanwhile find each module that this process finds.

    Some versions of Python give it no sys.path, and it passes over the modules that it does not find.
    """
    with patch.dict(os.environ, {_FOLDERS: os.pathsep.join(sys.path)}):
        yield


async def _reader(pipe: Connection) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    file = os.fdopen(os.dup(pipe.fileno()), "rb", buffering=0)
    pipe.close()
    # The transport closes the file at its end.
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return reader


def _end_with_creator() -> None:
    """End this process when the process that asked for it has ended."""
    creator = multiprocessing.parent_process()
    assert creator is not None
    creator.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _run(
    stderr: Connection,
    module: str,
    arguments: tuple[str, ...],
    join_output: bool,  # noqa: FBT001
    folders: str | None,
) -> None:
    """Turn this process into the program, with *folders* as its PYTHONPATH."""
    os.setsid()
    os.environ.pop(_FOLDERS, None)
    if folders is not None:
        os.environ[_FOLDERS] = folders
    # A run that nohup started ignores it.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # The fork server lives as long as its children do, so they cannot wait for its end.
    threading.Thread(target=_end_with_creator, daemon=True).start()
    os.dup2(stderr.fileno(), 2)
    stderr.close()
    output = os.dup(2) if join_output else os.open(os.devnull, os.O_WRONLY)
    os.dup2(output, 1)
    os.close(output)
    # As in a new interpreter: the streams of the fork server belong to the files that it had.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
