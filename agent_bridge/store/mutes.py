"""Mutes: people of whom agents get nothing, in one room or in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("mutes")


@dataclass(frozen=True, slots=True)
class DueMute:
    """A mute whose level is yet to be set in its room, or to be given back."""

    room_id: str
    user_id: str
    #: Power level that people had given the user; None: that of the role.
    level_before: int | None
    has_ended: bool
    #: Localpart of the ghost that owns the room; None: nobody owns it.
    ghost: str | None


class MuteStore:
    """The table ``mute``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, connection: Connection, room_id: str, user: str, *, seconds: float | None) -> datetime | None:
        """Mute *user* in a room (empty: in all) within the caller's transaction; return the end.

        *seconds* None: without an end. All processes are signalled.
        """
        values = {"room_id": room_id, "user_id": user, "seconds": seconds}
        until: datetime | None = (await rows_of(connection, _SQL["put"], values))[0]["until"]
        return until

    async def end(self, connection: Connection, room_id: str, user: str) -> bool:
        """End the mute of *user* within the caller's transaction; tell whether it lasted."""
        return bool(await rows_of(connection, _SQL["end"], {"room_id": room_id, "user_id": user}))

    async def due(self) -> list[DueMute]:
        """Return the mutes whose rooms have yet to be changed, and forget those that are over and need no change."""
        await self._database.execute(_SQL["over"])
        return [DueMute(**row) for row in await self._database.rows(_SQL["due"])]

    async def note_level(self, mute: DueMute, level: int | None) -> None:
        """Record the level that people had given the user, before the room has the level of a muted user."""
        await self._database.execute(
            _SQL["level_before"], {"room_id": mute.room_id, "user_id": mute.user_id, "level": level}
        )

    async def lower_levels(self, room_id: str, most: Mapping[str, int]) -> None:
        """Have users who are muted in a room get the level of their role after it, if the recorded one is above *most*.

        *most* has the levels by user id. Running twice has no other effect.
        """
        for user, level in most.items():
            await self._database.execute(_SQL["lower_level"], {"room_id": room_id, "user_id": user, "most": level})

    async def applied(self, mute: DueMute) -> None:
        """Record that the room has, or refused, the level of a muted user."""
        await self._database.execute(_SQL["applied"], {"room_id": mute.room_id, "user_id": mute.user_id})

    async def lifted(self, mute: DueMute) -> None:
        """Forget a mute that is over, unless the user was muted again."""
        await self._database.execute(_SQL["lifted"], {"room_id": mute.room_id, "user_id": mute.user_id})
