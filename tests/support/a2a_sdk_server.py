"""The server of the official A2A SDK, whose agent does what the text of a message says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import uvicorn
from a2a.helpers.proto_helpers import new_data_part, new_raw_part, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Message,
    Part,
    Role,
    Task,
    TaskState,
    TaskStatus,
)
from starlette.applications import Starlette

from agent_bridge.demo.synapse import free_port
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from a2a.server.agent_execution import RequestContext
    from a2a.server.events import EventQueue


class Agent(AgentExecutor):
    """Echoes messages in words. ``slow`` waits for :attr:`gate`, ``reply`` answers without a task."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.gate = asyncio.Event()
        #: The texts of the messages, with their contexts and tasks.
        self.asked: list[tuple[str, str, str]] = []
        self.files: list[bytes] = []

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Work on a message."""
        message, task_id, context_id = context.message, context.task_id, context.context_id
        assert message is not None
        assert task_id
        assert context_id
        text = context.get_user_input()
        self.asked.append((text, context_id, task_id))
        self.files += [part.raw for part in message.parts if part.HasField("raw")]
        if text == "reply":
            parts = [new_text_part("A reply.")]
            reply = Message(message_id="m", role=Role.ROLE_AGENT, context_id=context_id, parts=parts)
            await event_queue.enqueue_event(reply)
            return
        if context.current_task is None:
            status = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
            await event_queue.enqueue_event(Task(id=task_id, context_id=context_id, status=status, history=[message]))
        await self._work(text, TaskUpdater(event_queue, task_id, context_id))

    async def _work(self, text: str, updater: TaskUpdater) -> None:
        def said(words: str) -> Message:
            return updater.new_agent_message([new_text_part(words)])

        await updater.start_work(said("Working."))
        match text:
            case "ask":
                await updater.requires_input(said("Which one?"))
                return
            case "fail":
                await updater.failed(said("out of memory"))
                return
            case "file":
                parts: list[Part] = [new_raw_part(b"a,b\n1,2\n", "text/csv", "table.csv"), new_data_part({"a": 1})]
                await updater.add_artifact(parts, name="figures")
        words = f"Echo: {text}".split(" ")
        for number, word in enumerate(words):
            piece = [new_text_part(word if number == 0 else f" {word}")]
            is_last = number == len(words) - 1
            await updater.add_artifact(piece, artifact_id="answer", append=number > 0, last_chunk=is_last)
            if text == "slow" and number == 0:
                await self.gate.wait()
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """End a task."""
        await TaskUpdater(event_queue, context.task_id or "", context.context_id or "").cancel()


class _Server(uvicorn.Server):
    """Leaves the signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def sdk_server(agent: Agent, *, streaming: bool = True, version: str = "1.0") -> AsyncIterator[str]:
    """Serve *agent* on 127.0.0.1; give the URL of the server."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    card = AgentCard(
        name="Echo of the SDK",
        description="Echoes.",
        version="1",
        capabilities=AgentCapabilities(streaming=streaming),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="Echo", description="Echoes.", tags=["test"])],
        supported_interfaces=[AgentInterface(url=f"{url}/rpc", protocol_binding="JSONRPC", protocol_version=version)],
    )
    handler = DefaultRequestHandler(agent_executor=agent, task_store=InMemoryTaskStore(), agent_card=card)
    routes = [
        *create_agent_card_routes(card),
        *create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=version != "1.0"),
    ]
    config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = _Server(config)
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    try:
        await eventually(started, "the server listens")
        yield url
    finally:
        server.should_exit = server.force_exit = True
        await task
