"""The list of agents of an App Server.

One agent is 23 kB in the server's list, and the server reports no changes. Its OpenAI API, if it is on, has a list of
names of 80 bytes each, which changes whenever an agent is made, renamed or deleted. So the bridge reads that list at
each poll, and the whole list after a change and every few minutes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import aiohttp

from agent_bridge.core.errors import UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.base import UNCHANGED, AgentInfo
from agent_bridge.upstream.transport.agent_texts import description_of, name_of
from agent_bridge.upstream.transport.choice import is_included
from agent_bridge.upstream.transport.json_values import objects, text
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.base import Unchanged
    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link
    from agent_bridge.upstream.letta.pictures import LettaPictures
    from agent_bridge.upstream.transport.client import UpstreamClient

_NAMES = "/v1/models"
_NAMES_TIMEOUT = 30.0
#: Seconds after which the whole list is read although the names are the same, and between two looks for the list of
#: names on a server without it.
_WHOLE_LIST, _LOOK_AGAIN = 300.0, 300.0
#: Agents of one page of the whole list, and pages that are read.
_PAGE, _MAX_PAGES = 100, 200
#: Bytes of an id: an index of the database has to hold it.
_MAX_ID_BYTES = 255
#: The capability of a server that keeps files of agents.
_MEMORY = "memory_management"


class AgentList:
    """The list of one server, which *client* reaches over HTTP and *link* over its WebSocket."""

    def __init__(
        self,
        config: UpstreamConfig,
        client: UpstreamClient,
        link: Link,
        pictures: LettaPictures,
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._pictures = pictures
        self._client = client
        self._link = link
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=_NAMES_TIMEOUT, connect=config.connect_timeout)
        #: The list of names at the time of the last whole list; None if the server has no list of names.
        self._names: bytes | None = None
        #: The last whole list, without and with the pictures; None before the first one.
        self._listed: tuple[AgentInfo, ...] | None = None
        self._agents: tuple[AgentInfo, ...] | None = None
        self._read_at = self._no_names_until = -_WHOLE_LIST

    async def fetch(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :meth:`agent_bridge.upstream.base.Upstream.agents`."""
        now = self._clock()
        names = await self._fetch_names(now)
        is_fresh = self._listed is not None and now - self._read_at < _WHOLE_LIST
        is_same = is_fresh and names is not None and names == self._names
        if is_same and self._agents is not None and not self._pictures.is_behind:
            return UNCHANGED
        if self._listed is None or not is_same:
            self._listed = await self._fetch_agents()
            self._names, self._read_at = names, now
        agents = await self._with_pictures(self._listed)
        if agents == self._agents:
            return UNCHANGED
        self._agents = agents
        return agents

    async def _with_pictures(self, agents: tuple[AgentInfo, ...]) -> tuple[AgentInfo, ...]:
        if self._link.server is None or _MEMORY not in self._link.server.capabilities:
            return agents
        images = await self._pictures.names([each.model for each in agents])
        return tuple(replace(each, image=images.get(each.model)) for each in agents)

    async def _fetch_names(self, now: float) -> bytes | None:
        """Return the list of names as it arrives; None if the server has none."""
        if now < self._no_names_until:
            return None
        try:
            async with self._client.open("GET", _NAMES, self._timeout) as body:
                return await body.read_all()
        except UpstreamRefused:
            self._no_names_until = now + _LOOK_AGAIN
            return None

    async def _fetch_agents(self) -> tuple[AgentInfo, ...]:
        found: dict[str, AgentInfo] = {}
        #: Including agents that are hidden or unusable.
        listed: set[str] = set()
        query: dict[str, object] = {"limit": _PAGE}
        for _ in range(_MAX_PAGES):
            page = objects((await self._link.request("agent_list", query=query)).get("agents"))
            found |= {agent.model: agent for agent in map(_agent, page) if agent is not None}
            ids = {text(each.get("id")) for each in page}
            # A server that does not know the cursor returns its first page again.
            if len(page) < _PAGE or ids <= listed:
                return tuple(each for each in found.values() if is_included(each.model, each.name, self._config))
            listed |= ids
            query = {"limit": _PAGE, "after": text(page[-1].get("id"))}
        raise UpstreamProtocolError(Text("list_pages", upstream=self._config.name, limit=_MAX_PAGES))


def _agent(entry: Frame) -> AgentInfo | None:
    agent_id = text(entry.get("id"))
    if not agent_id.strip() or storable(agent_id) != agent_id or len(agent_id.encode()) > _MAX_ID_BYTES:
        return None
    if entry.get("hidden") is True:
        return None
    name = name_of((text(entry.get("name")), agent_id))
    return AgentInfo(agent_id, name, description=description_of([text(entry.get("description"))]))
