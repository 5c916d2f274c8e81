"""The upstream kind ``openai``: any server with ``/models`` and ``/chat/completions``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from agent_bridge.core.errors import UpstreamNonsense
from agent_bridge.upstream.chunks import AnswerReader
from agent_bridge.upstream.models import Page, listed, parse_page
from agent_bridge.upstream.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from agent_bridge.config.model import UpstreamConfig
    from agent_bridge.upstream.base import Ask, Delta, Listed

#: Seconds that one page of the list of agents may take.
_LIST_TIMEOUT = 30.0
#: Pages of the list of agents, at most.
_MAX_PAGES = 200


class OpenAIUpstream:
    """One server. Every request is sent once: who calls decides about repeats.

    An answer holds a connection of *session* for as long as it takes: its connector needs ``limit=0``.
    """

    def __init__(self, config: UpstreamConfig, session: aiohttp.ClientSession) -> None:
        self.name = config.name
        self.idempotent = config.idempotency_header is not None
        self.remembers = config.history == "server"
        self._config = config
        self._wire = Wire(config, session)
        self._pages: tuple[Page, ...] = ()
        self._listed: tuple[Listed, ...] | None = None

    async def list_agents(self) -> tuple[Listed, ...] | None:
        """See :class:`~agent_bridge.upstream.base.Upstream`. Known bytes are not parsed again."""
        pages = await self._fetch_pages()
        if self._listed is not None and [page.raw for page in pages] == [page.raw for page in self._pages]:
            return None
        self._pages = pages
        agents = listed((item for page in pages for item in page.items), self._config)
        if agents == self._listed:
            return None
        self._listed = agents
        return agents

    def forget(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        self._listed = None

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        reader = AnswerReader(self._wire.failures)
        async with self._wire.open(
            "POST",
            "/chat/completions",
            aiohttp.ClientTimeout(connect=self._config.connect_timeout, sock_read=self._config.idle_timeout),
            headers=self._turn_headers(ask),
            json={"model": ask.model, "messages": self._messages(ask), "stream": True},
            model=ask.model,
        ) as body:
            if body.media_type.endswith("json"):
                for delta in reader.whole(await body.whole()):
                    yield delta
                return
            if body.media_type == "text/html":
                raise UpstreamNonsense(f"{self.name} answered with a web page: is its url right?")
            while not reader.ended and (data := await body.some()):
                for delta in reader.feed(data):
                    yield delta
            for delta in reader.close():
                yield delta

    def _messages(self, ask: Ask) -> list[dict[str, str]]:
        said = [{"role": message.role, "content": message.content} for message in ask.messages]
        if self.remembers:
            return said[-1:]
        prompt = self._config.system_prompt
        return [{"role": "system", "content": prompt}, *said] if prompt else said

    def _turn_headers(self, ask: Ask) -> dict[str, str]:
        values = {
            self._config.session_header: ask.session,
            self._config.idempotency_header: ask.idempotency_key,
        }
        return {name: value for name, value in values.items() if name is not None}

    async def _fetch_pages(self) -> tuple[Page, ...]:
        pages: list[Page] = []
        seen: set[str] = set()
        params: Mapping[str, str] = {}
        while len(pages) < _MAX_PAGES:
            page = await self._fetch_page(len(pages), params)
            pages.append(page)
            if page.next is None:
                return tuple(pages)
            # A server that does not know the cursor any more begins anew.
            ids = {item.id for item in page.items}
            if ids <= seen:
                raise UpstreamNonsense(f"{self.name} lists the same agents on every page")
            seen |= ids
            params = page.next
        raise UpstreamNonsense(f"{self.name} lists its agents on more than {_MAX_PAGES} pages")

    async def _fetch_page(self, number: int, params: Mapping[str, str]) -> Page:
        timeout = aiohttp.ClientTimeout(total=_LIST_TIMEOUT, connect=self._config.connect_timeout)
        async with self._wire.open("GET", "/models", timeout, params=params) as body:
            raw = await body.whole()
        known = self._pages[number] if number < len(self._pages) else None
        return known if known is not None and known.raw == raw else parse_page(self.name, raw)
