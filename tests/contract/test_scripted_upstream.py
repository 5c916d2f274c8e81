"""The scripted upstream says the same in both dialects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.config.model import UpstreamConfig
from agent_bridge.core.errors import AnswerEmpty, AnswerInterrupted, UpstreamBusy, UpstreamError
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.upstream.base import (
    AnswerEvent,
    AnswerRequest,
    End,
    FileDelta,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolResult,
)
from agent_bridge.upstream.registry import make_upstream
from support.scripted_upstream import File, Reasoning, ScriptedUpstream, Tool, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.scripted_upstream import Piece


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("dora") as server:
        yield server


async def ask(server: ScriptedUpstream, api: str, *pieces: Piece) -> list[AnswerEvent]:
    server.script = says(*pieces)
    config = UpstreamConfig.model_validate({"name": "up", "url": server.url, "api": api})
    said = ChatMessage("user", "hi", (Image(b"\0", "image/png"),))
    async with aiohttp.ClientSession() as session:
        return [
            delta async for delta in make_upstream(config, session).answer(AnswerRequest("dora", (said,), "s", "k"))
        ]


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_everything_is_said(server: ScriptedUpstream, api: str) -> None:
    pdf = File("https://a/b.pdf", "b.pdf", "application/pdf")
    deltas = await ask(server, api, Reasoning("hm"), Tool("look", '{"a": 1}'), "so", File("data:image/png,x"), pdf)
    thought, call, *rest, _ = deltas
    assert thought == ReasoningDelta("hm")
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("look", '{"a": 1}')
    assert rest == [
        TextDelta("so"),
        FileDelta("data:image/png,x", None, "image/png"),
        FileDelta("https://a/b.pdf", "b.pdf", "application/pdf"),
    ]
    assert isinstance(deltas[-1], End)
    assert server.questions == ["hi"]


async def test_a_tool_that_the_server_carries_out(server: ScriptedUpstream) -> None:
    call, result, *rest = await ask(server, "responses", Tool("look", result="seen"), "so")
    assert isinstance(call, ToolCall)
    assert result == ToolResult(call.call_id, "seen")
    assert rest == [TextDelta("so"), End("stop")]


async def test_without_responses(server: ScriptedUpstream) -> None:
    server.responses = False
    assert await ask(server, "responses", "so") == [TextDelta("so"), End("stop")]
    assert server.paths == ["/v1/chat/completions"]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([429], UpstreamBusy),
        ([Reasoning("hm"), None], AnswerInterrupted),
        ([Reasoning("hm"), RuntimeError("no")], AnswerInterrupted),
        ([Reasoning("hm")], AnswerEmpty),
        ([Tool("look")], AnswerEmpty),
    ],
)
async def test_failures(server: ScriptedUpstream, api: str, pieces: list[Piece], kind: type[UpstreamError]) -> None:
    with pytest.raises(UpstreamError) as caught:
        await ask(server, api, *pieces)
    assert type(caught.value) is kind


async def test_voice(server: ScriptedUpstream) -> None:
    config = UpstreamConfig.model_validate({"name": "up", "url": server.url, "transcription_model": "whisper-1"})
    async with aiohttp.ClientSession() as session:
        transcribe = make_upstream(config, session).can.transcribe
        assert transcribe is not None
        text = await transcribe(b"OggS", name="a.ogg", content_type="audio/ogg")
    assert text == "what was said"
    assert server.heard == [b"OggS"]
