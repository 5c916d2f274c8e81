"""A test run that is killed leaves no server behind."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]
import pytest

from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = Path(__file__).with_name("endless_run.py")


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder of the run's temporary files. Its path is short because PostgreSQL's socket is in it."""
    with tempfile.TemporaryDirectory(prefix="ab-k-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def processes_of(folder: Path) -> dict[int, str]:
    """Return the command lines of all processes that have temporary files in *folder*, by process id."""
    found = {}
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            # PostgreSQL overwrites its environment, but its command line has the folder.
            if str(folder) in command or process.environ().get("TMPDIR") == str(folder):
                found[process.pid] = command
        except psutil.Error:
            continue
    return found


def has_started(folder: Path) -> bool:
    """Tell whether the run has started every server."""
    return any(folder.glob("pytest/**/running"))


def has_folders(folder: Path) -> bool:
    """Tell whether a server of the run has left its folder."""
    return any(folder.glob("ab-*"))


@pytest.mark.long
async def test_a_killed_run_leaves_no_process_behind(folder: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-n", "1", "--basetemp", str(folder / "pytest"), str(RUN)),
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:

        async def started() -> bool:
            assert run.returncode is None, "the run ended by itself"
            return has_started(folder)

        await eventually(started, "the run has started every server", within=120)
        processes = processes_of(folder)
    finally:
        run.kill()
        await run.wait()
    commands = " ".join(processes.values())
    assert "postgres" in commands
    # The fork server, and its copies that are Synapse, the bridge and the idle program.
    assert commands.count("from multiprocessing.forkserver") >= 4

    async def ended() -> bool:
        return not any(map(psutil.pid_exists, processes))

    await eventually(ended, "every process of the run has ended", within=60)
    assert processes_of(folder) == {}

    async def is_empty() -> bool:
        return not has_folders(folder)

    await eventually(is_empty, "the folders of the servers are deleted", within=30)
