"""Own profiles: texts of people in the table ``own_profile``, and those of agents in the table ``agent``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("own_profiles")


class OwnProfiles:
    """Reads and writes them. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, users: Collection[str]) -> dict[str, tuple[str | None, str | None]]:
        """Return the text about each of the people *users* and the status text, as far as they have set one."""
        rows = await self._database.rows(_SQL["of"], {"users": list(users)}) if users else []
        return {row["user_id"]: (row["bio"], row["status_text"]) for row in rows}

    async def set(self, user: str, *, bio: str | None, status_text: str | None) -> None:
        """Store the texts of a person. None: as before; an empty one: none."""
        await self._database.execute(_SQL["set"], {"user": user, "bio": bio, "status_text": status_text})

    async def set_of_agent(self, agent: int, *, status_text: str | None, away: bool | None) -> None:
        """Store the status text of the agent with row id *agent*, and whether it is shown as away; None: as before."""
        values = {"agent": agent, "status_text": status_text, "away": away}
        await self._database.execute(_SQL["set_of_agent"], values)

    async def set_avatar(self, agent: int, avatar: str) -> None:
        """Store the avatar (an ``mxc://`` URL) that the ghost of the agent with row id *agent* has."""
        await self._database.execute(_SQL["set_avatar"], {"agent": agent, "avatar": avatar})
