"""The feed, in the table ``feed``."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.errors import StoreError
from agent_bridge.core.feed import EPOCH, FeedEntry, FeedType
from agent_bridge.store.postgres.locks import FEED
from agent_bridge.store.postgres.signals import LIVE_CHANNEL
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agent_bridge.core.feed import NewEntry
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("feed")
_TYPES = frozenset(FeedType)
#: Bytes that a notification of PostgreSQL carries.
_LONGEST_PAYLOAD = 7_900


@dataclass(frozen=True, slots=True)
class Bounds:
    """The part of the feed that exists."""

    #: Another database has another one.
    epoch: str
    #: The entries up to this position were deleted.
    pruned: int
    #: The position of the newest entry.
    newest: int


class Feed:
    """Writes and reads entries. Every method raises :class:`StoreError`.

    The order of the positions is that of the commits: behind an entry that a reader sees, nothing appears before it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Sequence[NewEntry], connection: Connection | None = None) -> None:
        """Write *entries*; that of an event that has one is skipped.

        *connection*: within the caller's transaction, as its last step, because nobody else writes until it ends.
        """
        values = {
            "kind": FEED,
            "types": [each.type for each in entries],
            "rooms": [each.room_id for each in entries],
            "events": [each.event_id for each in entries],
            "senders": [each.sender for each in entries],
            "users": [each.user_id for each in entries],
            "targets": [each.target for each in entries],
            "threads": [each.thread for each in entries],
            "contents": [each.content for each in entries],
            "sent_at": [each.sent_at for each in entries],
        }
        if connection is None:
            await self._database.rows(_SQL["add"], values)
        else:
            await connection.execute(_SQL["add"], values)

    async def erase(self, event_ids: Collection[str]) -> None:
        """Forget the content of events that were redacted, of their edits, and of the votes whose polls they are."""
        await self._database.execute(_SQL["erase"], {"events": list(event_ids)})

    async def announce(self, payload: str) -> None:
        """Send *payload*, a text of up to 7,900 bytes, to the sessions of all processes; a longer one to none."""
        if len(payload.encode()) <= _LONGEST_PAYLOAD:
            await self._database.rows(_SQL["announce"], {"channel": LIVE_CHANNEL, "payload": payload})

    async def after(self, position: int, *, most: int) -> list[FeedEntry]:
        """Return the entries behind *position* in their order, at most *most*."""
        rows = await self._database.rows(_SQL["after"], {"position": position, "most": most})
        # Another version may know further types.
        return [FeedEntry(**{**row, "type": FeedType(row["type"])}) for row in rows if row["type"] in _TYPES]

    async def bounds(self) -> Bounds:
        """Return the part of the feed that exists; the first call gives it an epoch."""
        row = await self._database.row(_SQL["bounds"])
        if row is None:
            await self._database.execute(_SQL["begin"], {"epoch": secrets.token_hex(EPOCH // 2)})
            row = await self._database.row(_SQL["bounds"])
        if row is None:
            raise StoreError("the feed has no epoch")
        return Bounds(**row)

    async def was_inside(self, user: str, room_id: str, position: int) -> bool | None:
        """Tell whether *user* was in a room at *position*; None: no entry tells."""
        row = await self._database.row(_SQL["was_inside"], {"user": user, "room": room_id, "position": position})
        return None if row is None else bool(row["inside"])
