"""Encrypted events that are not opened yet, and news about keys, in the tables ``sealed_event`` and ``inbox``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.keys import KeyNewsKind
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from agent_bridge.core.keys import KeyNews
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("sealed")
#: Characters of the id of a session.
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class SealedEvent:
    """An encrypted event."""

    #: Row id: the order of the events.
    id: int
    event: Mapping[str, Any]
    #: Whether the room knows that the bridge cannot read it.
    is_told: bool
    #: Whether the devices of its sender were asked for its key.
    is_asked: bool
    #: Whether the room knows it of this session, or of many in the last hour.
    is_known: bool
    #: When it is tried next, and whether that is later than now.
    next_at: datetime
    waits: bool
    #: Seconds since it arrived.
    age: float


class SealedEvents:
    """Writes and reads the tables. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_news(self, news: Sequence[KeyNews], everybody: Collection[str]) -> None:
        """Keep *news*, in their order; those for all users are kept for *everybody*.

        A message to a device that the homeserver delivers again is kept again, and cannot be used then.
        """
        each = [(user, one) for one in news for user in ([one.user_id] if one.user_id else everybody)]
        values = {
            "users": [user for user, _ in each],
            "kinds": [str(one.kind) for _, one in each],
            # Text: PostgreSQL's JSON has neither NUL nor half of a surrogate pair.
            "contents": [json.dumps(one.content) for _, one in each],
            "devices": [one.content["device"] if one.kind is KeyNewsKind.KEYS else "" for _, one in each],
            "senders": [one.sender for _, one in each],
        }
        await self._database.execute(_SQL["add_news"], values)

    async def users(self) -> list[str]:
        """Return the users for whom there is news."""
        return [row["user_id"] for row in await self._database.rows(_SQL["users"])]

    async def seal(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Keep encrypted *events*, in their order; those that are kept already stay at their place."""
        values = {
            "ids": [event["event_id"] for event in events],
            "rooms": [event["room_id"] for event in events],
            "senders": [event["sender"] for event in events],
            "sessions": [_session_of(event) for event in events],
            "events": [json.dumps(event) for event in events],
        }
        await self._database.execute(_SQL["seal"], values)

    async def mark_encrypted(self, rooms: Collection[str]) -> None:
        """Note that *rooms* are encrypted."""
        await self._database.execute(_SQL["mark_encrypted"], {"rooms": list(rooms)})

    async def members_changed(self, rooms: Collection[str]) -> None:
        """Note that the members of *rooms* changed: those who encrypt there share the keys with the present ones."""
        await self._database.execute(_SQL["members_changed"], {"rooms": list(rooms)})

    async def forget(self, event_ids: Collection[str]) -> None:
        """Forget events that were redacted."""
        await self._database.execute(_SQL["forget"], {"events": list(event_ids)})

    async def due(self) -> list[tuple[str, float]]:
        """Return the rooms with events to open, and the seconds until then, the next ones first."""
        return [(row["room_id"], row["wait"]) for row in await self._database.rows(_SQL["due"])]

    async def first(self, room_id: str, after: int = 0) -> SealedEvent | None:
        """Return the first event of a room behind the row *after* that is to be opened, or holds those behind it."""
        row = await self._database.row(_SQL["first"], {"room_id": room_id, "after": after})
        return None if row is None else SealedEvent(**{**row, "event": json.loads(row["event"])})

    async def heed(self, row: int) -> None:
        """Note that an event is not ignored any more: its key came after the room was told."""
        await self._database.execute(_SQL["heed"], {"id": row})

    async def keeps(self, row: int) -> bool:
        """Tell whether an event is still kept: a redacted one is forgotten."""
        return await self._database.row(_SQL["keeps"], {"id": row}) is not None

    async def opened(self, row: int) -> None:
        """Forget an event that was taken in."""
        await self._database.execute(_SQL["opened"], {"id": row})

    async def later(self, row: int, seconds: float) -> None:
        """Have an event tried again in *seconds*."""
        await self._database.execute(_SQL["later"], {"id": row, "seconds": seconds})

    async def told(self, sealed: SealedEvent) -> None:
        """Note that the room knows of an event without a key, which is ignored until its key comes.

        The events behind it go on. No effect if the key came since the event was read: it is due then.
        """
        await self._database.execute(_SQL["told"], {"id": sealed.id, "next_at": sealed.next_at})

    async def rooms_without_devices(self) -> list[str]:
        """Return the encrypted rooms whose users of the bridge may have no devices."""
        return [row["room_id"] for row in await self._database.rows(_SQL["rooms_without_devices"])]

    async def have_devices(self, room_id: str) -> None:
        """Note that the users of the bridge in an encrypted room have devices."""
        await self._database.execute(_SQL["have_devices"], {"room_id": room_id})

    async def expire(self, seconds: float) -> int:
        """Forget the events that nobody could open for *seconds*; return how many there were."""
        row = await self._database.row(_SQL["expired"], {"seconds": seconds})
        return 0 if row is None else int(row["number"])


def _session_of(event: Mapping[str, Any]) -> str:
    """Return the id of the session of an encrypted event; empty if it has none that can be stored."""
    session = event["content"].get("session_id")
    is_storable = isinstance(session, str) and len(session) <= _LONGEST and session.isascii() and session.isprintable()
    return str(session) if is_storable else ""
