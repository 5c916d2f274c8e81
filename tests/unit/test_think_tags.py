"""Reasoning inside the text of an answer."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.upstream.answer import (
    AnswerEvent,
    ReasoningDelta,
    TextDelta,
    TextWithdrawn,
    ToolCall,
    ToolResult,
)
from agent_bridge.upstream.openai.think_marks import MARK
from agent_bridge.upstream.openai.think_tags import ThinkTagSplitter
from support.answers import joined

TEMPLATE = "Template:\n```\n<|im_start|>assistant\n</think>\n\nHello\n```\n"


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
        (" \n<think>\nhm\n</think>\n\n yes\n", "hm\n", "yes\n"),
        ("<think></think>yes", "", "yes"),
        ("<think>hm</think>", "hm", ""),
        ("<think>hm</think> \n", "hm", ""),
        ("<think>hm", "hm", ""),
        ("<think>hm</thin", "hm</thin", ""),
        ("<think>", "", ""),
        ("<thi", "", "<thi"),
        ("<thinking>hm</thinking>yes", "hm", "yes"),
        ("<thought>hm</thought>yes", "hm", "yes"),
        ("<reasoning>hm</reasoning>yes", "hm", "yes"),
        ("<Think>hm</THINK>yes", "hm", "yes"),
        ("<antThinking>hm</antThinking>yes", "hm", "yes"),
        ("<internal_monologue>hm</internal_monologue>yes", "hm", "yes"),
        ("<thinking_process>hm</thinking_process>yes", "hm", "yes"),
        ("<|thinking|>hm<|/thinking|>yes", "hm", "yes"),
        ("<|think_start|>hm<|think_end|>yes", "hm", "yes"),
        (
            "<think>It wants <plan></plan> tags. I write them.</think>yes",
            "It wants <plan></plan> tags. I write them.",
            "yes",
        ),
        *(
            (f"<{name}>\nhm\n</{name}>\nyes", "", f"<{name}>\nhm\n</{name}>\nyes")
            for name in ("plan", "planning", "analysis", "rationale", "deliberation", "cot", "monologue")
        ),
        (
            "The closing tag is:\n\n</plan>\n\nPut it at the end.",
            "",
            "The closing tag is:\n\n</plan>\n\nPut it at the end.",
        ),
        ("<rejection_reason>no</rejection_reason>", "", "<rejection_reason>no</rejection_reason>"),
        ("<think>hm</think><answer>yes</answer>", "hm", "yes"),
        ("<think>hm</think>\n<response>\nyes\n</response>\n", "hm", "yes\n"),
        ("<response>yes</response>", "", "<response>yes</response>"),
        ("<final>yes", "", "yes"),
        ("<answer>yes</answer>\n<answer>and no</answer>", "", "yes\n\nand no"),
        ("<answer>End it with `</answer>`.</answer>", "", "End it with `</answer>`."),
        ("<answer>``</answer>`` and `x` end it.</answer>\nyes", "", "``</answer>`` and `x` end it.\n\nyes"),
        ("text\n<answer>yes</answer>", "", "text\n<answer>yes</answer>"),
        ("<|START_RESPONSE|>yes<|END_RESPONSE|>", "", "yes"),
        ("yes<|END_RESPONSE|>", "", "yes"),
        ("<|begin_of_thought|>hm<|end_of_thought|>\n<|begin_of_solution|>yes<|end_of_solution|>", "hm", "yes"),
        ("<seed:think>hm</seed:think>yes", "hm", "yes"),
        ('<think duration="3">hm</think>yes', "hm", "yes"),
        ("[THINK]hm[/THINK]yes", "hm", "yes"),
        ("◁think▷hm◁/think▷yes", "hm", "yes"),
        ("<|START_THINKING|>hm<|END_THINKING|>yes", "hm", "yes"),
        ("<think>\n\n</think>\n\nyes", "", "yes"),
        ("<think>a</think>\n<think>b</think>\nyes", "a\n\nb", "yes"),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>yes", "hm", "yes"),
        (
            (
                "<|start|>assistant<|channel|>analysis<|message|>hm<|end|>"
                "<|start|>assistant<|channel|>final<|message|>yes<|return|>"
            ),
            "hm",
            "yes",
        ),
        ("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>yes", "{}", "yes"),
        (
            (
                '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n'
                "> a &lt; b\n> c\n</details>\nyes"
            ),
            "a < b\nc\n",
            "yes",
        ),
        (
            "<details>\n<summary>More</summary>\n\nyes</details>",
            "",
            "<details>\n<summary>More</summary>\n\nyes</details>",
        ),
        ("yes</s>", "", "yes"),
        ("yes<|im_end|>\n<|endoftext|>", "", "yes"),
        ("a<|im_end|>b", "", "a<|im_end|>b"),
        ("<s>yes</s>", "", "<s>yes</s>"),
        ("the `</think>` tag", "", "the `</think>` tag"),
        ("the </think> tag", "", "the </think> tag"),
        ("a <think> and a </think>", "", "a <think> and a </think>"),
        ("```\n<think>\nhm\n</think>\n```", "", "```\n<think>\nhm\n</think>\n```"),
        ("a <b>\n[link](x) [THE", "", "a <b>\n[link](x) [THE"),
        ("a <think>hm</think>", "", "a <think>hm</think>"),
        ("```\n</think>\n```\nyes", "", "```\n</think>\n```\nyes"),
        ("```\nhm\n</think>\n\n```\nyes", "", "```\nhm\n</think>\n\n```\nyes"),
        ("```\nhm\n</think>\nyes\n```", "", "```\nhm\n</think>\nyes\n```"),
        ("```\n<think>\n</think>\n\nyes", "", "```\n<think>\n</think>\n\nyes"),
        (f"{TEMPLATE}So the model skips it.", "", f"{TEMPLATE}So the model skips it."),
        ("```\nhm </think>\n\nyes", "", "```\nhm </think>\n\nyes"),
        ("<think>```py\nx\n</think>\n\nyes", "```py\nx\n", "yes"),
        ("<think>a<think>b</think>c</think>d", "a<think>b", "c</think>d"),
        ("<think>a</b></th</think>c", "a</b></th", "c"),
        (" " * 1001 + "<think>", "", ""),
    ],
)
def test_split(text: str, thought: str, answer: str) -> None:
    reasoning = [ReasoningDelta(thought)] if thought else []
    said = [TextDelta(answer)] if answer else []
    assert split(text) == [*reasoning, *said]
    assert split(*text) == [*reasoning, *said]


TAGGED = st.lists(
    st.sampled_from(
        [
            "<think>",
            "</think>",
            "</",
            "<",
            "think>",
            "a",
            "[THINK]",
            "[/THINK]",
            "<answer>",
            "</answer>",
            "`",
            "```\n",
            "```py\n",
            "\n\n",
            "</s>",
            " ",
            "\n",
            "</think",
            "🐈",
        ]
    )
).map("".join)


@given(text=TAGGED, data=st.data())
def test_how_the_text_is_cut_does_not_matter(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(*pieces) == split(text)


# Hypothesis draws constants of the code as well, and some of them are marks.
@given(st.text(max_size=30).filter(lambda text: MARK.search(text) is None))
def test_text_without_marks_is_left_alone(text: str) -> None:
    assert split(*text) == ([TextDelta(text)] if text else [])


def test_text_is_not_kept_back() -> None:
    splitter = ThinkTagSplitter()
    assert list(splitter.feed("<think>a")) == [ReasoningDelta("a")]
    assert list(splitter.feed("b<")) == [ReasoningDelta("b")]
    assert list(splitter.feed("/think>c")) == [TextDelta("c")]
    assert list(splitter.feed("<b")) == []
    assert list(splitter.feed(">d")) == [TextDelta("<b>d")]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("hm</think>yes", [TextDelta("hm"), TextWithdrawn(), ReasoningDelta("hm"), TextDelta("yes")]),
        (
            "Okay, the user says hi. I should greet.\n</think>\n\nHello!",
            [
                TextDelta("Okay, the user says hi. I should greet.\n"),
                TextWithdrawn(),
                ReasoningDelta("Okay, the user says hi. I should greet.\n"),
                TextDelta("Hello!"),
            ],
        ),
        ("\n</think>\n\nHello!", [TextDelta("Hello!")]),
        ("hm. [/THINK] yes", [TextDelta("hm. "), TextWithdrawn(), ReasoningDelta("hm. "), TextDelta("yes")]),
        (
            "<think>a</think>I will look.\n\n<think>b</think>It is 4.",
            [ReasoningDelta("a"), TextDelta("I will look.\n\n"), ReasoningDelta("\n\nb"), TextDelta("It is 4.")],
        ),
        (
            "Look:\n<think>b</think>\nIt is 4.",
            [TextDelta("Look:\n"), ReasoningDelta("b"), TextDelta("\nIt is 4.")],
        ),
        (
            (
                '<details type="tool_calls" done="true" id="1" name="add" arguments="&quot;1&quot;" result="2">\n'
                "<summary>Tool Executed</summary>\n</details>\nIt is 2."
            ),
            [ToolCall("1", "add", '"1"'), ToolResult("1", "2"), TextDelta("It is 2.")],
        ),
    ],
)
def test_events(text: str, events: list[AnswerEvent]) -> None:
    assert split(text) == events
    assert split(*text) == events


@pytest.mark.parametrize(
    ("behind", "answer"),
    [
        ("\n\nyes", "yes"),
        ("\n \n\n**yes**\n```\nx\n```\n", "**yes**\n```\nx\n```\n"),
        ("\n```py\ny\n```\n", "```py\ny\n```\n"),
        ("\n\n```py\ny\n```\n", "```py\ny\n```\n"),
        ("", ""),
        ("\n", ""),
        ("\nyes", "yes"),
        ("\nyes\n```\ny\n```\n", "yes\n```\ny\n```\n"),
    ],
)
def test_reasoning_ends_in_a_code_block_without_an_end(behind: str, answer: str) -> None:
    thought = "Let me write:\n```py\nx = 1\n"
    events = [TextDelta(f"{thought}</think>{behind}"), TextWithdrawn(), ReasoningDelta(thought)]
    events += [TextDelta(answer)] if answer else []
    text = f"{thought}</think>{behind}"
    assert split(text) == events
    assert split(*text) == events


@pytest.mark.parametrize("beginning", ['<details type="reasoning">', "hm\n</think>", ""])
def test_memory_is_bounded(beginning: str) -> None:
    """The text behind a part that is too long is shown."""
    splitter = ThinkTagSplitter(limit=1000)
    list(splitter.feed(beginning))
    tracemalloc.start()
    for _ in range(3000):
        list(splitter.feed("x \n" * 100))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200_000
    assert [*splitter.feed("</details>yes"), *splitter.close()][-1] in [TextDelta("yes"), TextDelta("</details>yes")]
