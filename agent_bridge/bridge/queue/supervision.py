"""Supervision: work that goes on until the process ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from agent_bridge.core.errors import WorkEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any


async def run_endless(**works: Awaitable[Any]) -> NoReturn:
    """Run *works* concurrently until this call is cancelled; then cancel them, and wait until all have ended.

    None of them may end before. A task group would take a cancelled task for a finished one, and go on without it.

    Raises:
        WorkEnded: one of *works* returned, or was cancelled by another part of the program. Any other error is the one
            that one of *works* raised. The others are cancelled in both cases.
    """
    tasks = {name: asyncio.ensure_future(work) for name, work in works.items()}
    try:
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        ended = [name for name, task in tasks.items() if task.done()]
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values())
    for name in ended:
        if not tasks[name].cancelled() and (error := tasks[name].exception()) is not None:
            raise error
    raise WorkEnded(f"{', '.join(ended)} ended, which the process cannot go on without")
