"""Reads answers of upstreams with conversations of their own."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from agent_bridge.upstream.answer import End, TextDelta, TextWithdrawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import Upstream

#: Seconds for an answer. A tool of a real server takes some of them.
DEADLINE = 60


async def read(
    upstream: Upstream, request: AnswerRequest, on: Callable[[AnswerEvent], object] = lambda _event: None
) -> tuple[str, list[AnswerEvent]]:
    """Return the text of the answer, and its events; call *on* with each event as it arrives."""
    events: list[AnswerEvent] = []
    text = ""
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(request)) as answer:
        async for event in answer:
            events.append(event)
            if isinstance(event, TextDelta):
                text += event.text
            elif isinstance(event, TextWithdrawn):
                text = ""
            on(event)
    assert isinstance(events[-1], End)
    return text, events
