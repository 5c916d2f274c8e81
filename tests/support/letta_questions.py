"""Questions to an upstream of the kind ``letta``."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import StoreError
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.upstream.answer import AnswerRequest, TextDelta
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.letta.frames import MAX_FRAME
from agent_bridge.upstream.letta.upstream import LettaUpstream
from support.scripted_upstream import Tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.core.upstreams import StoredConversation
    from agent_bridge.upstream.answer import AnswerEvent
    from support.scripted_app_server import ScriptedAppServer

QUESTION = AnswerRequest("Dora", (ChatMessage("user", "hello"),), "!room:x", "key", title="A title")
NEXT = replace(QUESTION, idempotency_key="next")
BASH = Tool("Bash", call_id="call_1")


class Store(MemoryConversations):
    """Fails at the write with the number :attr:`fails_at`, like a process that is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.fails_at = 0

    async def put(self, model: str, session: str, conversation: StoredConversation) -> None:
        self.writes += 1
        if self.writes == self.fails_at:
            raise StoreError("killed")
        await super().put(model, session, conversation)


@asynccontextmanager
async def connected(
    server: ScriptedAppServer,
    store: MemoryConversations,
    *,
    port: int = 0,
    heartbeat: float = 20,
    max_frame: int = MAX_FRAME,
) -> AsyncIterator[LettaUpstream]:
    """Connect to *server*, through the *port* of a line if there is one."""
    url = f"http://127.0.0.1:{port}" if port else server.url
    config = UpstreamConfig.model_validate({"name": "up", "kind": "letta", "url": url})
    async with (
        aiohttp.ClientSession() as session,
        aclosing(LettaUpstream(config, session, store, heartbeat=heartbeat, max_frame=max_frame)) as upstream,
    ):
        yield upstream


def at_text(act: Callable[[], object]) -> Callable[[AnswerEvent], None]:
    """Return a callback that acts once, at the first text."""
    done: list[bool] = []

    def on(event: AnswerEvent) -> None:
        if isinstance(event, TextDelta) and not done:
            done.append(True)
            act()

    return on
