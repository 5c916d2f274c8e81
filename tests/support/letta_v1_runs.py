"""Conversations and runs of a scripted server with Letta's REST API, and the frames of their streams."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent_bridge.demo.agents.openai_server import Reasoning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from aiohttp import web

    from agent_bridge.demo.agents.openai_server import Refusal
    from support.answer_chunks import Tool

Frame = dict[str, Any]

PENDING = "PENDING_APPROVAL"
#: The time of all messages.
DATE = "2026-11-21T01:35:24+00:00"
#: Messages without a number in the background mode.
_UNNUMBERED = frozenset({"stop_reason", "usage_statistics"})


class Run:
    """A run, whose events are kept."""

    def __init__(self, run_id: str, otid: str, *, background: bool) -> None:
        self.id = run_id
        self.otid = otid
        self.background = background
        self.status = "running"
        self.stop_reason = ""
        #: Set when the response can begin; the response that takes its place.
        self.begun = asyncio.Event()
        self.refused: Refusal | None = None
        #: Whether it was cancelled, and goes on for a while.
        self.cancelled = False
        self.task: asyncio.Task[None] | None = None
        #: The events with their numbers, 0 for one that has none.
        self._events: list[tuple[int, bytes]] = []
        self._seq = 0
        self._news = asyncio.Event()
        self._followers: list[web.Request] = []

    def refuse(self, refusal: Refusal) -> None:
        """Let *refusal* be the response."""
        self.refused, self.status = refusal, "failed"
        self.begun.set()

    def ping(self) -> None:
        """Send the first event, once."""
        if not self.begun.is_set():
            self.say({"id": "ping-1", "message_type": "ping"})
            self.begun.set()

    def cancel_later(self) -> None:
        """Be cancelled, and go on."""
        self.cancelled = True
        self.sign()

    def sign(self) -> None:
        """Tell that the server is there, with the number of the last event."""
        frame = {"id": "ping-2", "message_type": "ping", "run_id": self.id, "seq_id": self._seq or None}
        self._events.append((self._seq, b"data: " + json.dumps(frame).encode() + b"\n\n"))
        self._wake()

    def say(self, *frames: Frame) -> None:
        """Send *frames*."""
        for frame in frames:
            kind, number = frame["message_type"], 0
            if self.background and kind not in _UNNUMBERED:
                self._seq = number = self._seq + 1
            shown = frame if kind in _UNNUMBERED else {**frame, "run_id": self.id, "seq_id": number or None}
            name = b"event: error\n" if kind == "error_message" else b""
            self._events.append((number, name + b"data: " + json.dumps(shown).encode() + b"\n\n"))
        self._wake()

    def end(self, reason: str, status: str = "completed") -> None:
        """Send the end; an empty *reason* was sent already."""
        self.ping()
        self.stop_reason = reason or "error"
        self.status = "cancelled" if reason == "cancelled" else status
        if reason:
            self.say({"message_type": "stop_reason", "stop_reason": reason})
        if self.status == "completed":
            self.say({"message_type": "usage_statistics", "completion_tokens": 1, "prompt_tokens": 1})
        self._wake()

    def cut(self) -> None:
        """End the connections of all followers."""
        for request in list(self._followers):
            if request.transport is not None:
                request.transport.abort()

    async def follow(self, request: web.Request, response: web.StreamResponse, after: int) -> None:
        """Write the events after the number *after*, until the end of the run."""
        self._followers.append(request)
        at = 0
        try:
            while True:
                news = self._news
                for number, data in self._events[at:]:
                    if number == 0 or number > after:
                        await response.write(data)
                    at += 1
                if at == len(self._events) and self.status != "running":
                    return
                if at == len(self._events):
                    await news.wait()
        finally:
            self._followers = [each for each in self._followers if each is not request]

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def shown(run: Run) -> Frame:
    """Return *run* as the server lists it."""
    status = "cancelled" if run.cancelled else run.status
    return {"id": run.id, "status": status, "stop_reason": run.stop_reason or None}


@dataclass(eq=False)
class Talk:
    """A conversation of the server."""

    id: str
    agent_id: str
    summary: str
    messages: list[Frame] = field(default_factory=list)
    #: The message that asks for decisions, the calls in it, and the rest of the script.
    asks: Frame | None = None
    tools: list[Tool] = field(default_factory=list)
    rest: AsyncIterator[object] | None = None
    #: The calls that were decided.
    decided: set[str] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)

    def shown(self) -> Frame:
        """Return it as the server lists it."""
        return {"id": self.id, "agent_id": self.agent_id, "summary": self.summary}

    @property
    def running(self) -> Run | None:
        """The run that goes on."""
        return next((each for each in self.runs if each.status == "running"), None)


def while_pending() -> str:
    """Return the words for a message that has to wait for a decision."""
    return "CONFLICT: Cannot send a new message: The agent is waiting for approval on a tool call."


def error_frames(words: str) -> list[Frame]:
    """Return the end of a run that failed with *words*. Two reasons come before the error."""
    error = {"message_type": "error_message", "error_type": "internal_error", "message": "An error.", "detail": words}
    return [
        {"message_type": "stop_reason", "stop_reason": "error"},
        {"message_type": "stop_reason", "stop_reason": "llm_api_error"},
        error,
    ]


def reply_frames(
    run: Run, messages: list[Frame], piece: Reasoning | str, new_id: Callable[[str], str]
) -> Iterator[Frame]:
    """Yield the frames that bring *piece*, and keep it in *messages*."""
    last = messages[-1] if messages else {}
    if isinstance(piece, Reasoning):
        message = {"id": new_id("message"), "message_type": "reasoning_message", "reasoning": piece.text}
        messages.append({**message, "run_id": run.id})
        yield message
    elif piece:
        if last.get("message_type") != "assistant_message" or last["run_id"] != run.id:
            last = {"id": new_id("message"), "message_type": "assistant_message", "content": "", "run_id": run.id}
            last["date"] = DATE
            messages.append(last)
        last["content"] += piece
        yield {"id": last["id"], "message_type": "assistant_message", "content": piece}


def call_frames(
    run: Run, messages: list[Frame], tools: Sequence[Tool], message_id: str, *, asks: bool
) -> Iterator[Frame]:
    """Yield the frames that bring the calls *tools* in pieces, and keep them whole in *messages*."""
    kind = "approval_request_message" if asks else "tool_call_message"
    calls = [{"name": each.name, "arguments": each.arguments, "tool_call_id": each.call_id} for each in tools]
    head = {"id": message_id, "message_type": kind}
    messages.append({**head, "run_id": run.id, "tool_call": calls[0], "tool_calls": calls})
    for tool in tools:
        half = len(tool.arguments) // 2
        pieces = (
            {"name": tool.name, "arguments": None},
            {"name": None, "arguments": tool.arguments[:half]},
            {"name": None, "arguments": tool.arguments[half:]},
        )
        for piece in pieces:
            # In the mode of tokens, both keys have the same object.
            call = {**piece, "tool_call_id": tool.call_id}
            yield {**head, "tool_call": call, "tool_calls": call}


def result_frame(call_id: str | None, output: str, message_id: str, *, failed: bool = False) -> Frame:
    """Return the frame with the result of a call."""
    status = "error" if failed else "success"
    return {
        "id": message_id,
        "message_type": "tool_return_message",
        "tool_call_id": call_id,
        "tool_return": output,
        "status": status,
    }


async def once(piece: object) -> AsyncIterator[object]:
    """Yield one piece."""
    yield piece


async def chain(first: object, rest: AsyncIterator[object]) -> AsyncIterator[object]:
    """Yield *first*, and then *rest*."""
    yield first
    async for piece in rest:
        yield piece


async def decided(tools: list[Tool], denied: Frame, rest: AsyncIterator[object]) -> AsyncIterator[object]:
    """Yield the results of *tools* in one frame, unless all were denied, and the rest of the script."""
    results: list[Frame] = []
    for tool in tools:
        is_denied = tool.call_id in denied
        output = f"Error: request to call tool denied. User reason: {denied.get(str(tool.call_id))}"
        results.append(result_frame(tool.call_id, output if is_denied else "done", "result", failed=is_denied))
    if len(denied) < len(tools):
        yield {**results[-1], "tool_returns": results}
    async for piece in rest:
        yield piece
