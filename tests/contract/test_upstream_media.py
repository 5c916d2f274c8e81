"""Images in a question, and the transcription of recordings."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import UpstreamBusy, UpstreamError, UpstreamFailed, UpstreamProtocolError, UpstreamRefused
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import AnswerRequest
from support.fault_server import FaultServer, Reply, sse
from support.upstream_kinds import DEADLINE, connect
from support.upstream_kinds import ask as ask_upstream

if TYPE_CHECKING:
    import aiohttp

    from agent_bridge.upstream.base import Upstream

PICTURE = ChatMessage("user", "what is this?", (Image(b"\x89PNG", "image/png"),))


async def ask(upstream: Upstream, *said: ChatMessage) -> None:
    """Ask, and raise the error of the answer."""
    answer = await ask_upstream(upstream, AnswerRequest("Dora", said, session="s", idempotency_key="k"))
    if answer.error is not None:
        raise answer.error


async def transcribe(upstream: Upstream, *, name: str = "voice.ogg", content_type: str = "audio/ogg") -> str:
    assert upstream.can.transcribe is not None
    async with asyncio.timeout(DEADLINE):
        return await upstream.can.transcribe(b"OggS\0", name=name, content_type=content_type)


class TestImages:
    @pytest.mark.parametrize("images", [True, False])
    async def test_whether_they_are_taken_is_configured(
        self, wire: FaultServer, session: aiohttp.ClientSession, *, images: bool
    ) -> None:
        assert connect(wire.url, session, images=images).traits.images is images

    async def test_they_go_along(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        wire.script(sse(json.dumps({"choices": [{"delta": {"content": "A"}, "finish_reason": "stop"}]})))
        await ask(connect(wire.url, session), ChatMessage("user", "hi"), ChatMessage("assistant", "ho"), PICTURE)
        [request] = wire.requests
        assert request.json["messages"] == [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "ho"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                ],
            },
        ]

    @pytest.mark.parametrize("api", ["chat", "responses"])
    async def test_a_refusal_may_be_about_them(
        self, wire: FaultServer, session: aiohttp.ClientSession, api: str
    ) -> None:
        # Each is asked with the wish for a report of tokens, and without it.
        wire.script(*[Reply(400, {}, (b'{"detail": "no"}',))] * 6)
        asked = connect(wire.url, session, api=api)
        with pytest.raises(UpstreamRefused) as caught:
            await ask(asked, PICTURE)
        assert (
            caught.value.says(ENGLISH)
            == "up refused the request (400): perhaps the agent's model does not accept images: no"
        )
        with pytest.raises(UpstreamRefused) as caught:
            await ask(asked, ChatMessage("user", "hi"))
        assert caught.value.says(ENGLISH) == "up refused the request (400): no"
        # A picture that is not sent cannot be the cause.
        with pytest.raises(UpstreamRefused) as caught:
            await ask(connect(wire.url, session, api=api, history="server"), PICTURE, ChatMessage("user", "hi"))
        assert caught.value.says(ENGLISH) == "up refused the request (400): no"


class TestVoice:
    async def test_it_becomes_text(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        wire.script(Reply(200, {"Content-Type": "application/json"}, (b'{"text": " Hello\\u0000 there \\n"}',)))
        hearing = connect(wire.url, session, transcription_model="whisper-1", api_key="s3cret-key")
        assert hearing.can.transcribe is not None
        assert await transcribe(hearing) == "Hello there"
        [request] = wire.requests
        assert (request.method, request.path) == ("POST", "/v1/audio/transcriptions")
        assert request.headers["Authorization"] == "Bearer s3cret-key"
        assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
        model, form, file = request.body.split(b"\r\n--")[:3]
        assert b'name="model"' in model
        assert model.endswith(b"\r\n\r\nwhisper-1")
        assert b'name="response_format"' in form
        assert form.endswith(b"\r\n\r\njson")
        assert b'name="file"; filename="voice.ogg"' in file
        assert b"Content-Type: audio/ogg\r\n" in file
        assert file.endswith(b"\r\n\r\nOggS\0")

    async def test_silence_is_no_failure(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        wire.script(Reply(200, {}, (b'{"text": ""}',)))
        assert await transcribe(connect(wire.url, session, transcription_model="whisper-1")) == ""

    async def test_it_needs_a_model(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        assert connect(wire.url, session).can.transcribe is None

    @pytest.mark.parametrize(
        ("reply", "kind", "says", "retryable"),
        [
            (
                Reply(404, {}, (b'{"detail": "Not Found"}',)),
                UpstreamRefused,
                "up does not transcribe voice messages (404): is its transcription_model correct?: Not Found",
                False,
            ),
            (Reply(400), UpstreamRefused, "up refused the request (400)", False),
            (Reply(429), UpstreamBusy, "up is busy (429)", True),
            (Reply(500), UpstreamFailed, "up failed (500)", True),
            (
                Reply(200, {}, (b"[]",)),
                UpstreamProtocolError,
                "the response of up is not a transcription",
                False,
            ),
            (
                Reply(200, {}, (b"<",)),
                UpstreamProtocolError,
                "the response of up is not a transcription",
                False,
            ),
        ],
    )
    async def test_failures(
        self,
        wire: FaultServer,
        session: aiohttp.ClientSession,
        reply: Reply,
        kind: type[UpstreamError],
        says: str,
        *,
        retryable: bool,
    ) -> None:
        wire.script(reply)
        with pytest.raises(UpstreamError) as caught:
            await transcribe(connect(wire.url, session, transcription_model="whisper-1"))
        assert type(caught.value) is kind
        assert caught.value.says(ENGLISH) == says
        assert caught.value.retryable is retryable

    async def test_a_silent_server_may_be_asked_again(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        wire.script(Reply(then="hang"))
        hearing = connect(wire.url, session, transcription_model="whisper-1", idle_timeout=0.3)
        with pytest.raises(UpstreamError, match=r"^up sent nothing for 0.3 s$") as caught:
            await transcribe(hearing)
        assert caught.value.retryable

    async def test_any_name_can_be_sent(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        wire.script(Reply(200, {}, (b'{"text": "a"}',)))
        hearing = connect(wire.url, session, transcription_model="whisper-1")
        assert await transcribe(hearing, name='grüß "Gott"\r\nX: y\0.ogg') == "a"
        assert b"\r\nX: y" not in wire.requests[0].body

    async def test_a_type_that_no_header_can_carry(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        hearing = connect(wire.url, session, transcription_model="whisper-1")
        with pytest.raises(UpstreamRefused, match=r"^the media type of the recording is not valid$"):
            await transcribe(hearing, content_type="audio/ogg\r\nX: y")
        assert wire.requests == []
