"""How programs name agents and rooms: by ids, aliases, user ids, or the names of agents."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from agent_bridge.core.agents import AgentState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom, Agents


class Names:
    """Finds agents and rooms by name. A program means exactly one: nothing is guessed."""

    def __init__(self, agents: Agents, homeserver: Homeserver) -> None:
        self._agents = agents
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
        """Return the room id of *name*: a room id, an alias, or the home of the agent with that name.

        Raises:
            HomeserverError: the homeserver cannot tell the room of an alias.
        """
        if name.startswith("!"):
            return name
        if name.startswith("#"):
            return await self._homeserver.resolve_alias(name) if ":" in name else None
        found = await self.agents(name)
        return found[0].home.room_id if len(found) == 1 else None


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
