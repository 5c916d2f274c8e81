"""The list of agents of a server."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.base import UNCHANGED, AgentInfo
from agent_bridge.upstream.letta_v1.rest import no_rest
from agent_bridge.upstream.transport.agent_texts import description_of, name_of
from agent_bridge.upstream.transport.choice import is_included
from agent_bridge.upstream.transport.json_values import objects, text
from agent_bridge.upstream.transport.text import load_json, storable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.base import Unchanged
    from agent_bridge.upstream.letta_v1.rest import Rest

#: The slash at the end matters: without it, the server redirects.
_PATH = "/agents/"
#: Agents of one page, and pages that are read.
_PAGE, _MAX_PAGES = 100, 200
#: Bytes of an id: an index of the database has to hold it.
_MAX_ID_BYTES = 255


class AgentList:
    """The list of one server."""

    def __init__(self, config: UpstreamConfig, rest: Rest) -> None:
        self._config = config
        self._rest = rest
        #: The pages as they arrived, and the agents in them. Bytes that are the same are not parsed again.
        self._raw: list[bytes] = []
        self._pages: list[list[dict[str, Any]]] = []
        self._agents: tuple[AgentInfo, ...] | None = None

    async def fetch(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :meth:`agent_bridge.upstream.base.Upstream.agents`."""
        agents = await self._fetch_pages()
        if agents == self._agents:
            return UNCHANGED
        self._agents = agents
        return agents

    async def _fetch_pages(self) -> tuple[AgentInfo, ...]:
        found: dict[str, AgentInfo] = {}
        seen: set[str] = set()
        params = {"limit": str(_PAGE)}
        for number in range(_MAX_PAGES):
            page = await self._fetch_page(number, params)
            ids = {text(each.get("id")) for each in page}
            if page and ids <= seen:
                # The agent of the cursor was deleted, and the server returns its first page again.
                raise UpstreamProtocolError(Text("list_repeats", upstream=self._config.name))
            seen |= ids
            found |= {agent.model: agent for agent in map(_agent, page) if agent is not None}
            if len(page) < _PAGE:
                return tuple(each for each in found.values() if is_included(each.model, each.name, self._config))
            params = {"limit": str(_PAGE), "after": text(page[-1].get("id"))}
        raise UpstreamProtocolError(Text("list_pages", upstream=self._config.name, limit=_MAX_PAGES))

    async def _fetch_page(self, number: int, params: Mapping[str, str]) -> list[dict[str, Any]]:
        raw = await self._rest.raw(_PATH, params)
        if number < len(self._raw) and self._raw[number] == raw:
            return self._pages[number]
        page = objects(self._listed(raw))
        del self._raw[number:], self._pages[number:]
        self._raw.append(raw)
        self._pages.append(page)
        return page

    def _listed(self, raw: bytes) -> list[object]:
        """Return the entries of a page.

        Raises:
            UpstreamProtocolError: it is a web page, or no list.
        """
        with suppress(ValueError):
            listed = load_json(raw)
            if isinstance(listed, list):
                return listed
        raise UpstreamProtocolError(no_rest(self._config.name, HTTPStatus.OK))


def _agent(entry: Mapping[str, Any]) -> AgentInfo | None:
    agent_id = text(entry.get("id"))
    if not agent_id.strip() or storable(agent_id) != agent_id or len(agent_id.encode()) > _MAX_ID_BYTES:
        return None
    if entry.get("hidden") is True:
        return None
    name = name_of((text(entry.get("name")), agent_id))
    return AgentInfo(agent_id, name, description=description_of([text(entry.get("description"))]))
