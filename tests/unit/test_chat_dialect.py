"""The dialect of ``/chat/completions``: requests and chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.errors import AnswerEmpty, AnswerInterrupted, FileProblem, UpstreamError
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import AnswerEvent, End, FileDelta, ReasoningDelta, TextDelta, ToolCall
from agent_bridge.upstream.openai.answer_reader import AnswerReader
from agent_bridge.upstream.openai.chat import ChatDialect, request
from support.answers import ERRORS, joined, read, read_document, stream

PNG = "data:image/png;base64,iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": PNG}}


def chunk(finish_reason: Any = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def says(*values: Any) -> list[Any]:
    """Return the pieces of *values*, one after the other."""
    dialect = ChatDialect()
    return [piece for value in values for piece in dialect.read(value)]


def calls(*parts: dict[str, Any], **delta: Any) -> dict[str, Any]:
    return chunk(tool_calls=list(parts), **delta)


def part(index: Any, arguments: str = "", **more: Any) -> dict[str, Any]:
    name = {"name": more.pop("name")} if "name" in more else {}
    return {**({} if index is None else {"index": index}), **more, "function": {**name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"content": "a"}, [TextDelta("a")]),
        ({"content": None, "role": "assistant"}, []),
        ({"content": "", "role": "assistant"}, []),
        ({"content": 1}, []),
        ({"content": None, "refusal": "no"}, [TextDelta("no")]),
        ({"reasoning_content": "hm"}, [ReasoningDelta("hm")]),
        ({"reasoning": "hm"}, [ReasoningDelta("hm")]),
        ({"reasoning": "hm", "reasoning_details": [{"text": "hm"}]}, [ReasoningDelta("hm")]),
        ({"reasoning": None, "reasoning_details": [{"text": "h"}, {"summary": "m"}]}, [ReasoningDelta("hm")]),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}, 1]}, []),
        ({"reasoning_content": "hm", "content": "a"}, [ReasoningDelta("hm"), TextDelta("a")]),
        ({"reasoning_content": {"a": 1}}, []),
        ({"content": [{"type": "text", "text": "a"}, {"text": "b"}]}, [TextDelta("a"), TextDelta("b")]),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, [ReasoningDelta("hm")]),
        ({"content": [{"type": [], "text": "x"}, {"type": "text"}, {"type": "x", "text": "x"}]}, []),
        ({"content": ["a", "b"]}, [TextDelta("a"), TextDelta("b")]),
        ({"content": {"type": "text", "text": "a"}}, [TextDelta("a")]),
        ({"audio": {"transcript": "a"}}, [TextDelta("a")]),
        ({"reasoning": [{"type": "text", "text": "hm"}]}, [ReasoningDelta("hm")]),
        ({"reasoning": ["h", "m"]}, [ReasoningDelta("hm")]),
        ({"reasoning": {"content": "hm"}}, [ReasoningDelta("hm")]),
        ({"reasoning_text": "hm"}, [ReasoningDelta("hm")]),
        ({"thinking": "hm"}, [ReasoningDelta("hm")]),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "reasoning_text", "text": "hm"}]},
            [TextDelta("a"), ReasoningDelta("hm")],
        ),
        ({"images": [PNG, "x"]}, [FileDelta(PNG, None, "image/png")]),
        (
            {"images": [{"b64_json": "iVBORw0KGgo="}]},
            [FileDelta("data:application/octet-stream;base64,iVBORw0KGgo=", None, "application/octet-stream")],
        ),
        (
            {
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
                ]
            },
            [FileDelta("data:image/png;base64,iVBORw0KGgo=", None, "image/png")],
        ),
        (
            {"content": [{"type": "file", "file": {"file_data": "JVBERi0xLjQK", "filename": "a.pdf"}}]},
            [FileDelta("data:application/octet-stream;base64,JVBERi0xLjQK", "a.pdf", "application/octet-stream")],
        ),
        ({"images": [IMAGE]}, [FileDelta(PNG, None, "image/png")]),
        ({"images": [IMAGE, {}, 1, {"image_url": {"url": 1}}]}, [FileDelta(PNG, None, "image/png")]),
        ({"images": {"url": PNG}}, []),
        (
            {"content": [{"type": "text", "text": "a"}, IMAGE]},
            [TextDelta("a"), FileDelta(PNG, None, "image/png")],
        ),
        ({"content": [{"type": "image_url", "image_url": "https://a/b"}]}, [FileDelta("https://a/b", None, None)]),
        ({"content": [{"type": "image_url", "image_url": "file:///etc/passwd"}]}, []),
        ({"content": [{"type": "image_url", "image_url": "mxc://a/b"}]}, []),
        (
            {"content": [{"type": "file", "file": {"file_data": "data:text/plain,a", "filename": "a\n.txt"}}]},
            [FileDelta("data:text/plain,a", "a .txt", "text/plain")],
        ),
        (
            {"content": [{"type": "file", "file_url": "HTTP://a/b", "name": "b", "mime_type": "text/x"}]},
            [FileDelta("HTTP://a/b", "b", "text/x")],
        ),
    ],
)
def test_a_chunk(delta: dict[str, Any], expected: list[AnswerEvent]) -> None:
    assert says(chunk(**delta)) == expected
    assert says({"choices": [{"message": delta}]}) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"choices": None},
        {"choices": ["x"]},
        {"choices": {}},
        {"error": None},
        {},
        [],
        "x",
        None,
    ],
)
def test_what_says_nothing(value: Any) -> None:
    assert says(value) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"error": {"message": "no", "code": 1}}, "no"),
        ({"error": "no"}, "no"),
        ({"object": "error", "message": "no"}, "no"),
        ({"error": {"x": 1}}, None),
        ({"error": True}, None),
    ],
)
def test_an_error(value: Any, words: str | None) -> None:
    [report] = says(value)
    assert report.message == words


ONE = ToolCall("c1", "look", '{"a": 1}')
TWO = ToolCall("c2", "find", "{}")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            [calls(part(0, id="c1", name="look")), calls(part(0, '{"a"')), calls(part(0, ": 1}")), chunk("tool_calls")],
            [ONE],
            id="in pieces",
        ),
        pytest.param(
            [
                calls(part(0, '{"a": 1}', id="c1", name="look")),
                calls(part(1, "{", id="c2", name="find")),
                calls(part(1, "}")),
                chunk("tool_calls"),
            ],
            [ONE, TWO],
            id="two",
        ),
        pytest.param(
            [calls(part(0, '{"a": 1}', id="c1", name="look"), part(0, "{}", id="c2", name="find")), chunk("stop")],
            [ONE, TWO],
            id="the same index for two",
        ),
        pytest.param(
            [
                {
                    "choices": [
                        {
                            "message": {
                                "tool_calls": [
                                    part(None, '{"a": 1}', id="c1", name="look"),
                                    part(None, "{}", id="c2", name="find"),
                                ]
                            },
                            "finish_reason": "tool_calls",
                        }
                    ]
                }
            ],
            [ONE, TWO],
            id="whole, without an index",
        ),
        pytest.param(
            [calls(part(0, "{", id="c2", name="find")), calls(part(0, "}", id="c2", name="find")), chunk("stop")],
            [TWO],
            id="id and name again and again",
        ),
        pytest.param(
            [calls(part(0, "{}", name="find")), calls(part(1, "{}", name="find")), chunk("stop")],
            [ToolCall("call-1", "find", "{}"), ToolCall("call-2", "find", "{}")],
            id="without ids",
        ),
        pytest.param(
            [calls(part(0, "{}", id="c2", name="find")), chunk(content="so"), chunk("stop")],
            [TWO, TextDelta("so")],
            id="and then text",
        ),
        pytest.param(
            [
                calls(part(0, '{"a": 1}', id="c1", name="look")),
                chunk("tool_calls"),
                calls(part(0, "{}", id="c2", name="find")),
                chunk("tool_calls"),
            ],
            [ONE, TWO],
            id="one round after the other",
        ),
        pytest.param([calls({}), calls({"function": 1}), calls(part(0, "{}")), chunk("stop")], [], id="nameless"),
        pytest.param([calls(part(0, "{", id="c1", name="look"))], [], id="never ended"),
        pytest.param(
            [calls(part(0, "x" * 9_000, id="c1", name="look")), calls(part(0, "y" * 9_000)), chunk("stop")],
            [ToolCall("c1", "look", "x" * 5_000 + "…" + "y" * 4_999)],
            id="long arguments",
        ),
        pytest.param(
            [calls(part(0, "\0\ud83d", id="c\n1", name=" a\tb ")), chunk("stop")],
            [ToolCall("c 1", "a b", "\ufffd")],
            id="what cannot be stored",
        ),
    ],
)
def test_calls_of_tools(values: list[Any], expected: list[AnswerEvent]) -> None:
    assert [piece for piece in says(*values) if isinstance(piece, ToolCall | TextDelta)] == expected


def test_calls_without_end_are_not_collected_for_ever() -> None:
    dialect = ChatDialect()
    found = [list(dialect.read(calls(part(number, "{}", name="find")))) for number in range(150)]
    assert sum(map(len, found)) == 101


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            [chunk(reasoning="hm"), chunk(reasoning="m"), chunk(content="yes"), chunk("stop")],
            [ReasoningDelta("hmm"), TextDelta("yes"), End("stop")],
        ),
        (
            [chunk(content=" <thi"), chunk(content="nk>hm</think>\n\nyes"), chunk("stop")],
            [ReasoningDelta("hm"), TextDelta("yes"), End("stop")],
        ),
        (
            [
                chunk(reasoning="\ud83d"),
                chunk(content="\ud83d"),
                chunk(reasoning="\udc08"),
                chunk("stop", content="\udc08"),
            ],
            [ReasoningDelta("🐈"), TextDelta("🐈"), End("stop")],
        ),
        ([chunk(content="<"), chunk("stop")], [TextDelta("<"), End("stop")]),
        ([chunk(images=[IMAGE]), chunk("stop")], [FileDelta(PNG, None, "image/png"), End("stop")]),
        (
            [chunk(images=[IMAGE]), chunk(images=[IMAGE], content="so"), chunk("stop")],
            [FileDelta(PNG, None, "image/png"), TextDelta("so"), End("stop")],
        ),
        (
            [chunk(images=[IMAGE]), calls(part(0, "{}", id="c2", name="find")), chunk("tool_calls"), "[DONE]"],
            [FileDelta(PNG, None, "image/png"), TWO, End("tool_calls")],
        ),
    ],
)
def test_answers(values: list[Any], expected: list[AnswerEvent]) -> None:
    deltas, error = read(ChatDialect(), [stream(*values)])
    assert error is None
    assert joined(deltas) == expected


@pytest.mark.parametrize(
    ("values", "told", "kind", "says"),
    [
        (
            [chunk(reasoning="hm"), chunk("stop")],
            [ReasoningDelta("hm")],
            AnswerEmpty,
            "up worked on the message but gave no answer",
        ),
        (
            [chunk(content="<think>hm, <"), chunk("stop")],
            [ReasoningDelta("hm, <")],
            AnswerEmpty,
            "up worked on the message but gave no answer",
        ),
        (
            [chunk(reasoning="hm"), chunk("length")],
            [ReasoningDelta("hm")],
            AnswerEmpty,
            "up reached its length limit before the answer began",
        ),
        (
            [calls(part(0, "{}", id="c2", name="find")), chunk("tool_calls"), "[DONE]"],
            [TWO],
            AnswerEmpty,
            "up answered only with a tool call, and this bridge has no tools",
        ),
        (
            [chunk(reasoning="hm"), {"error": {"message": "no", "code": "context_length_exceeded"}}],
            [ReasoningDelta("hm")],
            AnswerInterrupted,
            "up reported an error: no",
        ),
        (
            [calls(part(0, "{}", id="c2", name="find")), chunk("tool_calls"), {"error": {"code": "model_not_found"}}],
            [TWO],
            AnswerInterrupted,
            "up reported an error",
        ),
        (
            [chunk(content="x" * 999_999), chunk(content="yy"), chunk("stop")],
            [TextDelta("x" * 999_999)],
            AnswerInterrupted,
            "the answer of up is longer than 1000000 characters",
        ),
    ],
)
def test_no_answers(values: list[Any], told: list[AnswerEvent], kind: type[UpstreamError], says: str) -> None:
    deltas, error = read(ChatDialect(), [stream(*values)])
    assert joined(deltas) == told
    assert type(error) is kind
    assert error.says(ENGLISH) == says
    assert not error.retryable


def test_files_without_end() -> None:
    reader = AnswerReader(ERRORS, ChatDialect())
    urls = [f"data:,{number:02}".ljust(4_000_000, "x") for number in range(17)]
    for url in urls[:16]:
        assert list(reader.feed(stream(chunk(images=[{"image_url": url}])))) == [FileDelta(url, None, None)]
    left_out = FileDelta("", None, None, FileProblem.TOO_LARGE)
    assert list(reader.feed(stream(chunk(images=[{"image_url": urls[16]}])))) == [left_out]


def test_an_answer_in_one_piece() -> None:
    message = {"content": "<think>hm</think>yes", "images": [IMAGE]}
    body = {"choices": [{"message": message, "finish_reason": "stop"}]}
    deltas = list(read_document(ChatDialect(), json.dumps(body).encode()))
    assert deltas == [ReasoningDelta("hm"), TextDelta("yes"), FileDelta(PNG, None, "image/png"), End("stop")]


def test_a_question() -> None:
    said = (
        ChatMessage("user", "one"),
        ChatMessage("assistant", "two"),
        ChatMessage("user", "look", (Image(b"\0", "image/png"), Image(b"\1", "image/jpeg"))),
        ChatMessage("user", "", (Image(b"\0", "image/png"),)),
    )
    png = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert request("m", said, "Be kind.") == {
        "model": "m",
        "stream": True,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    png,
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AQ=="}},
                ],
            },
            {"role": "user", "content": [png]},
        ],
    }


DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": st.sampled_from(["a", "<think>", "</think>", " ", [IMAGE], "\ud83d", "\udc08"]),
        "reasoning": st.text(max_size=3),
        "images": st.just([IMAGE]),
        "tool_calls": st.lists(st.builds(part, st.none() | st.integers(0, 1), st.text(max_size=3), name=st.just("t"))),
    },
)
EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda delta, reason: chunk(reason, **delta), DELTAS, st.sampled_from([None, None, "stop", "tool_calls"])
        ),
        st.sampled_from(["[DONE]", "{}", "{", {"error": {"message": "no"}}]),
    ),
    max_size=8,
)


@given(events=EVENTS, size=st.integers(1, 40))
def test_how_the_bytes_are_cut_does_not_matter(events: list[Any], size: int) -> None:
    data = stream(*events)
    deltas, error = read(ChatDialect(), [data])
    again, same = read(ChatDialect(), [data[start : start + size] for start in range(0, len(data), size)])
    assert again == deltas
    assert repr(same) == repr(error)
    repr(deltas).encode()


KEYS = (
    "content",
    "type",
    "text",
    "thinking",
    "image_url",
    "url",
    "file",
    "function",
    "arguments",
    "name",
    "id",
    "index",
)
FIELDS = ("content", "refusal", "reasoning", "reasoning_content", "reasoning_details", "images", "tool_calls")
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["text", "thinking", "file", "data:,"]),
    lambda inner: st.lists(inner) | st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, inner)),
    max_leaves=12,
)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)), max_size=3))
def test_any_json_is_read(deltas: list[dict[str, Any]]) -> None:
    told, _ = read(ChatDialect(), [stream(*[chunk(**delta) for delta in deltas], chunk("stop"))])
    for delta in told:
        if isinstance(delta, TextDelta | ReasoningDelta):
            delta.text.encode()
