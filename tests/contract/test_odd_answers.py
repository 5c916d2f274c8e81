"""Answers as faulty servers, proxies and gateways send them, read by the whole client."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import FileDelta, ReasoningDelta, ToolCall, ToolResult
from support.fault_server import FaultServer, Reply
from support.upstream_kinds import Answer, ask, connect

if TYPE_CHECKING:
    import aiohttp

BASE64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk" * 2


def choice(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, **fields}]}


def chunk(content: Any = None, finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return choice(delta=delta if content is None else {"content": content, **delta}, finish_reason=finish_reason)


def events(*values: Any, field: str = "data: ", end: str = "\n\n") -> bytes:
    lines = (value if isinstance(value, str) else json.dumps(value) for value in values)
    return "".join(f"{field}{line}{end}" for line in lines).encode()


def stream(*values: Any) -> bytes:
    return events(*values, "[DONE]")


STOP = chunk("b", "stop")
USAGE = {"choices": [], "usage": {"total_tokens": 1}}
RAW = zlib.compressobj(wbits=-15)


async def asked(wire: FaultServer, session: aiohttp.ClientSession, body: bytes, /, **headers: str) -> Answer:
    wire.script(Reply(200, {"Content-Type": "text/event-stream"} | headers, (body,)))
    return await ask(connect(wire.url, session))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(stream(chunk("a"), chunk("")), "a", id="no finish reason"),
        pytest.param(stream(chunk("a", "stop"), chunk("b", "stop")), "ab", id="early finish reasons"),
        pytest.param(stream(chunk("a", "null"), STOP), "ab", id="no reason as a word"),
        pytest.param(events(chunk("a")) + b"data:\n\ndata: \n\n" + stream(STOP), "ab", id="empty data"),
        pytest.param(stream(chunk("a"), STOP).replace(b"\n", b"\r\n"), "ab", id="CRLF"),
        pytest.param(b"\xef\xbb\xbf: hello\n\n" + stream(chunk("a"), STOP), "ab", id="BOM and comment"),
        pytest.param(events(chunk("a"), STOP, "[DONE]", field="data:"), "ab", id="no space"),
        pytest.param(events(chunk("a"), STOP, end="\n"), "ab", id="no blank line"),
        pytest.param(events(chunk("a"), "DONE"), "a", id="done without brackets"),
        pytest.param(events(chunk("a"), '"[DONE]"'), "a", id="done as JSON"),
        pytest.param(events(chunk("a")) + b"event: done\ndata: {}\n\n", "a", id="an event named done"),
        pytest.param(stream({"choices": chunk("a")["choices"][0]}, STOP), "ab", id="a choice without a list"),
        pytest.param(stream(choice(delta="a"), STOP), "ab", id="a delta as text"),
        pytest.param(stream(choice(delta={"text": "a"}), STOP), "ab", id="text in a delta"),
        pytest.param(stream({"choices": [{"index": "0", "delta": {"content": "a"}}]}, STOP), "ab", id="index as text"),
        pytest.param(stream({"choices": [{"index": None, "delta": {"content": "a"}}]}, STOP), "ab", id="null index"),
        pytest.param(
            stream(*[{"choices": [{"index": n, "delta": {"content": "ac"[n]}}]} for n in (0, 1)], STOP),
            "ab",
            id="two choices",
        ),
        pytest.param(
            stream(choice(delta=None), {"choices": None}, {"choices": [None]}, "null", "1", '"ping"', chunk("a"), STOP),
            "ab",
            id="nothing in many forms",
        ),
        pytest.param(stream(USAGE, chunk("a"), USAGE, STOP, USAGE), "ab", id="usage"),
        pytest.param(stream(chunk(["a", {"type": "text", "text": "b"}], "stop")), "ab", id="parts"),
        pytest.param(stream(chunk([{"type": "text", "text": {"value": "a"}}]), STOP), "ab", id="text in an object"),
        pytest.param(
            stream(*(chunk("Hello you!"[:n]) for n in (1, 3, 5, 9, 10)), chunk("Hello you!", "stop")),
            "Hello you!",
            id="cumulative from one letter on",
        ),
        pytest.param(
            stream(
                *(chunk("The capital is Parsi of France"[:n]) for n in (20, 23, 30)),
                chunk("The capital is Paris of"),
                chunk("The capital is Paris of France.", "stop"),
            ),
            "The capital is Paris of France.",
            id="cumulative with a correction",
        ),
        pytest.param(stream(chunk("\ud83d"), chunk("\ude00 ok", "stop")), "😀 ok", id="half characters"),
        pytest.param(
            b'data: {"choices":[{"delta":{"content":"a\tb"},"finish_reason":"stop"}]}\n\n', "a\tb", id="a tab in JSON"
        ),
        pytest.param(stream(chunk("a", "stop"), {"error": {"message": "late"}}), "a", id="an error behind the end"),
    ],
)
async def test_whole_answers(wire: FaultServer, session: aiohttp.ClientSession, body: bytes, text: str) -> None:
    answer = await asked(wire, session, body)
    assert (said(answer), answer.error) == (text, None)


def said(answer: Answer) -> str:
    """Return the text behind the last correction."""
    kinds = [type(event).__name__ for event in answer.events]
    start = len(kinds) - kinds[::-1].index("TextWithdrawn") if "TextWithdrawn" in kinds else 0
    return Answer(answer.events[start:], None).text


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(stream(STOP)), "gzip"),
        (zlib.compress(stream(STOP)), "deflate"),
        (RAW.compress(stream(STOP)) + RAW.flush(), "deflate"),
        (stream(STOP), "identity"),
    ],
)
async def test_encodings(wire: FaultServer, session: aiohttp.ClientSession, body: bytes, encoding: str) -> None:
    answer = await asked(wire, session, body, **{"Content-Encoding": encoding})
    assert (answer.text, answer.error) == ("b", None)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ([chunk(reasoning="hm"), STOP], [ReasoningDelta]),
        ([chunk(reasoning="hm", reasoning_content="hm"), STOP], [ReasoningDelta]),
        ([chunk(reasoning={"text": "hm"}), STOP], [ReasoningDelta]),
        ([chunk(reasoning_details=[{"type": "reasoning.text", "text": "hm"}]), STOP], [ReasoningDelta]),
        ([chunk([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]), STOP], [ReasoningDelta]),
        ([chunk(images=[{"b64_json": BASE64}]), STOP], [FileDelta]),
        ([chunk(images=[BASE64]), STOP], [FileDelta]),
        ([chunk(images=[f"data:image/png;base64,{BASE64}"]), STOP], [FileDelta]),
        ([chunk(f"![a](data:image/png;base64,{BASE64})"), STOP], [FileDelta]),
        ([chunk('{"x": 1}', role="tool", tool_call_id="1"), STOP], [ToolResult]),
        ([chunk(tool_calls=[{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]), STOP], [ToolCall]),
    ],
)
async def test_parts_that_are_no_text(
    wire: FaultServer, session: aiohttp.ClientSession, values: list[Any], kinds: list[type]
) -> None:
    answer = await asked(wire, session, stream(*values))
    assert (answer.text, answer.error) == ("b", None)
    assert [type(event) for event in answer.events][: len(kinds)] == kinds


@pytest.mark.parametrize(
    ("body", "text", "says"),
    [
        (events(chunk("a"), {"error": {"message": "boom"}}), "a", "up reported an error: boom"),
        (events(choice(delta={"content": "a"}, error={"message": "boom"})), "a", "up reported an error: boom"),
        (
            events(chunk("a"), choice(delta={}, finish_reason="error", error={"message": "boom"})),
            "a",
            "up reported an error: boom",
        ),
        (events(chunk("a")) + b"upstream connect error\n", "a", "up broke off the answer: upstream connect error"),
        (events(chunk("a")), "a", "up broke off the answer"),
        (b"upstream request timeout", "", "the response of up is not a completion: upstream request timeout"),
        (b"null", "", "the response of up is not a completion: null"),
        (gzip.compress(stream(STOP), mtime=0), "", "the response of up is not a completion"),
        (
            events({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}),
            "",
            "the response of up is not a completion",
        ),
        (b'{"success": false, "message": "no"}', "", "up reported an error: no"),
    ],
)
async def test_failures(wire: FaultServer, session: aiohttp.ClientSession, body: bytes, text: str, says: str) -> None:
    answer = await asked(wire, session, body)
    assert answer.text == text
    assert answer.error is not None
    assert answer.error.says(ENGLISH) == says


async def test_an_encoding_that_the_bridge_does_not_read(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    answer = await asked(wire, session, b"\x0b", **{"Content-Encoding": "br"})
    assert answer.error is not None
    assert "content-encoding" in answer.error.says(ENGLISH)
