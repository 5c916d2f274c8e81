"""How programs name agents and rooms: by ids, aliases, user ids, or the names of agents and channels."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.servers import Servers


#: The name of the lobby, in every language.
LOBBY = "lobby"
_SERVER_ERROR = 500


class Names:
    """Finds agents and rooms by name. A program means exactly one: nothing is guessed."""

    def __init__(self, agents: Agents, servers: Servers, kv: KeyValues, homeserver: Homeserver) -> None:
        self._agents = agents
        self._servers = servers
        self._kv = kv
        self._homeserver = homeserver
        self._namespace: Namespace = homeserver.namespace

    async def agents(self, name: str) -> list[AgentRoom]:
        """Return the agents that *name* means: those of the strictest comparison that finds any.

        Comparisons, strictest first: user id, ghost or id; name; name in any case. Held agents are not found, and those
        at rest only if no other one is.
        """
        known = [each for each in await self._agents.all() if each.agent.state is not AgentState.HELD]
        return agents_named(name, known, self._namespace)

    async def room(self, name: str) -> str | None:
        """Return the room id of *name*: a room id, an alias, the home of an agent, or a :meth:`place`.

        Raises:
            HomeserverError: the homeserver cannot tell the room of an own alias, or does not respond.
        """
        if name.startswith("!"):
            return name
        if name.startswith("#"):
            return await self._alias(name) if ":" in name else None
        if found := await self.agents(name):
            return found[0].home.room_id if len(found) == 1 else None
        return await self.place(name)

    async def _alias(self, alias: str) -> str | None:
        try:
            return await self._homeserver.resolve_alias(alias)
        except HomeserverUnavailable as error:
            is_ours = alias.endswith(f":{self._namespace.domain}")
            if is_ours or error.errcode is None or error.status is None or error.status < _SERVER_ERROR:
                raise
            # Ours has responded, and the other homeserver has not: perhaps there is none of that name.
            return None

    async def takes_part(self, agent: int, server: int) -> bool:
        """Tell whether an agent is in a channel of a server (row ids)."""
        return await self._servers.takes_part(agent, server)

    async def place(self, name: str) -> str | None:
        """Return the room of the channel *name* (``channel``, ``server/channel``), or of the lobby (``lobby``).

        A name alone means a channel of the main Space, else the only one of that name.
        """
        server, is_named, channel = name.partition("/")
        sought = _folded(channel if is_named else name)
        by_server = await self._servers.by_server()
        channels = [each for found in by_server.values() for each in found if _folded(each.name) == sought]
        if is_named:
            numbers = {each.number for each in await self._servers.servers() if _folded(each.name) == _folded(server)}
            channels = [each for each in channels if each.server in numbers]
        else:
            channels = [each for each in channels if each.server is None] or channels
        if not channels and sought == LOBBY:
            return await self.lobby()
        return channels[0].room_id if len(channels) == 1 else None

    async def lobby(self) -> str | None:
        """Return the room id of the lobby; None: there is none."""
        room: str | None = (await self._kv.get(KeyValues.LOBBY) or {}).get("room")
        return room


def agents_named(name: str, agents: Sequence[AgentRoom], namespace: Namespace) -> list[AgentRoom]:
    """Return those of *agents* that *name* means, see :meth:`Names.agents`."""
    bare = name.removeprefix("@").removesuffix(f":{namespace.domain}")
    sought = _folded(bare)
    if not sought.strip():
        return []
    comparisons: tuple[Callable[[AgentRoom], bool], ...] = (
        lambda each: bare in {each.agent.ghost, each.agent.agent_id, each.agent.entry},
        lambda each: bare in {each.agent.name, each.agent.displayname},
        lambda each: sought in {_folded(each.agent.name), _folded(each.agent.displayname)},
    )
    for matches in comparisons:
        if found := [each for each in agents if matches(each)]:
            return [each for each in found if not each.agent.state.is_at_rest] or found
    return []


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
