"""Messages in threads that have names: they are the last used ones, and those in the archive come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.threads import AgentMessage
from agent_bridge.render.content import LIVE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.threads import ArchivedRooms, ThreadMessage
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.threads import ThreadStore

_NEW = "m.new_content"


class ThreadIntake:
    """Notes the messages of people and of agents. A room without archived threads needs no statement for agents."""

    def __init__(self, store: ThreadStore, database: Database, archived: ArchivedRooms, namespace: Namespace) -> None:
        self._store = store
        self._database = database
        self._archived = archived
        self._namespace = namespace

    async def heard(self, connection: Connection, messages: Collection[ThreadMessage]) -> None:
        """Note *messages* within the caller's transaction."""
        await self._store.heard(connection, messages)

    async def take(self, events: Sequence[RoomEvent]) -> None:
        """Take threads out of the archive in which agents have said something by *events*. A repeat changes nothing.

        Raises:
            StoreError: nothing was written; the homeserver delivers the events again.
        """
        said = [said for event in events if (said := self._agents_message(event)) is not None]
        if said:
            async with self._database.transaction() as connection:
                await self._store.said_by_agents(connection, said)

    def _agents_message(self, event: RoomEvent) -> AgentMessage | None:
        """Return the message of a ghost in a room with archived threads that *event* is, or the end of its answer.

        Notices are the bridge's own words, and an answer that goes on to grow is followed by another edit.
        """
        if event.room_id not in self._archived.rooms or event.type != "m.room.message" or event.state_key is not None:
            return None
        namespace = self._namespace
        is_ghost = namespace.is_ours(event.sender) and event.sender not in {namespace.bot, namespace.imported}
        if not is_ghost or event.redacted_by is not None or event.text("msgtype") == "m.notice":
            return None
        if event.thread:
            return AgentMessage(event.room_id, event.thread, None, event.timestamp)
        new = event.content.get(_NEW)
        if event.relation != "m.replace" or event.target is None or not isinstance(new, dict) or LIVE in new:
            return None
        return AgentMessage(event.room_id, None, event.target, event.timestamp)
