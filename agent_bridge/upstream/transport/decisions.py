"""Decisions about tool calls that the running answer itself sends, with its next request."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent_bridge.core.errors import UpstreamRefused
from agent_bridge.i18n.catalogue import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent_bridge.upstream.answer import ApprovalRequest
    from agent_bridge.upstream.capabilities import Decision


class OpenDecisions:
    """The requests of all running answers of the upstream called *upstream*."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._open: dict[str, asyncio.Future[Decision]] = {}

    async def decide(self, ref: str, decision: Decision, /) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Approvals`. The running answer sends the decision."""
        waiting = self._open.pop(ref, None)
        if waiting is None or waiting.done():
            raise UpstreamRefused(Text("approval_closed", upstream=self._upstream))
        waiting.set_result(decision)

    @contextmanager
    def ask(self, requests: Sequence[ApprovalRequest]) -> Iterator[list[asyncio.Future[Decision]]]:
        """Give the decisions about *requests*, which are open while the context is entered."""
        loop = asyncio.get_running_loop()
        waiting = {each.ref: loop.create_future() for each in requests}
        self._open |= waiting
        try:
            yield list(waiting.values())
        finally:
            for ref, future in waiting.items():
                if self._open.get(ref) is future:
                    del self._open[ref]
