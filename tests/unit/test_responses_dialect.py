"""The dialect of ``/responses``: requests and events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.errors import (
    AgentGone,
    AnswerEmpty,
    AnswerFiltered,
    AnswerInterrupted,
    ConversationTooLong,
    UpstreamError,
    UpstreamProtocolError,
)
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import AnswerEvent, End, FileDelta, ReasoningDelta, TextDelta, ToolCall, ToolResult
from agent_bridge.upstream.openai.responses import ResponsesDialect, request
from support.answers import joined, read, read_document, stream


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def text(delta: Any) -> dict[str, Any]:
    return event("output_text.delta", delta=delta)


def thought(delta: Any) -> dict[str, Any]:
    return event("reasoning_summary_text.delta", delta=delta)


def done(item: Any) -> dict[str, Any]:
    return event("output_item.done", item=item)


def reasoning(*summary: str, **fields: Any) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": one} for one in summary], **fields}


def message(*texts: str) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "output_text", "text": one, "annotations": []} for one in texts]}


def over(*output: Any, status: str = "completed", **fields: Any) -> dict[str, Any]:
    return event(status, response={"object": "response", "status": status, "output": list(output), **fields})


STOP = over()
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": '{"a": 1}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "seen"}]}
CALLED = ToolCall("c1", "look", '{"a": 1}')
SEEN = ToolResult("c1", "seen")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([text("a"), text("b"), STOP], [TextDelta("ab"), End("stop")], id="text"),
        pytest.param([event("refusal.delta", delta="no"), STOP], [TextDelta("no"), End("stop")], id="refusal"),
        pytest.param(
            [text("a"), done(message("a")), over(message("a"))], [TextDelta("a"), End("stop")], id="text thrice"
        ),
        pytest.param([done(message("a")), over(message("a"))], [TextDelta("a"), End("stop")], id="no deltas"),
        pytest.param([over(message("a", "b"), message("c"))], [TextDelta("ab\n\nc"), End("stop")], id="the end only"),
        pytest.param(
            [text("a"), done(message("a")), text("b"), done(message("b")), STOP],
            [TextDelta("a\n\nb"), End("stop")],
            id="two messages",
        ),
        pytest.param(
            [text("a"), done(CALL), text("b"), done(message("ab")), STOP],
            [TextDelta("a"), CALLED, TextDelta("b"), End("tool_calls")],
            id="a call within a message",
        ),
        pytest.param(
            [
                thought("h"),
                thought("m"),
                event("reasoning_summary_text.done", text="hm"),
                thought("so"),
                done(reasoning("hm", "so")),
                text("a"),
                STOP,
            ],
            [ReasoningDelta("hm\n\nso"), TextDelta("a"), End("stop")],
            id="reasoning",
        ),
        pytest.param(
            [event("reasoning_text.delta", delta="hm"), text("a"), STOP],
            [ReasoningDelta("hm"), TextDelta("a"), End("stop")],
            id="open reasoning",
        ),
        pytest.param(
            [
                done(reasoning("h", "m")),
                done(reasoning(content=[{"type": "reasoning_text", "text": "so"}])),
                done(reasoning(encrypted_content="x")),
                text("a"),
                STOP,
            ],
            [ReasoningDelta("h\n\nm\n\nso"), TextDelta("a"), End("stop")],
            id="reasoning without deltas",
        ),
        pytest.param(
            [event("output_item.added", item=CALL), done(CALL), done(OUTPUT), text("a"), over(CALL, OUTPUT)],
            [CALLED, SEEN, TextDelta("a"), End("stop")],
            id="a tool that the server carried out",
        ),
        pytest.param([done(CALL), text("a"), STOP], [CALLED, TextDelta("a"), End("tool_calls")], id="a call for us"),
        pytest.param(
            [text("a"), over(status="incomplete", incomplete_details={"reason": "max_output_tokens"})],
            [TextDelta("a"), End("length")],
            id="too long",
        ),
        pytest.param([text("a"), over(error=None), text("b")], [TextDelta("a"), End("stop")], id="behind the end"),
        pytest.param([text("a"), STOP, "[DONE]"], [TextDelta("a"), End("stop")], id="[DONE]"),
        pytest.param([text("a"), "[DONE]"], [TextDelta("a"), End("stop")], id="[DONE] alone"),
        pytest.param([event("output_text.done", text="a"), STOP], [TextDelta("a"), End("stop")], id="the text alone"),
        pytest.param(
            [text("a"), event("output_text.done", text="a"), STOP], [TextDelta("a"), End("stop")], id="the text again"
        ),
        pytest.param([{"output_text": "a"}], [TextDelta("a"), End("stop")], id="output_text alone"),
        pytest.param(
            [text("a"), event("done", response={"status": "completed"})], [TextDelta("a"), End("stop")], id="done"
        ),
        pytest.param(
            [{"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}, "[DONE]"],
            [TextDelta("a"), End("stop")],
            id="chunks of the other dialect",
        ),
        pytest.param(
            [event("created", response={"status": "in_progress", "output": []}), text("a"), event("x"), {}, "[]", STOP],
            [TextDelta("a"), End("stop")],
            id="what says nothing",
        ),
        pytest.param([text("\ud83d"), text("\udc08"), STOP], [TextDelta("🐈"), End("stop")], id="half a character"),
        pytest.param([text("<think>a</think>b"), STOP], [ReasoningDelta("a"), TextDelta("b"), End("stop")], id="tags"),
    ],
)
def test_answers(values: list[Any], expected: list[AnswerEvent]) -> None:
    deltas, error = read(ResponsesDialect(), [stream(*values)])
    assert error is None
    assert joined(deltas) == expected


PNG = FileDelta("data:image/png;base64,iVBO", None, "image/png")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"type": "mcp_call", "id": "m1", "name": "roll", "server_label": "dice", "arguments": "{}", "output": "4"},
            [ToolCall("m1", "roll", "{}"), ToolResult("m1", "4")],
        ),
        (
            {"type": "mcp_call", "id": "m1", "name": "roll", "arguments": "{}", "output": None, "error": {"code": 1}},
            [ToolCall("m1", "roll", "{}"), ToolResult("m1", '{"code": 1}')],
        ),
        (
            {"type": "web_search_call", "id": "w1", "status": "completed", "action": {"type": "search", "query": "ö"}},
            [ToolCall("w1", "web_search", '{"type": "search", "query": "ö"}'), ToolResult("w1", "completed")],
        ),
        (
            {
                "type": "file_search_call",
                "id": "f1",
                "queries": ["a"],
                "results": [{"filename": "a.md", "text": "found"}, {"filename": "b.md"}],
            },
            [ToolCall("f1", "file_search", '["a"]'), ToolResult("f1", "found\nb.md")],
        ),
        (
            {
                "type": "code_interpreter_call",
                "id": "i1",
                "code": "print(1)",
                "outputs": [{"type": "logs", "logs": "1"}, {"type": "image", "url": "https://a/b.png"}],
            },
            [
                ToolCall("i1", "code_interpreter", "print(1)"),
                ToolResult("i1", "1\nhttps://a/b.png"),
                FileDelta("https://a/b.png", None, None),
            ],
        ),
        ({"type": "image_generation_call", "id": "g1", "result": "iVBO"}, [PNG]),
        (
            {"type": "image_generation_call", "id": "g1", "result": "UklG", "output_format": "webp"},
            [FileDelta("data:image/webp;base64,UklG", None, "image/webp")],
        ),
        ({"type": "image_generation_call", "id": "g1", "result": None}, []),
        ({"type": "custom_tool_call", "call_id": "c1", "name": "x", "input": "y"}, [ToolCall("c1", "x", "y")]),
        ({"type": "custom_tool_call_output", "call_id": "c1", "output": "y"}, [ToolResult("c1", "y")]),
        (
            {"type": "computer_call_output", "call_id": "c1", "output": {"type": "x"}},
            [ToolResult("c1", '{"type": "x"}')],
        ),
        (
            {"type": "function_call_output", "call_id": "c1", "output": "z" * 20_000},
            [ToolResult("c1", "z" * 9_999 + "…")],
        ),
        (
            {"type": "message", "content": [{"type": "output_file", "file_url": "https://a/b", "filename": "b.pdf"}]},
            [FileDelta("https://a/b", "b.pdf", None)],
        ),
        (
            {"type": "message", "content": [{"type": "output_image", "image_url": "data:image/png;base64,iVBO"}]},
            [PNG],
        ),
        (
            {
                "type": "message",
                "content": [
                    {
                        "type": "output_text",
                        "text": "",
                        "annotations": [
                            {"type": "url_citation", "url": "https://a/source"},
                            {"type": "file_citation", "file_id": "x"},
                            {"type": "file_path", "url": "https://a/b", "filename": "b"},
                            1,
                        ],
                    }
                ],
            },
            [FileDelta("https://a/b", "b", None), TextDelta("\n\n1. <https://a/source>")],
        ),
        ({"type": "mcp_list_tools", "tools": []}, []),
        ({"type": 1}, []),
        ({}, []),
    ],
)
def test_items(item: dict[str, Any], expected: list[AnswerEvent]) -> None:
    deltas, error = read(ResponsesDialect(), [stream(text("a"), done(item), over(item))])
    assert error is None
    assert deltas[1:-1] == expected


@pytest.mark.parametrize(
    ("values", "told", "kind", "says"),
    [
        pytest.param(
            [thought("hm"), STOP], 1, AnswerEmpty, "up worked on the message but gave no answer", id="thoughts only"
        ),
        pytest.param(
            [done(CALL), over(CALL)],
            1,
            AnswerEmpty,
            "up answered only with a tool call, and this bridge has no tools",
            id="a call only",
        ),
        pytest.param(
            [done(CALL), done(OUTPUT), STOP],
            2,
            AnswerEmpty,
            "up worked on the message but gave no answer",
            id="deeds only",
        ),
        pytest.param([STOP], 0, AnswerEmpty, "the answer of up is empty", id="nothing"),
        pytest.param(
            [over(status="incomplete", incomplete_details={"reason": "max_output_tokens"})],
            0,
            AnswerEmpty,
            "up reached its length limit before the answer began",
            id="no room",
        ),
        pytest.param([text("a")], 1, AnswerInterrupted, "up broke off the answer", id="no end"),
        pytest.param([text("a"), "{"], 1, AnswerInterrupted, "up sent a chunk that is not JSON", id="no JSON"),
        pytest.param(
            [text("a"), over(status="incomplete", incomplete_details={"reason": "content_filter"})],
            1,
            AnswerFiltered,
            "up did not finish: its content filter stopped the answer",
            id="filter",
        ),
        pytest.param(
            [text("a"), over(status="incomplete", incomplete_details=None)],
            1,
            AnswerInterrupted,
            "up did not finish: it cancelled the answer",
            id="incomplete",
        ),
        pytest.param(
            [text("a"), over(status="cancelled")],
            1,
            AnswerInterrupted,
            "up did not finish: it cancelled the answer",
            id="cancelled",
        ),
        pytest.param(
            [text("a"), over(status="failed", error={"code": "server_error", "message": "no"})],
            1,
            AnswerInterrupted,
            "up reported an error: no",
            id="failed",
        ),
        pytest.param(
            [text("a"), over(status="failed")],
            1,
            AnswerInterrupted,
            "up did not finish: it reported an error",
            id="failed without a word",
        ),
        pytest.param(
            [{"error": {"message": "no"}}], 0, AnswerInterrupted, "up reported an error: no", id="error at once"
        ),
        pytest.param(
            [{"type": "error", "code": "model_not_found", "message": "who?"}],
            0,
            AgentGone,
            "up no longer has this agent: who?",
            id="no agent",
        ),
        pytest.param(
            [over(status="failed", error={"code": "context_length_exceeded", "message": "no"})],
            0,
            ConversationTooLong,
            "the conversation is too long for this agent's model: no",
            id="context",
        ),
        pytest.param(
            [done(CALL), over(status="failed", error={"code": "context_length_exceeded", "message": "no"})],
            1,
            AnswerInterrupted,
            "up reported an error: no",
            id="context, when it has acted",
        ),
    ],
)
def test_no_answers(values: list[Any], told: int, kind: type[UpstreamError], says: str) -> None:
    deltas, error = read(ResponsesDialect(), [stream(*values)])
    assert len(deltas) == told
    assert type(error) is kind
    assert error.says(ENGLISH) == says
    assert not error.retryable


def test_an_error_event() -> None:
    _, error = read(ResponsesDialect(), [b'event: error\ndata: {"type": "error", "message": "no"}\n\n'])
    assert error is not None
    assert error.says(ENGLISH) == "up reported an error: no"


def test_named_events() -> None:
    data = b"".join(
        f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode() for value in (text("a"), event("x"), STOP)
    )
    assert read(ResponsesDialect(), [data]) == ([TextDelta("a"), End("stop")], None)


def whole(body: Any) -> list[AnswerEvent]:
    return list(read_document(ResponsesDialect(), json.dumps(body).encode()))


def test_an_answer_in_one_piece() -> None:
    body = over(reasoning("hm"), CALL, OUTPUT, message("a"))["response"]
    assert whole(body) == [ReasoningDelta("hm"), CALLED, SEEN, TextDelta("a"), End("stop")]


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ([], UpstreamProtocolError, "the response of up is not a completion"),
        ({"choices": []}, UpstreamProtocolError, "the response of up is not a completion"),
        ({"error": {"message": "no"}}, AnswerInterrupted, "up reported an error: no"),
        (over(status="queued")["response"], AnswerInterrupted, "up did not finish: it cancelled the answer"),
        (over()["response"], AnswerEmpty, "the answer of up is empty"),
    ],
)
def test_failures_in_one_piece(body: Any, kind: type[UpstreamError], says: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        whole(body)
    assert type(caught.value) is kind
    assert caught.value.says(ENGLISH) == says


def test_a_question() -> None:
    said = (
        ChatMessage("user", "one"),
        ChatMessage("assistant", "two"),
        ChatMessage("user", "look", (Image(b"\0", "image/png"),)),
    )
    assert request("m", said, "Be kind.") == {
        "model": "m",
        "stream": True,
        "store": False,
        "instructions": "Be kind.",
        "input": [
            {"type": "message", "role": "user", "content": "one"},
            {"type": "message", "role": "assistant", "content": "two"},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
                ],
            },
        ],
    }
    assert "instructions" not in request("m", said, None)


EVENTS = st.lists(
    st.one_of(
        st.builds(text, st.text(max_size=3)),
        st.builds(thought, st.sampled_from(["a", "\ud83d", "\udc08"])),
        st.sampled_from([done(CALL), done(OUTPUT), done(message("a")), STOP, over(message("a")), "[DONE]", "{"]),
    ),
    max_size=8,
)


@given(events=EVENTS, size=st.integers(1, 40))
def test_how_the_bytes_are_cut_does_not_matter(events: list[Any], size: int) -> None:
    data = stream(*events)
    deltas, error = read(ResponsesDialect(), [data])
    again, same = read(ResponsesDialect(), [data[start : start + size] for start in range(0, len(data), size)])
    assert again == deltas
    assert repr(same) == repr(error)


TYPES = st.sampled_from(["message", "reasoning", "output_text", "x_call", "x_call_output", "image_generation_call"])
KEYS = ("type", "text", "summary", "content", "output", "outputs", "annotations", "action", "result", "id", "call_id")
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | TYPES,
    lambda inner: st.lists(inner) | st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, inner)),
    max_leaves=12,
)
ITEMS = st.fixed_dictionaries({"type": TYPES | JSON}, optional=dict.fromkeys(KEYS[1:], JSON))


@given(st.lists(ITEMS | JSON, max_size=3), JSON)
def test_any_json_is_read(items: list[Any], other: Any) -> None:
    values = [done(item) for item in items]
    deltas, _ = read(ResponsesDialect(), [stream(*values, other, text(other), thought(other), over(*items))])
    for delta in deltas:
        if isinstance(delta, TextDelta | ReasoningDelta):
            delta.text.encode()


@pytest.mark.parametrize("depth", range(100, 1000, 50))
def test_arguments_that_are_nested_too_deeply(depth: int) -> None:
    action = "[" * depth + "]" * depth
    item = f'{{"type": "response.output_item.done", "item": {{"type": "web_search_call", "action": {action}}}}}'
    deltas, error = read(ResponsesDialect(), [stream(item)])
    assert isinstance(error, UpstreamError)
    assert len(deltas) in {0, 2}
