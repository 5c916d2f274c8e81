"""The upstream kind ``letta``: an App Server of Letta."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import structlog

from agent_bridge.core.errors import AnswerInterrupted, StoreError, UpstreamError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import ApprovalAsked, End, ReasoningDelta, TextDelta, TextWithdrawn
from agent_bridge.upstream.base import Traits
from agent_bridge.upstream.capabilities import Capabilities
from agent_bridge.upstream.letta.agents import AgentList
from agent_bridge.upstream.letta.all_conversations import LettaConversations
from agent_bridge.upstream.letta.approvals import LettaApprovals
from agent_bridge.upstream.letta.cancel import LettaCancel
from agent_bridge.upstream.letta.commands import LettaCommands
from agent_bridge.upstream.letta.conversations import LaneConversations
from agent_bridge.upstream.letta.frames import MAX_EVENT, MAX_FRAME
from agent_bridge.upstream.letta.history import TRIES, LettaHistory, find_question, last_before_lost_call, otid, otids
from agent_bridge.upstream.letta.link import Link, ResponseTooLarge
from agent_bridge.upstream.letta.pictures import LettaPictures
from agent_bridge.upstream.letta.schedules import LettaSchedules
from agent_bridge.upstream.letta.tool_calls import definitions
from agent_bridge.upstream.letta.turn import ConversationStuck, Turn, TurnLost
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.letta_messages import DeltaReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import AgentInfo, Unchanged
    from agent_bridge.upstream.conversation_store import ConversationStore
    from agent_bridge.upstream.letta.feed import Feed
    from agent_bridge.upstream.letta.frames import Runtime
    from agent_bridge.upstream.letta.history import Past

_log = structlog.stdlib.get_logger(__name__)

_PATH = "/ws"
_LARGE_EVENT = Text("letta_large_event", limit=MAX_EVENT // 10**6)


class ConversationMissing(Exception):
    """The server does not have the conversation any more."""


class _AskAgain(Exception):
    """The question has to be asked again, in a copy of the conversation up to the message *before* it."""

    def __init__(self, before: str) -> None:
        super().__init__(before)
        self.before = before


@dataclass(slots=True)
class _State:
    """The state of one call of :meth:`LettaUpstream.answer`."""

    request: AnswerRequest
    #: Whether the question may be in the history already.
    look_back: bool
    #: The number of messages sent.
    number: int = 0
    #: Whether reasoning, and text were yielded.
    reasoned: bool = False
    said: bool = False
    #: Whether the history had the whole answer.
    is_answered: bool = False
    #: Calls that people were asked about in this attempt: they may have run.
    asked: set[str] = field(default_factory=set)

    def next_otid(self) -> str:
        """Return an ``otid`` that was never used."""
        self.number += 1
        return otid(self.request.idempotency_key, self.request.attempt, self.number)

    @property
    def otids(self) -> frozenset[str]:
        """The ids under which the history may have the question."""
        return otids(self.request.idempotency_key, self.request.attempt)

    def adopt(self, past: Past, ended: str) -> Iterator[AnswerEvent]:
        """Yield the answer that the history has. *ended* is the stop reason of the turn, empty if its end was not seen.

        Raises:
            _AskAgain: there is no whole answer, and the agent has not acted.
            AnswerInterrupted: the agent has acted, and the answer is perhaps not whole. Its text was yielded.
        """
        is_whole = ended == "end_turn" and past.is_answered and past.is_last
        if not is_whole and not past.ran_tool(self.request.never_ran - self.asked):
            raise _AskAgain(past.before)
        if self.said:
            yield TextWithdrawn()
        reader = DeltaReader()
        shown = (event for message in past.after for event in reader.read(message))
        yield from (each for each in shown if not (self.reasoned and isinstance(each, ReasoningDelta)))
        yield from reader.close()
        if not is_whole:
            raise AnswerInterrupted(_LARGE_EVENT if past.is_too_large else Text("letta_interrupted"))
        self.is_answered = True
        yield End("stop")

    def note(self, event: AnswerEvent) -> None:
        """Note that *event* is about to be yielded."""
        if isinstance(event, ApprovalAsked):
            self.asked.add(event.request.call.call_id)
        self.reasoned = self.reasoned or isinstance(event, ReasoningDelta)
        self.said = self.said or isinstance(event, TextDelta)


class LettaUpstream:
    """One App Server. *store* links the lanes of the bridge to the server's conversations.

    The server lacks the capabilities resume, because it keeps no events of a turn, and its messages do not tell whether
    an answer is whole; watch, because it reports no change of its agents; and deletion.

    Requests over HTTP go through *session*. *clock* returns seconds, as :func:`time.monotonic` does. *heartbeat* is the
    number of seconds between two pings. A server that answers none within half of them counts as lost. A connection
    ends at a frame of more than *max_frame* bytes.
    """

    def __init__(
        self,
        config: UpstreamConfig,
        session: aiohttp.ClientSession,
        store: ConversationStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        heartbeat: float = 20.0,
        max_frame: int = MAX_FRAME,
    ) -> None:
        self.name = config.name
        self.traits = Traits(stateful=True, idempotent=True, images=config.images)
        # People keep the URL of the OpenAI API when they change the kind.
        config = config.model_copy(update={"url": config.url.removesuffix("/v1")})
        self._config = config
        self._heartbeat = heartbeat
        self._client = UpstreamClient(config, session, idempotent=True)
        self._link = Link(config.name, self._socket, self._client.errors.secrets, max_frame=max_frame)
        pictures = LettaPictures(config.name, self._socket, clock)
        self._approvals = LettaApprovals(self._link, config.name, self._client.errors.secrets)
        self._conversations = LaneConversations(self._link, store)
        commands = LettaCommands(self._link, self._conversations, self._approvals, config.name)
        conversations = LettaConversations(self._link, self._conversations, store)
        self.can = Capabilities(
            cancel=LettaCancel(self._link),
            approvals=self._approvals,
            conversations=conversations,
            branches=conversations.branch,
            archive=conversations.archive,
            history=LettaHistory(self._link),
            schedules=LettaSchedules(self._link),
            commands=commands,
            pictures=pictures,
        )
        self._agents = AgentList(config, self._client, self._link, pictures, clock)

    @property
    def server(self) -> str:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        return "" if self._link.server is None else str(self._link.server)

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        return await self._agents.fetch()

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`.

        A question is never sent twice under one id. After a loss of the connections, the answer is taken from the
        history of the conversation; the question is sent again only if no tool has run.
        """
        lane = (request.session, request.title)
        runtime, is_new = await self._conversations.current(request.model, *lane)
        state = _State(request, look_back=request.attempt > 1 and not is_new)
        is_copy = False
        for _ in range(TRIES):
            try:
                async with aclosing(self._try(runtime, state)) as events:
                    async for event in events:
                        yield event
            except ConversationMissing:
                _log.warning("the agent's conversation is gone, and a new one begins", upstream=self.name)
                runtime = await self._conversations.renew(runtime, *lane)
                state.look_back = False
            except ConversationStuck as stuck:
                if is_copy:
                    # The reason is not in the conversation: another copy would not help.
                    raise stuck.error from None
                _log.warning("the agent's conversation is stuck and is copied", upstream=self.name)
                after = await last_before_lost_call(self._link, runtime.conversation_id)
                runtime, is_copy = await self._conversations.replace(runtime, *lane, after=after), True
                state.look_back = False
            except TurnLost:
                state.look_back = True
            except _AskAgain as again:
                runtime = await self._conversations.replace(runtime, *lane, after=again.before)
                state.look_back = False
            else:
                return
        lost = AnswerInterrupted(Text("upstream_cut", upstream=self.name))
        # No tool has run, and the next attempt looks back first.
        lost.retryable = lost.not_begun = True
        raise lost

    async def aclose(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        await self._link.aclose()

    def _socket(self, max_bytes: int) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        connect = self._config.connect_timeout
        return self._client.websocket(_PATH, connect=connect, heartbeat=self._heartbeat, max_bytes=max_bytes)

    async def _try(self, runtime: Runtime, state: _State) -> AsyncGenerator[AnswerEvent, None]:
        """Look for the answer in the history if need be, else send the question and yield the events of the answer."""
        toolbox = state.request.toolbox
        options = {"mode": "standard", "external_tools": definitions(toolbox)}
        with self._link.feed(runtime, options, toolbox) as feed:
            await self._follow(feed, state=state.look_back)
            if state.look_back:
                async with aclosing(self._look_back(feed, state)) as earlier:
                    async for event in earlier:
                        yield event
                if state.is_answered:
                    return
            if state.said:
                state.said = False
                yield TextWithdrawn()
            async with aclosing(self._turn(feed, state.next_otid()).ask(state.request.messages[-1])) as events:
                async for event in events:
                    state.note(event)
                    yield event

    async def _look_back(self, feed: Feed, state: _State) -> AsyncGenerator[AnswerEvent, None]:
        """Wait for the end of a turn that goes on, and yield the answer to the question if the history has it.

        Raises:
            _AskAgain, AnswerInterrupted: see :meth:`_State.adopt`.
        """
        ended = ""
        if feed.is_running or feed.turn_is_over:
            attended = self._turn(feed, "")
            async with aclosing(attended.attend()) as requests:
                async for each in requests:
                    state.note(each)
                    yield each
            ended = attended.stop_reason
        try:
            past = await find_question(self._link, feed.runtime.conversation_id, state.otids)
        except ResponseTooLarge:
            await self._put_aside(feed.runtime, state.request)
            raise AnswerInterrupted(_LARGE_EVENT) from None
        if past is None:
            return
        try:
            for event in state.adopt(past, ended):
                yield event
        except AnswerInterrupted:
            if not ended and not past.is_answered:
                await self._put_aside(feed.runtime, state.request)
            raise

    async def _put_aside(self, runtime: Runtime, request: AnswerRequest) -> None:
        """Replace a conversation whose turn the server gave up by a copy.

        The server would refuse the next question for seconds, as it does while it puts a turn away. The next question
        makes the copy if this fails.
        """
        with suppress(UpstreamError, StoreError):
            after = await last_before_lost_call(self._link, runtime.conversation_id)
            await self._conversations.replace(runtime, request.session, request.title, after=after)

    async def _follow(self, feed: Feed, *, state: bool) -> None:
        """Follow the conversation of *feed*; see :meth:`agent_bridge.upstream.letta.link.Link.follow`.

        Raises:
            ConversationMissing: the server has the agent, and not the conversation.
        """
        try:
            await self._link.follow(feed, state=state)
        except UpstreamRefused:
            if await self._conversations.is_missing(feed.runtime):
                raise ConversationMissing from None
            raise

    def _turn(self, feed: Feed, otid: str) -> Turn:
        return Turn(self._link, feed, self._approvals, otid, self._client.errors, self._config.idle_timeout)
