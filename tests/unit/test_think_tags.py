"""Reasoning inside the text of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.upstream.answer import AnswerEvent, ReasoningDelta, TextDelta
from agent_bridge.upstream.openai.think_tags import ThinkTagSplitter
from support.answers import joined


def split(*pieces: str) -> list[AnswerEvent]:
    splitter = ThinkTagSplitter()
    fed = [delta for piece in pieces for delta in splitter.feed(piece)]
    return joined([*fed, *splitter.close()])


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("", "", ""),
        ("plain", "", "plain"),
        (" \n", "", " \n"),
        ("<think>hm</think>yes", "hm", "yes"),
        (" \n<think>\nhm\n</think>\n\n yes\n", "\nhm\n", "yes\n"),
        ("<think></think>yes", "", "yes"),
        ("<think>hm</think>", "hm", ""),
        ("<think>hm</think> \n", "hm", ""),
        ("<think>hm", "hm", ""),
        ("<think>hm</thin", "hm</thin", ""),
        ("<think>", "", ""),
        ("<thi", "", "<thi"),
        ("<thinking>hm</thinking>", "", "<thinking>hm</thinking>"),
        ("a <think>hm</think>", "", "a <think>hm</think>"),
        ("<think>a<think>b</think>c</think>d", "a<think>b", "c</think>d"),
        ("<think>a</b></th</think>c", "a</b></th", "c"),
        ("hm</think>yes", "", "hm</think>yes"),
        (" " * 1001 + "<think>", "", " " * 1001 + "<think>"),
    ],
)
def test_split(text: str, thought: str, answer: str) -> None:
    reasoning = [ReasoningDelta(thought)] if thought else []
    said = [TextDelta(answer)] if answer else []
    assert split(text) == [*reasoning, *said]
    assert split(*text) == [*reasoning, *said]


TAGGED = st.lists(st.sampled_from(["<think>", "</think>", "</", "<", "think>", "a", " ", "\n", "</think", "🐈"])).map(
    "".join
)


@given(text=TAGGED, data=st.data())
def test_how_the_text_is_cut_does_not_matter(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(*pieces) == split(text)


@given(st.text(max_size=30))
def test_text_that_does_not_begin_with_the_tag_is_left_alone(text: str) -> None:
    assert split(*text) == ([TextDelta(text)] if text else [])


def test_text_is_not_kept_back() -> None:
    splitter = ThinkTagSplitter()
    assert list(splitter.feed("<think>a")) == [ReasoningDelta("a")]
    assert list(splitter.feed("b<")) == [ReasoningDelta("b")]
    assert list(splitter.feed("/think>c")) == [TextDelta("c")]
    assert list(splitter.feed("<")) == [TextDelta("<")]
