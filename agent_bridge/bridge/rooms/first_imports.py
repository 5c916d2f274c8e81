"""Imports of earlier messages into new rooms of agents, which people enter afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.imports import IMPORT, ImportRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.operations import OperationStore

#: Failures in a row, and seconds, after which people are let in before the end of an import.
_TRIES, _PATIENCE = 3, 600.0


class FirstImports:
    """Requests the imports; *counts* has the largest numbers of messages, by the name of the upstream.

    *encrypted*: nobody waits for an import, because only those who are in the room, or invited, get the keys of its
    messages.
    """

    def __init__(self, operations: OperationStore, counts: Mapping[str, int], *, encrypted: bool = False) -> None:
        self._operations = operations
        self._counts = counts
        self._encrypted = encrypted

    async def is_awaited(self, agent_room: AgentRoom) -> bool:
        """Tell whether people wait for the earlier messages in the room of an agent, which it has; request them.

        A room in which the agent has introduced itself is not new.

        Raises:
            StoreError: it is not known.
        """
        agent, home = agent_room.agent, agent_room.home
        count = self._counts.get(agent.upstream, 0)
        if not count or home.introduced or home.room_id is None:
            return False
        key = f"{IMPORT}.{home.room_id}"
        found = await self._operations.is_awaited(key, tries=_TRIES, seconds=_PATIENCE)
        if found is None:
            request = ImportRequest(agent=agent.id, room_id=home.room_id, conversation=None, count=count, is_first=True)
            await self._operations.request_alone(IMPORT, key, request.params)
        return found is not False and not self._encrypted
