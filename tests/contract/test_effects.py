"""The effect of a command on a real PostgreSQL: a second run of the same turn does not act again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import TurnLost
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.effects import Effects
from support.turn_rows import accept, finish, new, row_of, take

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database


async def act(database: Database, turn: Turn, effect: dict[str, object]) -> dict[str, object]:
    """Return the effect of *turn*, which is *effect* if there was none."""
    async with database.transaction() as connection:
        known = await Effects().lock(connection, turn.id, turn.attempts)
        if known is not None:
            return known
        await Effects().put(connection, turn.id, effect)
        return effect


async def test_the_first_effect_of_a_command_stays(database: Database) -> None:
    (lane,) = await accept(database, new("$1", kind=TurnKind.COMMAND))
    turn = await take(database, lane)
    assert await act(database, turn, {"agent": 7}) == {"agent": 7}
    # The process was killed before it answered, and another one claims the turn.
    again = await take(database, lane)
    assert await act(database, again, {"agent": 8}) == {"agent": 7}
    assert (await row_of(database, "$1"))["effect"] == {"agent": 7}


async def test_only_the_newest_worker_of_an_open_turn_may_act(database: Database) -> None:
    (lane,) = await accept(database, new("$1", kind=TurnKind.COMMAND))
    paused, turn = await take(database, lane), await take(database, lane)
    with pytest.raises(TurnLost):
        await act(database, paused, {})
    await finish(database, turn)
    with pytest.raises(TurnLost):
        await act(database, turn, {})
    assert (await row_of(database, "$1"))["effect"] is None
