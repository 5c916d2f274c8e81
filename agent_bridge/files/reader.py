"""Starts the programs that read untrusted files, a limited number at the same time."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from agent_bridge.files.patience import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: The whole environment: the bridge's own may contain secrets. One thread and one heap, because each reserves memory.
_ENVIRONMENT = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


class Places:
    """At most *total* files at the same time, and one of each holder: a person that asks, or an agent that answers."""

    def __init__(self, total: int) -> None:
        self._total = asyncio.Semaphore(total)
        self._holders: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, holder: str) -> AsyncIterator[None]:
        """Hold a place for a file of *holder* during the block."""
        lock = self._holders.setdefault(holder, asyncio.Lock())
        async with lock, self._total:
            yield


async def run_reader(program: str, *arguments: str, data: bytes, seconds: float) -> tuple[int, bytes]:
    """Pass *data* to a *program* of this package; return its exit code (of a signal: minus its number) and its output.

    Raises:
        TimeoutError: it took more than *seconds*, and was ended.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(Path(__file__).with_name(program)), *arguments),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=_ENVIRONMENT,
    )
    try:
        out, _ = await within(seconds, process.communicate(data))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out
