"""The upstream kind ``letta_v1``."""

from __future__ import annotations

import time
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Literal

from agent_bridge.upstream.answer import AnswerRequest
from agent_bridge.upstream.base import Traits
from agent_bridge.upstream.capabilities import Capabilities
from agent_bridge.upstream.letta_v1.agents import AgentList
from agent_bridge.upstream.letta_v1.all_conversations import V1Conversations, V1History
from agent_bridge.upstream.letta_v1.conversations import LaneConversations
from agent_bridge.upstream.letta_v1.exchange import ConversationMissing
from agent_bridge.upstream.letta_v1.lane import Background, Lane, RunRef, cancel
from agent_bridge.upstream.letta_v1.rest import Rest
from agent_bridge.upstream.letta_v1.turn import Turn
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.decisions import OpenDecisions
from agent_bridge.upstream.transport.errors import RequestContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    import aiohttp

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.base import AgentInfo, Unchanged
    from agent_bridge.upstream.conversation_store import ConversationStore


class LettaV1Upstream:
    """One server. *store* links the lanes of the bridge to the server's conversations.

    Requests go through *session*, which the caller closes. *clock* returns seconds, as :func:`time.monotonic` does.
    *look* is the number of seconds between two looks whether a request for approval still exists.
    """

    def __init__(
        self,
        config: UpstreamConfig,
        session: aiohttp.ClientSession,
        store: ConversationStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        look: float = 10.0,
    ) -> None:
        self.name = config.name
        self.server = ""
        self.traits = Traits(stateful=True, idempotent=True, images=config.images)
        self._config = config
        self._rest = Rest(config, UpstreamClient(config, session, idempotent=True))
        self._approvals = OpenDecisions(config.name)
        self._conversations = LaneConversations(self._rest, store)
        conversations = V1Conversations(self._rest, self._conversations, store)
        self.can = Capabilities(
            cancel=partial(cancel, self._rest),
            resume=self._resume,
            approvals=self._approvals,
            conversations=conversations,
            deletion=conversations.delete,
            history=V1History(self._rest),
        )
        self._agents = AgentList(config, self._rest)
        self._background = Background(clock)
        self._look = look

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        return await self._agents.fetch()

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`.

        Every attempt sends the question under the same id, and the server answers it once. A decision about a tool
        call is sent once, and never again by a later attempt.
        """
        lane = (request.model, request.session, request.title)
        conversation_id = await self._conversations.current(*lane)
        for is_second in (False, True):
            try:
                async with aclosing(self._turn(request, conversation_id).events()) as events:
                    async for each in events:
                        yield each
            except ConversationMissing as missing:
                if is_second:
                    raise missing.error from None
                conversation_id = await self._conversations.replace(*lane)
            else:
                return

    async def aclose(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`. All connections belong to the caller's session."""

    def _turn(self, request: AnswerRequest, conversation_id: str) -> Turn:
        context = RequestContext(request.model, images=any(each.images for each in request.messages[-1:]))
        idle_timeout = self._config.idle_timeout
        lane = Lane(self._rest, self._background, context, conversation_id, idle_timeout=idle_timeout, look=self._look)
        return Turn(lane, self._approvals, request)

    async def _resume(self, ref: str, /) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`agent_bridge.upstream.capabilities.Resume`. Requests for approval are among the events."""
        found = RunRef.parse(ref, self.name)
        request = AnswerRequest(found.agent_id, (), "", found.key)
        async with aclosing(self._turn(request, found.conversation_id).events(resume=found.run_id)) as events:
            async for each in events:
                yield each
