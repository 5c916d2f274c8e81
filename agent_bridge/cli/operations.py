"""Operations that the command line requests: the running bridge does them, or this process if no other one leads."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from agent_bridge.cli.terminal import note

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.core.operations import Operation
    from agent_bridge.lifecycle import Bridge

#: Seconds between two tries to lead, while another process leads and may end.
_TRY = 2.0


async def carried_out(bridge: Bridge, operation: int, seen: Callable[[Operation], None]) -> Operation:
    """Return the operation with the row id *operation*, once it is finished; *seen* gets its progress.

    Ctrl-C ends the waiting alone: the operation is requested, and the operator is told so.

    Raises:
        StoreError: the database cannot be used.
    """
    waiting = asyncio.create_task(bridge.operations.wait(operation, seen))
    leading = asyncio.create_task(_lead(bridge))
    try:
        await asyncio.wait([waiting, leading], return_when=asyncio.FIRST_COMPLETED)
        if leading.done():
            # It raises if it failed.
            leading.result()
        return await waiting
    except asyncio.CancelledError:
        note("The work goes on: the bridge carries it out, now or when it runs again. !ab status shows how far it is.")
        raise
    finally:
        for task in (waiting, leading):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _lead(bridge: Bridge) -> None:
    """Run the operations as the leader, as soon as no other process leads."""
    while not await bridge.leader.lead_for(bridge.operations.run_all):  # noqa: ASYNC110  # no event tells of the end
        await asyncio.sleep(_TRY)
