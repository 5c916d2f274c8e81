"""The upstream kind ``openai``: any server with ``/models`` and ``/chat/completions`` or ``/responses``."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog

from agent_bridge.core.errors import UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.openai import chat, responses
from agent_bridge.upstream.openai.answer import AnswerReader
from agent_bridge.upstream.openai.models import Page, listed, parse_page
from agent_bridge.upstream.openai.transcription import read_transcript, recording
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.failures import PathMissing, RequestContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from agent_bridge.config.model import UpstreamConfig
    from agent_bridge.upstream.base import AgentInfo, AnswerRequest, Delta
    from agent_bridge.upstream.transport.client import Body

_log = structlog.stdlib.get_logger(__name__)

#: Seconds that one page of the list of agents may take.
_LIST_TIMEOUT = 30.0
#: Pages of the list of agents, at most.
_MAX_PAGES = 200
#: Seconds after which a server that lacked ``/responses`` may have been given it.
_LACKS_FOR = 3600.0


class OpenAIUpstream:
    """One server. Every request is sent once: who calls decides about repeats.

    An answer holds a connection of *session* for as long as it takes: its connector needs ``limit=0``.
    """

    def __init__(self, config: UpstreamConfig, session: aiohttp.ClientSession) -> None:
        self.name = config.name
        # Letta heeds the header at /chat/completions alone, and no server is known to heed it at /responses.
        self.idempotent = config.idempotency_header is not None and config.api == "chat"
        self.stateful = config.history == "server"
        self.images = config.images
        self.transcribes = config.transcription_model is not None
        self._config = config
        self._patience = aiohttp.ClientTimeout(connect=config.connect_timeout, sock_read=config.idle_timeout)
        self._lacks_responses_until = 0.0
        self._client = UpstreamClient(config, session, idempotent=self.idempotent)
        self._pages: tuple[Page, ...] = ()
        self._listed: tuple[AgentInfo, ...] | None = None

    async def list_agents(self) -> tuple[AgentInfo, ...] | None:
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

    def invalidate(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        self._listed = None

    async def answer(self, ask: AnswerRequest) -> AsyncGenerator[Delta, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        async with AsyncExitStack() as stack:
            body, reader = await self._ask(ask, stack)
            if body.media_type.endswith("json"):
                for delta in reader.whole(await body.read_all()):
                    yield delta
                return
            if body.media_type == "text/html":
                raise UpstreamProtocolError(Text("upstream_web_page", who=self.name))
            while not reader.ended and (data := await body.read_some()):
                for delta in reader.feed(data):
                    yield delta
            for delta in reader.close():
                yield delta

    async def transcribe(self, audio: bytes, *, name: str, content_type: str) -> str:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        model = self._config.transcription_model
        if model is None:
            raise UpstreamRefused(Text("voice_no_model", who=self.name))
        about = RequestContext(voice=True)
        form = recording(audio, name=name, content_type=content_type, model=model)
        async with self._client.open("POST", "/audio/transcriptions", self._patience, data=form, about=about) as body:
            return read_transcript(self.name, await body.read_all())

    async def _ask(self, ask: AnswerRequest, stack: AsyncExitStack) -> tuple[Body, AnswerReader]:
        """Send the question; the connection stays open as long as *stack*."""
        messages = ask.messages[-1:] if self.stateful else ask.messages
        prompt = None if self.stateful else self._config.system_prompt
        about = RequestContext(ask.model, images=any(message.images for message in messages))

        async def send(path: str, question: Mapping[str, Any], about: RequestContext) -> Body:
            headers = self._turn_headers(ask)
            request = self._client.open("POST", path, self._patience, headers=headers, json=question, about=about)
            return await stack.enter_async_context(request)

        lacks = self._config.api == "chat" or time.monotonic() < self._lacks_responses_until
        if not lacks:
            question = responses.request(ask.model, messages, prompt)
            try:
                body = await send(responses.PATH, question, replace(about, optional=True))
                return body, AnswerReader(self._client.failures, responses.ResponsesDialect())
            except PathMissing:
                pass
        body = await send(chat.PATH, chat.request(ask.model, messages, prompt), about)
        if not lacks:
            # Had the agent been missing, both had said so.
            self._lacks_responses_until = time.monotonic() + _LACKS_FOR
            _log.warning("no /responses here, asking by /chat/completions", upstream=self.name)
        return body, AnswerReader(self._client.failures, chat.ChatDialect())

    def _turn_headers(self, ask: AnswerRequest) -> dict[str, str]:
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
                raise UpstreamProtocolError(Text("list_repeats", who=self.name))
            seen |= ids
            params = page.next
        raise UpstreamProtocolError(Text("list_pages", who=self.name, limit=_MAX_PAGES))

    async def _fetch_page(self, number: int, params: Mapping[str, str]) -> Page:
        timeout = aiohttp.ClientTimeout(total=_LIST_TIMEOUT, connect=self._config.connect_timeout)
        async with self._client.open("GET", "/models", timeout, params=params) as body:
            raw = await body.read_all()
        known = self._pages[number] if number < len(self._pages) else None
        return known if known is not None and known.raw == raw else parse_page(self.name, raw)
