"""Links, sessions and actions of administrators on the admin page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent_bridge.core.admin import LINK_SECONDS, ActionEntry
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.core.admin import AdminAction
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("admin_sessions")
#: Sessions of one person beside the newest one, and days for which actions are kept.
_OTHERS, _DAYS = 9, 90


class AdminSessions:
    """The tables ``admin_link``, ``admin_session`` and ``admin_action``. They have digests of secrets alone.

    Every method raises :class:`StoreError`; those with a connection work within the caller's transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_link(self, connection: Connection, user: str, hashed: str, nonce: str) -> int:
        """Write a link for *user*, in place of earlier ones; return its row id."""
        values = {"user": user, "hash": hashed, "nonce": nonce, "seconds": LINK_SECONDS}
        return int((await rows_of(connection, _SQL["add_link"], values))[0]["id"])

    async def nonce(self, link: int) -> str | None:
        """Return the text from which the secret of a link derives; None if it was told, used or replaced."""
        row = await self._database.row(_SQL["nonce"], {"link": link})
        return None if row is None else str(row["nonce"])

    async def told(self, link: int) -> None:
        """Forget the text from which the secret of a link derives."""
        await self._database.execute(_SQL["told"], {"link": link})

    async def withdraw(self, connection: Connection, link: int) -> None:
        """Let a link not count any more."""
        await connection.execute(_SQL["withdraw"], {"link": link})

    async def use_link(self, connection: Connection, hashed: str) -> str | None:
        """Use up a link; return its person, None if it does not count (any more)."""
        found = await rows_of(connection, _SQL["use_link"], {"hash": hashed})
        return found[0]["user_id"] if found else None

    async def begin(self, connection: Connection, user: str, hashed: str, seconds: float) -> None:
        """Write a session of *user*, which ends by itself after *seconds*."""
        values = {"user": user, "hash": hashed, "seconds": seconds, "most": _OTHERS}
        await connection.execute(_SQL["add_session"], values)

    async def find(self, hashed: str) -> str | None:
        """Return the person of a session that counts."""
        row = await self._database.row(_SQL["find"], {"hash": hashed})
        return None if row is None else str(row["user_id"])

    async def alive(self, hashes: Collection[str]) -> frozenset[str]:
        """Return those of the sessions *hashes* that count."""
        rows = await self._database.rows(_SQL["alive"], {"hashes": list(hashes)})
        return frozenset(row["hash"] for row in rows)

    async def end(self, connection: Connection, hashed: str) -> None:
        """End a session."""
        await connection.execute(_SQL["end"], {"hash": hashed})

    async def people(self) -> list[str]:
        """Return the people with a session or a link."""
        return [row["user_id"] for row in await self._database.rows(_SQL["people"])]

    async def end_of(self, users: Collection[str]) -> int:
        """End the sessions and the links of people; return the number of sessions."""
        return await self._database.execute(_SQL["end_of"], {"users": list(users)})

    async def note(self, connection: Connection, user: str, action: AdminAction, subject: str = "") -> None:
        """Record an action of *user*."""
        await connection.execute(_SQL["note"], {"user": user, "action": action, "subject": subject, "days": _DAYS})

    async def actions(self, limit: int, before: int | None = None) -> list[ActionEntry]:
        """Return *limit* actions before a row id (None: the newest), the newest first."""
        values = {"before": sys.maxsize if before is None else before, "limit": limit}
        return [ActionEntry(**row) for row in await self._database.rows(_SQL["actions"], values)]
