"""Reading an answer in the dialect of chat completions: its text, and whether it is complete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.errors import (
    AgentGone,
    AnswerEmpty,
    AnswerFiltered,
    AnswerInterrupted,
    AnswerMissing,
    ConversationTooLong,
    UpstreamError,
    UpstreamProtocolError,
)
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import AnswerEvent, End, TextDelta, TextWithdrawn
from agent_bridge.upstream.openai.chat import ChatDialect
from support.answers import joined, read, read_document, stream

if TYPE_CHECKING:
    from collections.abc import Iterable


def chunk(text: Any = None, finish_reason: Any = None, **delta: Any) -> dict[str, Any]:
    content = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": {**content, **delta}, "finish_reason": finish_reason}]}


def answer(chunks: Iterable[bytes]) -> tuple[str, End | UpstreamError | None]:
    """Return the text, and the end or the failure."""
    deltas, error = read(ChatDialect(), chunks)
    end = error or deltas.pop()
    assert isinstance(end, End | UpstreamError)
    return text_of(deltas), end


def text_of(deltas: list[AnswerEvent]) -> str:
    start = max((at for at, delta in enumerate(deltas, 1) if isinstance(delta, TextWithdrawn)), default=0)
    deltas = deltas[start:]
    texts = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
    assert len(texts) == len(deltas)
    assert all(texts)
    return "".join(texts)


@pytest.mark.parametrize(
    ("events", "text", "reason"),
    [
        pytest.param([chunk("a"), chunk("b"), chunk(None, "stop"), "[DONE]"], "ab", "stop", id="usual"),
        pytest.param([chunk("a"), chunk(None, "stop")], "a", "stop", id="without [DONE]"),
        pytest.param([chunk("a", "length")], "a", "length", id="text and end in one"),
        pytest.param([chunk("a"), "[DONE]"], "a", "stop", id="[DONE] without a reason"),
        pytest.param([chunk("a"), {"choices": [], "usage": {}}], "a", "stop", id="usage without a reason"),
        pytest.param(
            [chunk("I am ", "stop"), chunk("Gemini, a ", "stop"), chunk("model."), "[DONE]"],
            "I am Gemini, a model.",
            "stop",
            id="early reasons",
        ),
        pytest.param([chunk("", "stop"), chunk("a"), chunk(None, "stop")], "a", "stop", id="a reason before the text"),
        pytest.param([chunk("", "stop"), chunk("a"), chunk("b")], "ab", "stop", id="a reason only before the text"),
        pytest.param([chunk("a", "length"), chunk("b", "stop"), "[DONE]"], "ab", "length", id="the worse reason"),
        pytest.param(
            [{"choices": [{"delta": {"content": "a"}, "finishReason": "STOP"}]}], "a", "stop", id="camel case"
        ),
        pytest.param([chunk("a", "MAX_TOKENS")], "a", "length", id="another word"),
        pytest.param([chunk("a"), "ping", chunk("b", "stop")], "ab", "stop", id="keep-alive"),
        pytest.param(
            [{"choices": [{"index": 1, "delta": {"content": "b"}}]}, chunk("a"), chunk(None, "stop")],
            "a",
            "stop",
            id="another choice first",
        ),
        pytest.param(
            [{"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}]}, chunk("")],
            "b",
            "stop",
            id="only another choice",
        ),
        pytest.param([chunk("a"), "[PING]", chunk("b", "stop")], "ab", "stop", id="keep-alive in brackets"),
        pytest.param([chunk("a"), "[KEEPALIVE 3]", chunk("b", "stop")], "ab", "stop", id="keep-alive with a number"),
        pytest.param([chunk("a"), "<END>"], "a", "stop", id="another last data"),
        pytest.param([chunk("a"), {"stop_reason": "end_turn"}], "a", "end_turn", id="stop_reason"),
        pytest.param([chunk("a"), {"choices": [{"stop_reason": "max_tokens"}]}], "a", "length", id="in a choice"),
        pytest.param(
            [{"choices": [{"delta": {"content": "a"}, "finish_reason": "stop", "stop_reason": "length"}]}],
            "a",
            "stop",
            id="the text that stopped vLLM",
        ),
        pytest.param(
            [{"choices": [{"delta": {"content": "a", "finish_reason": "stop"}, "finish_reason": None}]}],
            "a",
            "stop",
            id="in the delta",
        ),
        pytest.param([chunk("a"), {"done": True, "done_reason": "stop"}], "a", "stop", id="done_reason"),
        pytest.param([chunk("a"), {"type": "message_stop"}], "a", "stop", id="type of the end"),
        pytest.param([chunk("a"), {"finished": True}, chunk("b"), {"done": True}], "ab", "stop", id="ends of steps"),
        pytest.param([chunk("a", "stop"), "[DONE]", chunk("b"), "x"], "a", "stop", id="rest not looked at"),
        pytest.param([chunk("a", "stop"), {"error": {"message": "x"}}], "a", "stop", id="error behind the end"),
        *(
            pytest.param(
                [{"choices": [{**chunk("a", "stop")["choices"][0], "error": error}]}], "a", "stop", id=f"{error}"
            )
            for error in ({"code": 0, "message": ""}, "null", {"message": None})
        ),
        pytest.param([chunk("a"), {"choices": []}, "[1]", chunk("b", "stop")], "ab", "stop", id="odd chunks"),
        pytest.param(
            [chunk("a", "tool_calls"), chunk("b"), chunk(None, "stop"), "[DONE]"], "ab", "stop", id="tools between"
        ),
        pytest.param([chunk("a"), chunk(None, "tool_calls"), "[DONE]"], "a", "tool_calls", id="tools at the end"),
        pytest.param([chunk("a"), chunk(None, "function_call")], "a", "function_call", id="tools, cut short"),
        pytest.param([chunk("\ud83d"), chunk("\udc08!", "stop")], "🐈!", "stop", id="half a character"),
        pytest.param([chunk("a\ud83d\n"), chunk("\udc08", "stop")], "a\ufffd\n\ufffd", "stop", id="two halves"),
        pytest.param([chunk("a\ud83d"), chunk("", "stop")], "a", "stop", id="half a character for ever"),
        pytest.param([chunk("a\0b", "stop")], "ab", "stop", id="NUL"),
        pytest.param([chunk(" "), chunk("\n"), chunk("a", "stop")], " \na", "stop", id="blanks are kept"),
    ],
)
def test_whole_answers(events: list[Any], text: str, reason: str) -> None:
    assert answer([stream(*events)]) == (text, End(reason))


@pytest.mark.parametrize(
    "end",
    [
        "done\ndata: {}",
        "end\ndata:",
        "done",
        "end\ndata: done",
        "done\ndata: [DONE]",
        "complete\ndata: {}",
        "close\ndata: x",
    ],
)
def test_names_of_events_that_end_an_answer(end: str) -> None:
    assert answer([stream(chunk("a")), f"event: {end}\n\n".encode()]) == ("a", End("stop"))


@pytest.mark.parametrize("end", ["complete\ndata: {}", "end\ndata: {}", "done\ndata: done", "end", "step\ndata: done"])
def test_the_end_of_a_step_is_no_end(end: str) -> None:
    assert answer([stream(chunk("a")), f"event: {end}\n\n".encode(), stream(chunk("b", "stop"))]) == (
        "ab",
        End("stop"),
    )


def test_events_of_other_names_are_skipped() -> None:
    progress = b"event: hermes.tool.progress\ndata: working on it\n\n"
    assert answer([progress, stream(chunk("a")), progress, stream(chunk("b", "stop"))]) == ("ab", End("stop"))


def test_a_last_line_without_line_end_counts() -> None:
    assert answer([stream(chunk("a"), chunk("b", "stop")).rstrip()]) == ("ab", End("stop"))


CONTEXT = {"message": "This model's maximum context length is 1 token", "code": "context_length_exceeded"}


@pytest.mark.parametrize(
    ("data", "text", "kind", "says"),
    [
        pytest.param(
            b"",
            "",
            AnswerMissing,
            "up ended without an answer, as some servers do if a conversation is too long",
            id="nothing",
        ),
        pytest.param(
            stream(chunk(role="assistant"), "[DONE]"),
            "",
            AnswerMissing,
            "up ended without an answer, as some servers do if a conversation is too long",
            id="only [DONE]",
        ),
        pytest.param(stream(chunk("", "stop")), "", AnswerEmpty, "the answer of up is empty", id="no text"),
        pytest.param(stream(chunk(" \n", "stop")), " \n", AnswerEmpty, "the answer of up is empty", id="blanks"),
        pytest.param(
            stream(chunk("", "length")),
            "",
            AnswerEmpty,
            "up reached its length limit before the answer began",
            id="no room for text",
        ),
        pytest.param(
            stream(chunk(tool_calls=[{}]), chunk(None, "tool_calls"), "[DONE]"),
            "",
            AnswerEmpty,
            "up answered only with a tool call, and this bridge has no tools",
            id="tools only",
        ),
        pytest.param(stream(chunk("a")), "a", AnswerInterrupted, "up broke off the answer", id="no reason"),
        pytest.param(
            stream(chunk("a"))[:-9] + b"\n\n",
            "",
            AnswerInterrupted,
            "up sent a chunk that is not JSON",
            id="half a chunk",
        ),
        pytest.param(
            stream(chunk("a", "content_filter")),
            "a",
            AnswerFiltered,
            "up did not finish: its content filter stopped the answer",
            id="content filter",
        ),
        pytest.param(
            stream(chunk(None, "content_filter")),
            "",
            AnswerFiltered,
            "up did not finish: its content filter stopped the answer",
            id="content filter at once",
        ),
        pytest.param(
            stream(chunk("a", "error")), "a", AnswerInterrupted, "up did not finish: it reported an error", id="reason"
        ),
        pytest.param(
            stream(chunk("a"), {"error": {"message": "LLM exploded"}}, "[DONE]"),
            "a",
            AnswerInterrupted,
            "up reported an error: LLM exploded",
            id="error chunk",
        ),
        pytest.param(
            stream({"error": {"message": "LLM exploded", "code": None}}),
            "",
            AnswerInterrupted,
            "up reported an error: LLM exploded",
            id="error chunk at once",
        ),
        pytest.param(
            b'event: error\ndata: {"message_type": "error_message", "message": "No.", "detail": "x"}\n\n',
            "",
            AnswerInterrupted,
            "up reported an error: No.",
            id="error event",
        ),
        pytest.param(
            b"event: error\ndata: out of\ndata: memory\n\n",
            "",
            AnswerInterrupted,
            "up reported an error: out of memory",
            id="error event of text",
        ),
        pytest.param(
            stream({"error": CONTEXT}),
            "",
            ConversationTooLong,
            "the conversation is too long for this agent's model: This model's maximum context length is 1 token",
            id="context",
        ),
        pytest.param(
            stream(chunk("a"), {"error": CONTEXT}),
            "a",
            AnswerInterrupted,
            "up reported an error: This model's maximum context length is 1 token",
            id="context midway",
        ),
        pytest.param(
            stream({"error": {"message": "who?", "code": "model_not_found"}}),
            "",
            AgentGone,
            "up no longer has this agent: who?",
            id="no agent",
        ),
        pytest.param(
            stream(*[chunk("x" * 999_999), chunk("yy", "stop")]),
            "x" * 999_999 + "",
            AnswerInterrupted,
            "the answer of up is longer than 1000000 characters",
            id="no end in sight",
        ),
    ],
)
def test_failures(data: bytes, text: str, kind: type[UpstreamError], says: str) -> None:
    said, error = answer([data])
    assert said == text
    assert type(error) is kind
    assert error.says(ENGLISH) == says
    assert not error.retryable


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}, [TextDelta("whole"), End("stop")]),
        ({"choices": [{"message": {"content": "w"}, "finish_reason": "length"}]}, [TextDelta("w"), End("length")]),
        (
            {"choices": [{"message": {"content": '1,"[{' * 100_000}, "finish_reason": "stop"}]},
            [TextDelta('1,"[{' * 100_000), End("stop")],
        ),
    ],
)
def test_answers_that_are_not_streamed(body: Any, expected: list[AnswerEvent]) -> None:
    assert joined(read_document(ChatDialect(), json.dumps(body).encode())) == expected


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"", AnswerMissing, "up ended without an answer, as some servers do if a conversation is too long"),
        (b"{", UpstreamProtocolError, "the response of up is not a completion"),
        (b"[]", UpstreamProtocolError, "the response of up is not a completion"),
        (b'{"choices": []}', UpstreamProtocolError, "the response of up is not a completion"),
        (b'{"error": {"message": "no"}}', AnswerInterrupted, "up reported an error: no"),
        (
            b'{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}',
            AnswerEmpty,
            "the answer of up is empty",
        ),
    ],
)
def test_failures_that_are_not_streamed(body: bytes, kind: type[UpstreamError], says: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        list(read_document(ChatDialect(), body))
    assert type(caught.value) is kind
    assert caught.value.says(ENGLISH) == says


EVENTS = st.lists(
    st.one_of(
        st.builds(chunk, st.none() | st.text(max_size=5), st.sampled_from([None, None, None, "stop", "tool_calls"])),
        st.sampled_from(["[DONE]", "{}", "{", {"error": {"message": "no"}}, chunk("\ud83d"), chunk("\udc08")]),
    ),
    max_size=8,
)


KEYS = ("choices", "delta", "message", "content", "type", "text", "finish_reason", "error", "code")
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(KEYS, inner),
        )
    ),
)


@given(JSON)
def test_any_json_is_read(value: Any) -> None:
    deltas, _ = read(
        ChatDialect(), [stream(value), stream({"choices": [value]}), stream({"choices": [{"delta": value}]})]
    )
    repr(deltas).encode()


@given(events=EVENTS, size=st.integers(1, 40))
def test_chunks_of_bytes_do_not_matter(events: list[Any], size: int) -> None:
    data = stream(*events)
    text, end = answer([data])
    again, same = answer(data[start : start + size] for start in range(0, len(data), size))
    assert again == text
    assert repr(same) == repr(end)
    text.encode()
    assert "\0" not in text
