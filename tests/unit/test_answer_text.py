"""Repetitions, files, sources and marks in the text of an answer; finish reasons; bodies of any format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.errors import (
    AnswerInterrupted,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamProtocolError,
)
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import AnswerEvent, End, FileDelta, ReasoningDelta, TextDelta, TextWithdrawn
from agent_bridge.upstream.openai.answer_text import AnswerText
from agent_bridge.upstream.openai.chat import ChatDialect
from agent_bridge.upstream.openai.dialect import Sources
from agent_bridge.upstream.openai.finish_reasons import finish_reason, worse
from agent_bridge.upstream.openai.inline_files import InlineFiles
from agent_bridge.upstream.openai.repeated_text import RepetitionFilter
from support.answers import joined, read, stream
from support.growth import growth

DATA = "iVBORw0KGgo" * 8
PNG = f"data:image/png;base64,{DATA}"
FILE = FileDelta(PNG, None, "image/png")
SVG = 'data:image/svg+xml;utf8,<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 (0)"/></svg>'
SHORT_SVG = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>"
OPEN_SVG = "Use `![x](data:image/svg+xml,<svg ...>)` in Markdown."
PICTURE = [FILE, TextDelta("\n"), replace(FILE, url=f"{PNG}x"), TextDelta("\n\nb")]


def without_repetitions(*chunks: str) -> str:
    found = RepetitionFilter()
    shown: list[str] = []
    for text in (text for chunk in chunks for text in found.feed(chunk)):
        shown = [] if text is None else [*shown, text]
    return "".join([*shown, *found.close()])


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        (["Sure! 1", "Sure! 1. 2", "Sure! 1. 2. 3"], "Sure! 1. 2. 3"),
        (["\n", "Sure! 1", "Sure! 1. 2", "Sure! 1. 2. 3", "Sure! 1. 2. 3. 4"], "\nSure! 1. 2. 3. 4"),
        (["Sure! 1", "Sure! 1. 2", "Sure! 1. 2. 3", "Sure! 1. 2. 3"], "Sure! 1. 2. 3"),
        (["Sure! 1", "Sure! 1. 2", "Sure! 1. 2. 3", "Then ", "Then more"], "Sure! 1. 2. 3Then more"),
        (["This is a long beginning", "This is a long beginning and an end."], "This is a long beginning and an end."),
        (["Hello ", "there, friend.", "Hello there, friend."], "Hello there, friend."),
        (["Hello ", "there, friend.", "Hello there, friend.", "!"], "Hello there, friend.Hello there, friend.!"),
        (["ha", "ha", "ha"], "hahaha"),
        (["H", "Hel", "Hello", "Hello you", "Hello you!"], "Hello you!"),
        (["A cat is a dig", "A cat is a dig,", "A cat is a dig, or", "A cat is no dog"], "A cat is no dog"),
        (["A cat is a", "A cat is a cat", "A cat is a cat.", "Then ", "A dog"], "A cat is a cat.Then A dog"),
        (["1", "10", "100"], "110100"),
        (["1", "10", "100", "1000", "10000000"], "110100100010000000"),
        (["1", "12", "123", "12345678", " is it"], "11212312345678 is it"),
        (["ha", "haha", "hahahaha"], "hahahahahahaha"),
        (["I", "I am", "I am a cat."], "I am a cat."),
        (["No. ", "No. "], "No. No. "),
        (["a", "b", "ab"], "abab"),
        (["=" * 20, "=" * 20, "=" * 20], "=" * 60),
        (["    ", "        ", "            "], " " * 24),
        (["", "a", ""], "a"),
        ([], ""),
    ],
)
def test_text_given_again_is_not_shown_again(chunks: list[str], text: str) -> None:
    assert without_repetitions(*chunks) == text


@given(st.text("ab \n", min_size=20, max_size=60), st.integers(3, 9))
def test_a_cumulative_text_is_its_last_chunk(text: str, size: int) -> None:
    chunks = [text[:end] for end in range(size, len(text), size)] + [text]
    if not text[:size].isspace():
        assert without_repetitions(*chunks) == text


def files_in(*pieces: str) -> list[AnswerEvent]:
    reader = InlineFiles()
    return joined([*(event for piece in pieces for event in reader.feed(piece)), *reader.close()])


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (
            f"Here is your cat:\n\n![image]({PNG})\n\nEnjoy!",
            [TextDelta("Here is your cat:\n\n"), FILE, TextDelta("\n\nEnjoy!")],
        ),
        (f'![a cat]({PNG} "title")', [FILE]),
        (f"![a cat](<{PNG}>)", [FILE]),
        (f'<img alt="cat" src="{PNG}" width=5>!', [FILE, TextDelta("!")]),
        (f"<img src={PNG}>", [FILE]),
        (PNG, [FILE]),
        (f"{PNG} is it", [FILE, TextDelta(" is it")]),
        (
            f"[a.pdf](data:application/pdf;base64,{DATA})",
            [FileDelta(f"data:application/pdf;base64,{DATA}", None, "application/pdf")],
        ),
        (f"![a]({PNG})![b]({PNG}x)", [FILE, FileDelta(f"{PNG}x", None, "image/png")]),
        (f"![a]({PNG}", [FILE]),
        (f"![a][1]\n\n[1]: {PNG}\n\nb", [TextDelta("![a][1]\n\n[1]: #"), FILE, TextDelta("\n\nb")]),
        (f'[cat]: <{PNG}> "title"\nb', [TextDelta("[cat]: #"), FILE, TextDelta("\nb")]),
        (f'<picture>\n<source srcset="{PNG}">\n<img src="{PNG}x">\n</picture>\nb', PICTURE),
        (f'<img src="{PNG}" srcset="{PNG} 2x">b', [FILE, TextDelta("b")]),
        (f"see `{PNG}` here", [TextDelta("see "), FILE, TextDelta(" here")]),
        (f"![a]({SVG})b", [FileDelta(SVG, None, "image/svg+xml"), TextDelta("b")]),
        (f"<img src='{SVG}' width=5>b", [FileDelta(SVG, None, "image/svg+xml"), TextDelta("b")]),
        ("Write `<picture>` and\n\n    </picture>", [TextDelta("Write `<picture>` and\n\n    </picture>")]),
        (f"![a]({PNG})</picture>", [FILE, TextDelta("</picture>")]),
        (
            f'<img src="{SHORT_SVG}">\n\nSecond.',
            [FileDelta(SHORT_SVG, None, "image/svg+xml"), TextDelta("\n\nSecond.")],
        ),
        (f"![a]({SHORT_SVG}) b", [FileDelta(SHORT_SVG, None, "image/svg+xml"), TextDelta(" b")]),
        (f"{OPEN_SVG}\n\nSecond, ![a]({PNG})", [TextDelta(f"{OPEN_SVG}\n\nSecond, "), FILE]),
        (OPEN_SVG, [TextDelta(OPEN_SVG)]),
        (f"```html\n![a]({PNG})\n```", [TextDelta(f"```html\n![a]({PNG})\n```")]),
        ("![a](data:image/png;base64,...)", [TextDelta("![a](data:image/png;base64,...)")]),
        (
            "a `data:` URL, ![a](https://e.org/a.png) and [b](data)",
            [TextDelta("a `data:` URL, ![a](https://e.org/a.png) and [b](data)")],
        ),
        ("the data: it is old <img", [TextDelta("the data: it is old <img")]),
        ("", []),
    ],
)
def test_files_inside_the_text(text: str, events: list[AnswerEvent]) -> None:
    assert files_in(text) == events
    assert files_in(*text) == events


def test_a_large_file_takes_little_time() -> None:
    text = f"![a](data:image/png;base64,{'A' * 2_000_000})"
    pieces = [text[at : at + 500] for at in range(0, len(text), 500)]
    assert [type(event) for event in files_in(*pieces)] == [FileDelta]


def texts(*pieces: Any) -> str:
    text = AnswerText()
    for piece in pieces:
        if isinstance(piece, Sources):
            text.add_sources(piece)
    events = [event for piece in pieces if isinstance(piece, str) for event in text.feed(TextDelta(piece))]
    shown = ""
    for event in [*events, *text.close()]:
        shown = "" if isinstance(event, TextWithdrawn) else shown + (event.text if isinstance(event, TextDelta) else "")
    return shown


def test_sources_are_a_list_below_the_text() -> None:
    sources = Sources((("https://a/1", "One [x]"), ("https://a/2", ""), ("https://a/1", "again")))
    below = "\n\n1. [One x](<https://a/1>)\n2. <https://a/2>"
    assert texts("Paris", sources) == f"Paris{below}"
    for numbers in (
        "Paris[1][2]",
        "~~~\na[1]\n~~~",
        "``a[1]``",
        "$x[1]$",
        "[[1]](https://a/1)",
        "[a][1]\n\n[1]: https://b",
    ):
        assert texts(numbers, sources) == texts(sources, *numbers) == numbers + below
    assert texts(sources) == ""


def test_citations_of_another_page_are_left_out() -> None:
    assert texts("Paris \ue200cite\ue202turn0search1\ue201.") == "Paris ."
    assert texts(*"Paris \ue200cite\ue202turn0search1\ue201.") == "Paris ."


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["stop", "STOP", "eos", "end_turn", "stop_sequence", "other", "unknown"], None),
        (
            ["length", "max_tokens", "MAX_TOKENS", "maxTokens", "model_length", "max_output_tokens", "token_limit"],
            "length",
        ),
        (
            ["content_filter", "SAFETY", "sensitive", "RECITATION", "PROHIBITED_CONTENT", "blocklist", "SPII"],
            "content_filter",
        ),
        (["error", "insufficient_system_resource", "network_error", "failed", "MALFORMED_FUNCTION_CALL"], "error"),
        (["abort", "cancelled", "canceled"], "abort"),
        (["tool_calls", "tool_use"], "tool_calls"),
    ],
)
def test_finish_reasons(words: list[str], reason: str | None) -> None:
    assert [finish_reason(word) for word in words] == [reason or word.lower() for word in words]


def test_the_worse_of_two_reasons_counts() -> None:
    assert [worse("length", "stop"), worse("stop", "length"), worse("tool_calls", "stop")] == [
        "length",
        "length",
        "stop",
    ]
    assert worse("length", "error") == worse("error", "content_filter") == "error"
    assert worse(None, "stop") == "stop"


def chunk(text: str | None, reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


WHOLE = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
CHUNKS = [chunk("Hel"), chunk("lo", "stop")]
HELLO = [TextDelta("Hello"), End("stop")]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        pytest.param(stream(*CHUNKS, "[DONE]"), HELLO, id="a stream"),
        pytest.param(b"\xef\xbb\xbf\n" + stream(*CHUNKS), HELLO, id="a stream behind a byte order mark"),
        pytest.param(json.dumps(WHOLE).encode(), HELLO, id="a document"),
        pytest.param(
            b"\xef\xbb\xbf \n" + json.dumps(WHOLE, indent=2).encode() + b"\n", HELLO, id="a document in lines"
        ),
        pytest.param(b"\n".join(json.dumps(each).encode() for each in CHUNKS), HELLO, id="an object in each line"),
        pytest.param(b"\n".join(json.dumps(each).encode() for each in CHUNKS) + b"\n[DONE]\n", HELLO, id="and an end"),
        pytest.param(json.dumps(CHUNKS).encode(), HELLO, id="a list of objects"),
        pytest.param(stream(WHOLE), HELLO, id="a document in an event"),
        pytest.param(
            stream(*CHUNKS[:1], {**WHOLE, "x": 1}), [TextDelta("Hel"), End("stop")], id="a whole message behind deltas"
        ),
        pytest.param(
            b"event: chat.completion.chunk\n" + stream(CHUNKS[0]) + b"event: x\n" + stream(CHUNKS[1]), HELLO, id="names"
        ),
        pytest.param(
            stream({"choices": [{"text": "Hello", "finish_reason": "stop"}]}), HELLO, id="a completion of text"
        ),
        pytest.param(
            stream({"choices": [{"index": 1, "delta": {"content": "x"}}]}, *CHUNKS),
            [TextDelta("x")],
            id="another choice",
        ),
        pytest.param(
            stream(chunk("Hello", None), {"choices": [], "usage": {"total_tokens": 1}}), HELLO, id="usage at the end"
        ),
        pytest.param(
            stream({"choices": [{"delta": {"reasoning_content": "\n"}}]}, *CHUNKS), HELLO, id="a blank thought"
        ),
        pytest.param(
            stream({"choices": [{"delta": {"reasoning_content": "hm"}}]}, *CHUNKS),
            [ReasoningDelta("hm"), *HELLO],
            id="a thought",
        ),
    ],
)
def test_the_bytes_decide_about_the_format(body: bytes, events: list[AnswerEvent]) -> None:
    for chunks in ([body], [bytes([byte]) for byte in body]):
        found, error = read(ChatDialect(), chunks)
        assert joined(found)[: len(events)] == events
        assert error is None or events[-1:] != HELLO[-1:]


@pytest.mark.parametrize(
    ("body", "kind", "says", "retryable"),
    [
        (b"<html>", UpstreamProtocolError, "up answered with a web page: is its url correct?", False),
        (
            b'{"error": {"message": "model is overloaded"}}',
            AnswerInterrupted,
            "up reported an error: model is overloaded",
            False,
        ),
        (
            b'{"base_resp": {"status_code": 1008, "status_msg": "no"}}',
            AnswerInterrupted,
            "up reported an error: no",
            False,
        ),
        (b'{"success": false, "message": "no"}', AnswerInterrupted, "up reported an error: no", False),
        (b'{"code": 500, "msg": "no"}', AnswerInterrupted, "up reported an error: no", False),
        (b'{"detail": "no"}', AnswerInterrupted, "up reported an error: no", False),
        (
            stream({"detail": "CUDA out of memory"}, "[DONE]"),
            AnswerInterrupted,
            "up reported an error: CUDA out of memory",
            False,
        ),
        (
            stream({"error": {"code": 502, "message": "no"}, "choices": []}),
            AnswerInterrupted,
            "up reported an error: no",
            True,
        ),
        (stream({"error": {"code": 429, "message": "no"}, "choices": []}), UpstreamBusy, "up is busy (429): no", True),
        (
            stream({"error": {"message": "Insufficient Balance"}}),
            UpstreamFailed,
            "the account at the server of up has no credit left: Insufficient Balance",
            False,
        ),
        (stream("Hello"), UpstreamProtocolError, "the response of up is not a completion: Hello", False),
        (stream(chunk("a"), "out of memory"), AnswerInterrupted, "up broke off the answer: out of memory", False),
        (b'{"choices": [', UpstreamProtocolError, "the response of up is not a completion", False),
    ],
)
def test_failures(body: bytes, kind: type[UpstreamError], says: str, *, retryable: bool) -> None:
    _, error = read(ChatDialect(), [body])
    assert type(error) is kind
    assert error.says(ENGLISH) == says
    assert error.retryable is retryable


@pytest.mark.parametrize(
    "piece",
    [
        "<", "<think>", "<think>\n", "</think>\n", "[THINK]", "<details type=", "<|channel|>", "</s>\n", "![a](data:",
        "data:a/b,", "![", "<img src=", "\ue200a", "```\n</think>\n\n", "\n", " ", "<a href=data:", "◁",
        "</answer>", "\n[a]: data:", "`data:", "<picture ", "![a](data:image/svg+xml,<svg>",
    ],
)  # fmt: skip
def test_time_grows_with_the_length_alone(piece: str) -> None:
    def read_whole(text: str) -> None:
        answer = AnswerText()
        list(answer.feed(TextDelta(text)))
        list(answer.close())

    assert growth(read_whole, piece) < 10
