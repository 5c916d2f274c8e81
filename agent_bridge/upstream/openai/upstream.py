"""The upstream kind ``openai``: any server with ``/models`` and ``/chat/completions`` or ``/responses``."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import aiohttp
import structlog

from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.base import UNCHANGED, Traits
from agent_bridge.upstream.capabilities import Capabilities
from agent_bridge.upstream.openai import chat, model_list, responses, transcription
from agent_bridge.upstream.openai.answer_reader import AnswerReader
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.errors import PathMissing, RequestContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from agent_bridge.config.model import UpstreamConfig
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import AgentInfo, Unchanged
    from agent_bridge.upstream.capabilities import Transcribe
    from agent_bridge.upstream.openai.model_list import Page
    from agent_bridge.upstream.transport.client import ResponseBody

_log = structlog.stdlib.get_logger(__name__)

#: Seconds that one page of the list of agents may take.
_LIST_TIMEOUT = 30.0
#: Pages of the list of agents that are read.
_MAX_PAGES = 200
_LETTA_SESSION = "x-letta-chat-key"
#: Seconds for which a server that lacks ``/responses`` is not asked for it.
_RESPONSES_RETRY = 3600.0


class OpenAIUpstream:
    """One server with the OpenAI API. Every request is sent once: the caller decides about repeats.

    An answer occupies a connection of *session* until it ends, so the session's connector needs ``limit=0``. *clock*
    returns seconds, as :func:`time.monotonic` does.
    """

    def __init__(
        self, config: UpstreamConfig, session: aiohttp.ClientSession, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = config.name
        self.traits = Traits(
            stateful=config.history == "server",
            # Letta keeps the conversations of this header in its memory.
            forgets=config.history == "server" and (config.session_header or "").lower() == _LETTA_SESSION,
            # Letta ignores the header at /responses, and no other server is known to use it there.
            idempotent=config.idempotency_header is not None and config.api == "chat",
            images=config.images,
        )
        self._config = config
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(connect=config.connect_timeout, sock_read=config.idle_timeout)
        self._client = UpstreamClient(config, session, idempotent=self.traits.idempotent)
        model = config.transcription_model
        self.can = Capabilities(transcribe=None if model is None else self._transcriber(model))
        #: Until then the server counts as one without ``/responses``.
        self._responses_missing_until = clock()
        self._pages: tuple[Page, ...] = ()
        self._agents: tuple[AgentInfo, ...] | None = None

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :class:`~agent_bridge.upstream.base.Upstream`. The bytes of an unchanged page are not parsed again."""
        pages = await self._fetch_pages()
        if self._agents is not None and [page.raw for page in pages] == [page.raw for page in self._pages]:
            return UNCHANGED
        self._pages = pages
        agents = model_list.included_agents((model for page in pages for model in page.models), self._config)
        if agents == self._agents:
            return UNCHANGED
        self._agents = agents
        return agents

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        async with AsyncExitStack() as stack:
            body, reader = await self._ask(request, stack)
            if body.media_type.endswith("json"):
                for event in reader.read_json(await body.read_all()):
                    yield event
                return
            if body.media_type == "text/html":
                raise UpstreamProtocolError(Text("upstream_web_page", upstream=self.name))
            while not reader.ended and (data := await body.read_some()):
                for event in reader.feed(data):
                    yield event
            for event in reader.close():
                yield event

    async def aclose(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`. All connections belong to the caller's session."""

    def _transcriber(self, model: str) -> Transcribe:
        """Return the capability to transcribe with the speech model *model*."""

        async def transcribe(audio: bytes, *, name: str, content_type: str) -> str:
            form = transcription.request(audio, name=name, content_type=content_type, model=model)
            context = RequestContext(transcription=True)
            async with self._client.open("POST", transcription.PATH, self._timeout, data=form, context=context) as body:
                return transcription.read_transcript(self.name, await body.read_all())

        return transcribe

    async def _ask(self, request: AnswerRequest, stack: AsyncExitStack) -> tuple[ResponseBody, AnswerReader]:
        """Send the question. The connection stays open until *stack* closes."""
        messages = request.messages[-1:] if self.traits.stateful else request.messages
        prompt = None if self.traits.stateful else self._config.system_prompt
        context = RequestContext(request.model, images=any(message.images for message in messages))

        async def send(path: str, question: Mapping[str, Any], context: RequestContext) -> ResponseBody:
            headers = self._turn_headers(request)
            response = self._client.open("POST", path, self._timeout, headers=headers, json=question, context=context)
            return await stack.enter_async_context(response)

        use_responses = self._config.api == "responses" and self._clock() >= self._responses_missing_until
        if use_responses:
            question = responses.request(request.model, messages, prompt)
            try:
                body = await send(responses.PATH, question, replace(context, optional_path=True))
                return body, AnswerReader(self._client.errors, responses.ResponsesDialect())
            except PathMissing:
                pass
        body = await send(chat.PATH, chat.request(request.model, messages, prompt), context)
        if use_responses:
            # The server answers at the other path, so it was the path that was missing and not the agent.
            self._responses_missing_until = self._clock() + _RESPONSES_RETRY
            _log.warning("the upstream has no /responses: using /chat/completions", upstream=self.name)
        return body, AnswerReader(self._client.errors, chat.ChatDialect())

    def _turn_headers(self, request: AnswerRequest) -> dict[str, str]:
        values = {
            self._config.session_header: request.session,
            self._config.idempotency_header: request.idempotency_key,
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
            # A server that no longer knows the cursor returns its first page again.
            ids = {model.id for model in page.models}
            if ids <= seen:
                raise UpstreamProtocolError(Text("list_repeats", upstream=self.name))
            seen |= ids
            params = page.next
        raise UpstreamProtocolError(Text("list_pages", upstream=self.name, limit=_MAX_PAGES))

    async def _fetch_page(self, number: int, params: Mapping[str, str]) -> Page:
        timeout = aiohttp.ClientTimeout(total=_LIST_TIMEOUT, connect=self._config.connect_timeout)
        async with self._client.open("GET", model_list.PATH, timeout, params=params) as body:
            raw = await body.read_all()
        known = self._pages[number] if number < len(self._pages) else None
        return known if known is not None and known.raw == raw else model_list.parse_page(self.name, raw)
