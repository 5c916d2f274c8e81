"""The messages of a conversation, for an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("exports")


@dataclass(frozen=True, slots=True)
class SaidMessage:
    """A message of a transcript."""

    #: Row id.
    id: int
    #: ``user`` or ``assistant``.
    role: str
    content: str
    #: User id of the speaker of a message that was said to others, and of the person whose question it is.
    said_by: str | None
    sender: str | None
    at: datetime


class ExportStore:
    """Reads the table ``message``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, lane: int, person: str, *, own: bool, since: datetime | None, after: int, limit: int
    ) -> list[SaidMessage]:
        """Return *limit* messages of the present conversation of *lane* behind the message *after*, oldest first.

        Those that *person* may read: *own*: the chat is the person's. *since*: from this time on.

        Raises:
            StoreError: they are not known.
        """
        values = {"lane": lane, "person": person, "own": own, "since": since, "after": after, "limit": limit}
        return [SaidMessage(**row) for row in await self._database.rows(_SQL["page"], values)]
