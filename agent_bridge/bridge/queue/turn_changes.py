"""People have turns queued again, or drop them: by commands, and by the admin page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.turns import TurnState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.store.postgres.database import Connection

    #: Changes the turn with this row id for a request; returns its lane, None when that is not possible.
    Change = Callable[[Connection, int, str], Awaitable[int | None]]

#: States in which a turn is queued again, and those in which it is dropped, rather than other turns of its event.
FAILED = frozenset({TurnState.FAILED, TurnState.STOPPED})
OPEN = frozenset({TurnState.QUEUED, TurnState.RUNNING})


async def change_turns(
    lanes: Lanes, connection: Connection, turns: Iterable[int], change: Change, request: str
) -> list[int | None]:
    """Change *turns* (row ids) for *request* within the caller's transaction, and wake their lanes.

    Return the lanes of the turns; None: the turn could not be changed.
    """
    changed = [await change(connection, turn, request) for turn in turns]
    await lanes.wake(connection, {lane for lane in changed if lane is not None})
    return changed
