"""Questions to an upstream of the kind ``a2a``."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.upstream.a2a.upstream import A2AUpstream
from agent_bridge.upstream.answer import AnswerRequest
from agent_bridge.upstream.conversation_store import MemoryConversations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def question(text: str, key: str = "", *, attempt: int = 1, **changes: Any) -> AnswerRequest:
    """Return a question in the lane of these tests; its key is its text."""
    return AnswerRequest("Dora", (ChatMessage("user", text),), "!room:x", key or text, attempt=attempt, **changes)


@asynccontextmanager
async def connected(url: str, store: MemoryConversations | None = None, **keys: Any) -> AsyncIterator[A2AUpstream]:
    """Connect to the server at *url*, whose agent is ``Dora``, as a new process does."""
    values = {"name": "up", "kind": "a2a", "url": url, "cards": ["Dora"], **keys}
    config = UpstreamConfig.model_validate(values)
    async with (
        aiohttp.ClientSession() as session,
        aclosing(A2AUpstream(config, session, MemoryConversations() if store is None else store)) as upstream,
    ):
        yield upstream
