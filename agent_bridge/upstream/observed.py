"""An upstream whose requests an observer counts."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from agent_bridge.core.errors import (
    AnswerInterrupted,
    UpstreamBusy,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from agent_bridge.core.observer import Operation, RequestResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from agent_bridge.core.observer import Observer
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import AgentInfo, Traits, Unchanged, Upstream
    from agent_bridge.upstream.capabilities import Capabilities

#: The results of errors, the first that fits. Every other error is a failure.
_RESULTS: tuple[tuple[type[UpstreamError], RequestResult], ...] = (
    (UpstreamUnreachable, RequestResult.NO_RESPONSE),
    (UpstreamBusy, RequestResult.LIMITED),
    (UpstreamRefused, RequestResult.REFUSED),
    (AnswerInterrupted, RequestResult.INTERRUPTED),
)


class ObservedUpstream:
    """The *upstream*, whose lists and answers *observer* hears of.

    It implements :class:`~agent_bridge.upstream.base.Upstream`. Requests of the capabilities are not counted.
    """

    def __init__(self, upstream: Upstream, observer: Observer) -> None:
        self._upstream = upstream
        self._observer = observer

    @property
    def name(self) -> str:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        return self._upstream.name

    @property
    def traits(self) -> Traits:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        return self._upstream.traits

    @property
    def can(self) -> Capabilities:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        return self._upstream.can

    @property
    def server(self) -> str:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        return self._upstream.server

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        result = RequestResult.NO_RESPONSE
        try:
            agents = await self._upstream.agents()
            result = RequestResult.OK
        except UpstreamError as error:
            result = _result_of(error)
            raise
        finally:
            self._observer.upstream_request(self.name, Operation.AGENTS, result)
        return agents

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        # The caller ends an answer by closing this generator.
        result = RequestResult.STOPPED
        try:
            async with aclosing(self._upstream.answer(request)) as events:
                async for event in events:
                    yield event
            result = RequestResult.OK
        except UpstreamError as error:
            result = _result_of(error)
            raise
        finally:
            self._observer.upstream_request(self.name, Operation.ANSWER, result)

    async def aclose(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        await self._upstream.aclose()


def _result_of(error: UpstreamError) -> RequestResult:
    return next((result for kind, result in _RESULTS if isinstance(error, kind)), RequestResult.FAILED)
