"""The Spaces of people, each of which lists the chats of one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("person_spaces")


@dataclass(frozen=True, slots=True)
class PersonSpace:
    """The Space of a person."""

    room_id: str
    #: Room id of the Space that lists it, None when none does.
    listed_in: str | None


class PersonSpaces:
    """The table ``person_space``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, person: str) -> PersonSpace | None:
        """Return the Space of *person*, None before there is one."""
        row = await self._database.row(_SQL["of"], {"user_id": person})
        return None if row is None else PersonSpace(**row)

    async def set(self, person: str, room_id: str) -> None:
        """Record a Space of *person* that no other Space lists yet."""
        await self._database.execute(_SQL["set"], {"user_id": person, "room_id": room_id})

    async def listed(self, person: str, space: str | None) -> None:
        """Record the Space that lists the one of *person*; None: none does."""
        await self._database.execute(_SQL["listed"], {"user_id": person, "space": space})

    async def elsewhere(self, space: str | None) -> list[str]:
        """Return the people whose Spaces are listed in another one than *space*; None: in any."""
        return [row["user_id"] for row in await self._database.rows(_SQL["elsewhere"], {"space": space})]
