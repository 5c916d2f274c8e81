"""An answer buffer sorts deltas: text, activity, files."""

from __future__ import annotations

import pytest

from agent_bridge.bridge.answering.answer_buffer import AnswerBuffer
from agent_bridge.core.answers import Part
from agent_bridge.core.errors import FileProblem
from agent_bridge.core.rooms import Show
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.activity import Activity
from agent_bridge.render.rendition import Pace, Rendition
from agent_bridge.upstream.answer import (
    AnswerEvent,
    End,
    FileDelta,
    ReasoningDelta,
    TextDelta,
    TextWithdrawn,
    ToolCall,
    ToolResult,
)

START = 1000.0


@pytest.fixture
def draft() -> AnswerBuffer:
    return AnswerBuffer(
        Rendition(Pace(), max_parts=4), Activity(ENGLISH, reasoning=Show.COLLAPSED, tools=Show.COLLAPSED)
    )


async def test_nothing_has_arrived(draft: AnswerBuffer) -> None:
    assert (draft.text, draft.due, draft.urgent, draft.files, draft.finish_reason) == ("", None, False, [], "")
    assert await draft.take(START) == []


async def test_each_delta_goes_where_it_belongs(draft: AnswerBuffer) -> None:
    picture = FileDelta("data:image/png;base64,AA==", "cat.png", "image/png")
    deltas: list[AnswerEvent] = [
        ReasoningDelta("Hm. "),
        ReasoningDelta("Cats?"),
        ToolCall("1", "grep", "{}"),
        ToolResult("1", "3 cats"),
        TextDelta(" Three"),
        TextDelta(" cats. "),
        picture,
        End("stop"),
    ]
    for second, delta in enumerate(deltas):
        draft.feed(delta, START + second)
    assert (draft.text, draft.files, draft.finish_reason) == ("Three cats.", [picture], "stop")
    (aside,) = draft.activity.whole(START + 9)
    assert aside.plain == "💭 Thought for 2 seconds · Used grep"
    assert "Hm. Cats?" in aside.text
    assert "3 cats" in aside.text


async def test_text_that_is_withdrawn_becomes_reasoning(draft: AnswerBuffer) -> None:
    draft.feed(TextDelta("I should greet."), START)
    assert [op.text for op in await draft.take(START + 1)] == ["I should greet."]
    draft.feed(TextWithdrawn(), START + 2)
    draft.feed(ReasoningDelta("I should greet."), START + 2)
    assert draft.text == ""
    draft.feed(TextDelta("Hello!"), START + 3)
    assert draft.text == "Hello!"
    ops = await draft.take(START + 9)
    assert [(op.part, op.text) for op in ops if op.part == 0] == [(0, "Hello!")]
    assert "I should greet." in ops[0].text


async def test_what_was_done_is_shown_before_what_is_said(draft: AnswerBuffer) -> None:
    draft.feed(ReasoningDelta("Hm."), START)
    draft.feed(TextDelta("Cats."), START)
    assert [op.part for op in await draft.take(START + 1)] == [Part.ACTIVITY, 0]


async def test_words_end_the_thinking(draft: AnswerBuffer) -> None:
    draft.feed(ReasoningDelta("Hm."), START)
    await draft.take(START + 1)
    draft.feed(TextDelta("Cats."), START + 3)
    assert draft.activity.whole(START + 60)[0].plain == "💭 Thought for 3 seconds"


async def test_only_first_words_are_urgent(draft: AnswerBuffer) -> None:
    draft.feed(ReasoningDelta("Hm."), START)
    assert (draft.due, draft.urgent) == (START + 0.1, False)
    await draft.take(START + 0.1)
    draft.feed(TextDelta("Cats purr."), START + 5)
    assert draft.urgent
    assert [op.part for op in await draft.take(START + 5.1)] == [Part.ACTIVITY, 0]
    draft.feed(TextDelta(" are"), START + 6)
    assert (draft.due is not None, draft.urgent) == (True, False)


async def test_no_more_files_than_a_room_bears(draft: AnswerBuffer) -> None:
    for number in range(20):
        draft.feed(FileDelta(f"https://example.org/{number}", None, None), START)
    *sent, left_out = draft.files
    assert [file.url[-1] for file in sent] == list("0123456789")
    assert (left_out.url, left_out.problem) == ("", FileProblem.TOO_MANY)


async def test_first_words_wait_for_nothing_that_is_done_besides(draft: AnswerBuffer) -> None:
    draft.feed(ReasoningDelta("Hm."), START)
    await draft.take(START + 0.1)
    draft.feed(ToolCall("1", "grep", "{}"), START + 5)
    assert not draft.urgent
    draft.feed(TextDelta("Cats purr."), START + 6)
    assert (draft.urgent, draft.due) == (True, START + 6.1)
