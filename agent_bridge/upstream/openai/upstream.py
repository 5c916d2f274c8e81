"""The upstream kind ``openai``: any server with ``/models`` and ``/chat/completions`` or ``/responses``."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Literal

import aiohttp
import structlog

from agent_bridge.core.errors import AnswerInterrupted, UpstreamError, UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.base import UNCHANGED, Traits
from agent_bridge.upstream.capabilities import Capabilities
from agent_bridge.upstream.openai import chat, model_list, responses, transcription
from agent_bridge.upstream.openai.answer_reader import AnswerReader
from agent_bridge.upstream.openai.mcp_approvals import McpAnswer
from agent_bridge.upstream.openai.speech import OpenAISpeech
from agent_bridge.upstream.openai.usage_reports import UsageReports
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.decisions import OpenDecisions
from agent_bridge.upstream.transport.errors import PathMissing, RequestContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import AgentInfo, Unchanged
    from agent_bridge.upstream.capabilities import Transcribe
    from agent_bridge.upstream.openai.dialect import Dialect
    from agent_bridge.upstream.openai.mcp_approvals import Following
    from agent_bridge.upstream.openai.model_list import Page
    from agent_bridge.upstream.transport.client import ResponseBody

_log = structlog.stdlib.get_logger(__name__)

#: Seconds that one page of the list of agents may take.
_LIST_TIMEOUT = 30.0
#: Pages of the list of agents that are read.
_MAX_PAGES = 200
#: Bytes of an answer that are read at once, and bytes of one event or list that are read in a thread.
_AT_ONCE, _LARGE = 4 * 1024, 32 * 1024
#: Entries of a list that are compared with the configuration in a thread.
_MANY = 200
#: Seconds of reading before other tasks run.
_TURN = 0.01
_LETTA_SESSION = "x-letta-chat-key"
#: Seconds for which a server that lacks ``/responses`` is not asked for it.
_RESPONSES_RETRY = 3600.0


class OpenAIUpstream:
    """One server with the OpenAI API. Every request is sent once: the caller decides about repeats.

    The exception is a request that the server refuses, perhaps because it is to report the tokens.

    An answer occupies a connection of *session* until it ends, so the session's connector needs ``limit=0``. *clock*
    returns seconds, as :func:`time.monotonic` does.
    """

    def __init__(
        self, config: UpstreamConfig, session: aiohttp.ClientSession, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = config.name
        self.server = ""
        self.traits = Traits(
            stateful=config.history == "server",
            has_sessions=config.history == "bridge" or config.session_header is not None,
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
        model, speech_model = config.transcription_model, config.speech_model
        self._decisions = OpenDecisions(config.name)
        self.can = Capabilities(
            transcribe=None if model is None else self._transcriber(model),
            speak=None if speech_model is None else OpenAISpeech(config, self._client, speech_model),
            approvals=self._decisions if config.api == "responses" else None,
        )
        #: Until then the server counts as one without ``/responses``.
        self._responses_missing_until = clock()
        #: Models whose complete answers have a finish reason.
        self._giving_reasons: set[str] = set()
        self._reports = UsageReports(wanted=config.report_usage)
        self._pages: tuple[Page, ...] = ()
        self._agents: tuple[AgentInfo, ...] | None = None

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :class:`~agent_bridge.upstream.base.Upstream`. The bytes of an unchanged page are not parsed again."""
        pages = await self._fetch_pages()
        if self._agents is not None and [page.raw for page in pages] == [page.raw for page in self._pages]:
            return UNCHANGED
        self._pages = pages
        models = [model for page in pages for model in page.models]
        choose = partial(model_list.included_agents, models, self._config)
        agents = await asyncio.to_thread(choose) if len(models) > _MANY else choose()
        if agents == self._agents:
            return UNCHANGED
        self._agents = agents
        return agents

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        missing = False
        if self._config.api == "responses" and self._clock() >= self._responses_missing_until:
            answer = McpAnswer(request, self._decisions, self.name, partial(self._read_answer, request))
            try:
                async with aclosing(answer.events()) as events:
                    async for event in events:
                        yield event
            except PathMissing:
                missing = True
            else:
                return
        async with aclosing(self._chat_answer(request)) as events:
            async for event in events:
                if missing:
                    # The server answers at the other path, so it was the path that was missing and not the agent.
                    missing = False
                    self._responses_missing_until = self._clock() + _RESPONSES_RETRY
                    _log.warning("the upstream has no /responses: using /chat/completions", upstream=self.name)
                yield event

    async def aclose(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`. All connections belong to the caller's session."""

    def _transcriber(self, model: str) -> Transcribe:
        """Return the capability to transcribe with the speech model *model*."""

        async def transcribe(audio: bytes, *, name: str, content_type: str) -> str:
            form = transcription.request(audio, name=name, content_type=content_type, model=model)
            context = RequestContext(transcription=True)
            async with self._client.open(
                "POST", transcription.PATH, self._timeout, data=form, context=context, own_connection=True
            ) as body:
                return transcription.read_transcript(self.name, await body.read_all())

        return transcribe

    async def _chat_answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Ask at ``/chat/completions``, with the wish for a report of the tokens unless the server refuses that.

        Raises:
            UpstreamError: the answer is not complete.
        """
        model, has_begun = request.model, False
        if self._reports.are_wanted_of(model):
            try:
                async with aclosing(self._read_answer(request, chat.ChatDialect(), reports=True)) as events:
                    async for event in events:
                        if not has_begun:
                            has_begun = True
                            self._reports.accept(model)
                        yield event
            except UpstreamError as error:
                if has_begun or not self._reports.may_be_refused(model, error):
                    raise
            else:
                return
        async with aclosing(self._read_answer(request, chat.ChatDialect())) as events:
            async for event in events:
                if self._reports.are_wanted_of(model):
                    self._reports.refuse(model)
                    _log.info("the upstream reports no tokens on request", upstream=self.name, model=model)
                yield event

    async def _read_answer(
        self,
        request: AnswerRequest,
        dialect: Dialect,
        following: Following | None = None,
        *,
        reports: bool = False,
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Send the question, or what follows it, and yield the events of the answer, which *dialect* reads.

        The connection stays open until its end.

        Raises:
            PathMissing: the server lacks ``/responses``. There was no event.
            UpstreamError: the answer is not complete.
        """
        gives_reasons = request.model in self._giving_reasons
        reader = AnswerReader(self._client.errors, dialect, gives_reasons=gives_reasons)
        turns = _Turns(reader)
        is_responses = isinstance(dialect, responses.ResponsesDialect)
        async with self._ask(request, following, use_responses=is_responses, reports=reports) as body:
            while not reader.ended:
                try:
                    data = await body.read_some(reader.patience)
                except AnswerInterrupted:
                    for event in reader.flush():
                        yield event
                    if reader.patience is None:
                        raise
                    break
                if not data:
                    break
                async for event in turns.feed(data):
                    yield event
            async for event in turns.close():
                yield event
        if reader.has_reason:
            self._giving_reasons.add(request.model)

    def _ask(
        self, request: AnswerRequest, following: Following | None, *, use_responses: bool, reports: bool
    ) -> AbstractAsyncContextManager[ResponseBody]:
        """Return the context in which the question is sent and the body of the response is read."""
        messages = request.messages[-1:] if self.traits.stateful else request.messages
        prompt = None if self.traits.stateful else request.system_prompt
        images = any(message.images for message in messages)
        dialect = responses if use_responses else chat
        body = dialect.request(request.model, messages, prompt, request.temperature)
        if reports:
            body |= chat.REPORT_USAGE
        return self._client.open(
            "POST",
            dialect.PATH,
            self._timeout,
            headers=self._turn_headers(request),
            json=body if following is None else following.added_to(body),
            context=RequestContext(request.model, images=images, optional_path=use_responses),
            own_connection=True,
        )

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
            if ids <= seen and params.keys() == {model_list.NUMBER}:
                # The server knows no numbers of pages: its list has one page.
                return tuple(pages[:-1])
            if ids <= seen:
                raise UpstreamProtocolError(Text("list_repeats", upstream=self.name))
            seen |= ids
            params = page.next
        raise UpstreamProtocolError(Text("list_pages", upstream=self.name, limit=_MAX_PAGES))

    async def _fetch_page(self, number: int, params: Mapping[str, str]) -> Page:
        timeout = aiohttp.ClientTimeout(total=_LIST_TIMEOUT, connect=self._config.connect_timeout)
        known = self._pages[number] if number < len(self._pages) else None
        etag = known.etag if known is not None else None
        headers = {"If-None-Match": etag} if etag else {}
        async with self._client.open("GET", model_list.PATH, timeout, headers=headers, params=params) as body:
            if known is not None and body.not_modified:
                return known
            raw, etag = await body.read_all(model_list.MAX_BYTES), body.etag
        if known is not None and known.raw == raw and known.etag == etag:
            return known
        parse = partial(model_list.parse_page, self.name, raw, etag=etag, secrets=self._client.errors.secrets)
        return await asyncio.to_thread(parse) if len(raw) > _LARGE else parse()


class _Turns:
    """Reads an answer with *reader*, and lets other tasks run in between: one chunk may contain thousands of events."""

    def __init__(self, reader: AnswerReader) -> None:
        self._reader = reader
        self._since = 0.0

    async def feed(self, data: bytes) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events in the next bytes of the body; the errors are those of the reader."""
        self._since = time.monotonic()
        at = 0
        while at < len(data):
            # A thread reads any number of bytes.
            end = len(data) if self._reader.waiting > _LARGE else at + _AT_ONCE
            async for event in self._read(self._reader.feed(data[at:end])):
                yield event
            at = end

    async def close(self) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the last events at the end of the body; the errors are those of the reader."""
        async for event in self._read(self._reader.close()):
            yield event

    async def _read(self, events: Iterator[AnswerEvent]) -> AsyncGenerator[AnswerEvent, None]:
        if self._reader.waiting > _LARGE:
            found, error = await asyncio.to_thread(_all_of, events)
            for event in found:
                yield event
            if error is not None:
                raise error
            return
        for event in events:
            yield event
            await self._pause()
        await self._pause()

    async def _pause(self) -> None:
        if time.monotonic() - self._since > _TURN:
            await asyncio.sleep(0)
            self._since = time.monotonic()


def _all_of(events: Iterator[AnswerEvent]) -> tuple[list[AnswerEvent], UpstreamError | None]:
    """Return all *events*, and the error that ends them."""
    found: list[AnswerEvent] = []
    try:
        found.extend(events)
    except UpstreamError as error:
        return found, error
    return found, None
