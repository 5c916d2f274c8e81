"""Questions to an upstream of the kind ``letta_v1``, and people who decide about its tool calls."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.upstream.answer import AnswerRequest, ApprovalAsked
from agent_bridge.upstream.capabilities import Decision
from agent_bridge.upstream.letta_v1.upstream import LettaV1Upstream
from support.questions import DEADLINE, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.upstream.answer import AnswerEvent, ApprovalRequest
    from agent_bridge.upstream.conversation_store import ConversationStore, MemoryConversations
    from support.letta_v1_server import LettaV1Server
    from support.severable_proxy import Line


@dataclass(frozen=True)
class Dora:
    """An agent of a real server, and the bridge's connection to the server, which can be cut."""

    server: LettaV1Server
    id: str
    line: Line
    store: MemoryConversations

    @property
    def url(self) -> str:
        """The server at the other end of :attr:`line`."""
        return f"http://127.0.0.1:{self.line.port}"

    @property
    def asked(self) -> list[str]:
        """The questions that reached the language model."""
        return self.server.llm.questions

    def question(self, text: str = "hello", session: str = "!room:x") -> AnswerRequest:
        """Return a new question."""
        return AnswerRequest(self.id, (ChatMessage("user", text),), session, uuid.uuid4().hex, title="A title")

    async def conversations(self) -> list[dict[str, Any]]:
        """Return the conversations with the agent."""
        found: list[dict[str, Any]] = await self.server.request("GET", "/conversations/", agent_id=self.id)
        return found

    async def runs(self) -> list[str]:
        """Return the states of the runs of the agent."""
        return [str(each["status"]) for each in await self.server.request("GET", "/runs/", agent_id=self.id)]

    async def decide(self, request: ApprovalRequest) -> None:
        """Allow a call without the bridge."""
        conversation, _, call = request.ref.split(" ")
        approval = {"type": "approval", "tool_call_id": call, "approve": True}
        body = {"messages": [{"type": "approval", "approvals": [approval]}], "stream_tokens": True}
        said = await self.server.text("POST", f"/conversations/{conversation}/messages", body)
        assert "Done." in said, said


@asynccontextmanager
async def connected(url: str, store: ConversationStore, **keys: Any) -> AsyncIterator[LettaV1Upstream]:
    """Give an upstream called ``up`` that often looks whether a request for approval still exists."""
    config = UpstreamConfig.model_validate({"name": "up", "kind": "letta_v1", "url": url, **keys})
    async with (
        aiohttp.ClientSession() as session,
        aclosing(LettaV1Upstream(config, session, store, look=0.05)) as upstream,
    ):
        yield upstream


async def decided(
    upstream: LettaV1Upstream, request: AnswerRequest, *decisions: Decision
) -> tuple[str, list[AnswerEvent]]:
    """Return the answer, whose requests for approval get *decisions*, or are allowed."""
    left, tasks = list(decisions), []

    def on(event: AnswerEvent) -> None:
        if isinstance(event, ApprovalAsked):
            decision = left.pop(0) if left else Decision(allow=True)
            assert upstream.can.approvals is not None
            tasks.append(asyncio.ensure_future(upstream.can.approvals.decide(event.request.ref, decision)))

    found = await read(upstream, request, on)
    await asyncio.gather(*tasks)
    return found


async def leave_at_approval(upstream: LettaV1Upstream, request: AnswerRequest) -> None:
    """Ask, and close the answer at its first request for approval, as the end of the process does."""
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(request)) as events:
        async for event in events:
            if isinstance(event, ApprovalAsked):
                return
    raise AssertionError("no approval was asked for")
