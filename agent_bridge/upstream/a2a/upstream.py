"""The upstream kind ``a2a``."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from agent_bridge.core.errors import UpstreamError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.a2a.cards import Cards
from agent_bridge.upstream.a2a.memory import LaneMemory
from agent_bridge.upstream.a2a.references import TaskRef
from agent_bridge.upstream.a2a.replies import Replies
from agent_bridge.upstream.a2a.requests import Method
from agent_bridge.upstream.a2a.rpc import NOT_CANCELABLE, TASK_NOT_FOUND, Rpc, RpcRefused
from agent_bridge.upstream.a2a.turn import Turn
from agent_bridge.upstream.answer import AnswerRequest
from agent_bridge.upstream.base import Traits
from agent_bridge.upstream.capabilities import Capabilities
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.transport.errors import RequestContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    import aiohttp

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.base import AgentInfo, Unchanged
    from agent_bridge.upstream.conversation_store import ConversationStore


class A2AUpstream:
    """The agents whose cards *config* names. *store* links the lanes of the bridge to contexts and tasks.

    Requests go through *session*, which the caller closes. *clock* returns seconds, as :func:`time.monotonic` does.
    """

    def __init__(
        self,
        config: UpstreamConfig,
        session: aiohttp.ClientSession,
        store: ConversationStore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = config.name
        self.server = ""
        self.traits = Traits(stateful=True, idempotent=True, images=config.images, files=True)
        self.can = Capabilities(cancel=self._cancel, resume=self._resume)
        self._config = config
        self._session = session
        self._store = store
        self._replies = Replies()
        self._cards = Cards(config, session, clock=clock)

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :class:`~agent_bridge.upstream.base.Upstream`. The order is that of the configuration."""
        return await self._cards.list()

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`.

        A later attempt reads the task of the first one. If the server does not tell whether it got the question, the
        question is not sent again.
        """
        rpc = await self._rpc(request.model, images=any(each.images for each in request.messages[-1:]))
        memory = LaneMemory(self._store, request.model, request.session)
        try:
            async with aclosing(Turn(rpc, memory, request, self._replies).events()) as events:
                async for each in events:
                    yield each
        except UpstreamError:
            self._cards.forget(request.model)
            raise

    async def aclose(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`. All connections belong to the caller's session."""

    async def _rpc(self, model: str, *, images: bool = False) -> Rpc:
        card = await self._cards.find(model)
        return Rpc(self._config, card, self._session, RequestContext(model, images=images))

    async def _resume(self, ref: str, /) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`agent_bridge.upstream.capabilities.Resume`."""
        found = TaskRef.parse(ref, self.name)
        request = AnswerRequest(found.model, (), "", "")
        turn = Turn(
            await self._rpc(found.model), LaneMemory(MemoryConversations(), found.model, ""), request, Replies()
        )
        async with aclosing(turn.resume(found.task_id)) as events:
            async for each in events:
                yield each

    async def _cancel(self, ref: str, /) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Cancel`."""
        found = TaskRef.parse(ref, self.name)
        rpc = await self._rpc(found.model)
        try:
            await rpc.call(Method.CANCEL, {"id": found.task_id})
        except RpcRefused as refused:
            if refused.code not in (TASK_NOT_FOUND, NOT_CANCELABLE):
                raise UpstreamError(Text("run_goes_on", upstream=self.name), detail=refused.error.detail) from None
