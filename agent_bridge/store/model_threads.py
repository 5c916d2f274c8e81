"""Threads in which programs that speak the OpenAI API talk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("model_threads")


@dataclass(frozen=True, slots=True)
class ModelThread:
    """The thread of a conversation."""

    #: Row id.
    id: int
    room_id: str
    #: Event at which it begins; None: not sent yet.
    root: str | None
    #: Whether the first message was said.
    begun: bool
    #: SHA-256 of the instructions that were said last; None: none.
    instructions: str | None
    created_at: datetime
    #: Whether this call has written it.
    is_new: bool = False


class ModelThreads:
    """The table ``model_thread``. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, owner: str, target: str, key: str) -> ModelThread | None:
        """Return the thread of a conversation of *owner* with *target*, both user ids."""
        row = await self._database.row(_SQL["find"], {"owner": owner, "target": target, "key": key})
        return None if row is None else ModelThread(**row)

    async def add(self, owner: str, target: str, key: str, room_id: str) -> ModelThread:
        """Write the thread of a conversation, unless it is known; return it."""
        values = {"owner": owner, "target": target, "key": key, "room_id": room_id}
        while True:
            row = await self._database.row(_SQL["add"], values)
            if row is not None:
                return ModelThread(**row, is_new=True)
            # It may have been forgotten in between.
            if (found := await self.find(owner, target, key)) is not None:
                return found

    async def rooted(self, thread: int, root: str) -> str:
        """Store the event at which a thread begins; return the one that counts, which may be an earlier one."""
        row = await self._database.row(_SQL["rooted"], {"thread": thread, "root": root})
        # The person was erased meanwhile.
        return root if row is None else str(row["root"])

    async def said(self, thread: int, instructions: str | None) -> None:
        """Note that a thread has what was said before, and instructions with this SHA-256 (None: no other ones)."""
        await self._database.execute(_SQL["said"], {"thread": thread, "instructions": instructions})

    async def forget(self, thread: int) -> None:
        """Forget a thread: its room cannot be used any more."""
        await self._database.execute(_SQL["forget"], {"thread": thread})
