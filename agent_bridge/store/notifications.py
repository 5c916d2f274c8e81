"""Notifications of people, in the tables ``notification`` and ``notified_person``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("notifications")
#: Notifications of one message.
_MOST = 50


@dataclass(frozen=True, slots=True)
class GroupedMessage:
    """A message that tells a person several notifications."""

    #: Name, from which its transaction id and its mark derive.
    key: str
    user_id: str
    notifications: tuple[Notification, ...]
    #: Room of the last message to the person; None: there was none.
    room_id: str | None
    #: An event of that room which is older than this message, if the message may have been sent; None: it was not.
    since: str | None


class Notifications:
    """Writes notifications, and gathers them. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, connection: Connection, new: Notification) -> None:
        """Write a notification within the caller's transaction. The bot tells it nobody who wants none."""
        values = {
            "user_id": new.user_id,
            "kind": new.kind,
            "room_id": new.room_id,
            "facts": Jsonb(dict(new.values)),
            "key": new.key,
            "approval": new.approval,
            "delay": new.delay,
        }
        await connection.execute(_SQL["add"], values)

    async def due(self, limit: int, gather: float, others: Collection[str]) -> list[tuple[str, float]]:
        """Return up to *limit* people to be told something, but for *others*, with the seconds until then.

        A notification waits for *gather* seconds, so that those which follow it are told by the same message.
        """
        values = {"limit": limit, "gather": gather, "others": list(others)}
        return [(row["user_id"], row["wait"]) for row in await self._database.rows(_SQL["due"], values)]

    async def gather(self, user_id: str) -> GroupedMessage | None:
        """Return the next message to a person: the one that was begun, or a new one; None: there is nothing to tell.

        A repeat returns the same message until :meth:`sent` is called.
        """
        async with self._database.transaction() as connection:
            (person,) = await rows_of(connection, _SQL["lock"], {"user_id": user_id})
            key = person["message"]
            if key is None:
                await connection.execute(_SQL["outdated"], {"user_id": user_id})
                rows = await rows_of(connection, _SQL["gather"], {"user_id": user_id, "limit": _MOST})
                if not rows:
                    return None
                key = rows[0]["message"]
            told = await rows_of(connection, _SQL["told"], {"user_id": user_id, "message": key})
        found = tuple(
            Notification(user_id, NotificationKind(row["kind"]), row["room_id"], row["facts"])
            for row in told
            if row["kind"] in set(NotificationKind)
        )
        return GroupedMessage(key, user_id, found, person["room_id"], person["since"])

    async def aim(self, message: GroupedMessage, room_id: str, since: str) -> bool:
        """Record that *message* is about to be sent to a room, whose newest event is *since*.

        Return False if the person wants none any more.
        """
        values = {"user_id": message.user_id, "message": message.key, "room_id": room_id, "since": since}
        return bool(await self._database.rows(_SQL["aim"], values))

    async def sent(self, message: GroupedMessage) -> None:
        """Record that *message* was sent."""
        await self._database.execute(_SQL["sent"], {"user_id": message.user_id, "message": message.key})

    async def drop(self, user_id: str) -> None:
        """Forget the notifications of a person that were not sent."""
        await self._database.execute(_SQL["drop"], {"user_id": user_id})

    async def mute(self, connection: Connection, user_id: str, *, is_muted: bool) -> None:
        """Record whether a person wants no notifications; those that wait, and a message that fails, are forgotten."""
        await connection.execute(_SQL["mute"], {"user_id": user_id, "is_muted": is_muted})
        if is_muted:
            await connection.execute(_SQL["drop"], {"user_id": user_id})

    async def is_muted(self, user_id: str) -> bool:
        """Tell whether a person wants no notifications."""
        return await self._database.row(_SQL["muted"], {"user_id": user_id}) is not None
