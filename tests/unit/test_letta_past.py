"""The messages that a server of Letta keeps become the words of people and agents."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_bridge.upstream.transport.letta_past import otid_of, past_messages, time_of


def user(words: object, otid: str | None = None, **keys: object) -> dict[str, Any]:
    return {"id": "u", "message_type": "user_message", "content": words, "otid": otid, **keys}


def agent(words: object, **keys: object) -> dict[str, Any]:
    return {"id": "a", "message_type": "assistant_message", "content": words, **keys}


def words_of(*messages: dict[str, Any], is_cut: bool = False) -> list[str]:
    return [each.message.content for each in past_messages(messages, is_cut=is_cut)]


def test_the_id_of_a_question_is_a_uuid() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", otid_of("key"))
    assert otid_of("key") == otid_of("key") != otid_of("other")


def test_parts_and_pieces_of_a_message_are_one_text() -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "image", "source": {}}, {"type": "text", "text": "two"}]
    assert words_of(user(parts), agent("three "), agent("four")) == ["one two\n\n[image]", "three four"]


def test_messages_without_words_are_left_out() -> None:
    tool = {"id": "t", "message_type": "tool_return_message", "content": "output"}
    assert words_of(user([]), agent(""), agent(None), tool, {}, agent(" \n", id="b")) == []


def test_an_answer_to_a_picture_of_the_bridge_is_marked() -> None:
    found = past_messages([user([{"type": "image"}], otid_of("key")), agent("A cat.")], is_cut=False)
    assert [(each.message.content, each.is_bridged) for each in found] == [("[image]", True), ("A cat.", True)]


def test_a_reminder_in_a_turn_does_not_end_it() -> None:
    reminder = user("<system-reminder>The last response was empty.</system-reminder>")
    found = past_messages([user("hello", otid_of("key")), reminder, agent("Hi.")], is_cut=False)
    assert [each.is_bridged for each in found] == [True, True]


def test_a_notification_of_a_task_is_no_word_of_a_person_and_begins_a_turn_of_the_server() -> None:
    told = user("<task-notification>\n<status>done</status>\n</task-notification>\nFull transcript available at: /x")
    question, answer = user("hello", otid_of("key")), agent("Hi.")
    found = past_messages([question, answer, told, agent("42.", id="b")], is_cut=False)
    bridged = {each.message.content: each.is_bridged for each in found}
    assert bridged == {"hello": True, "Hi.": True, "42.": False}


def test_the_rest_of_an_answer_whose_question_is_not_there_is_left_out() -> None:
    assert words_of(agent("rest"), user("next"), agent("Yes."), is_cut=True) == ["next", "Yes."]
    assert words_of(agent("Good morning!"), user("next")) == ["Good morning!", "next"]


def test_many_openings_take_linear_time() -> None:
    words = "<system-reminder>" * 100_000
    assert words_of(user(words)) == [words]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-21T01:35:24+00:00", datetime(2026, 11, 21, 1, 35, 24, tzinfo=UTC)),
        ("2026-11-21T01:35:24.500Z", datetime(2026, 11, 21, 1, 35, 24, 500_000, tzinfo=UTC)),
        ("2026-11-21T01:35:24", datetime(2026, 11, 21, 1, 35, 24, tzinfo=UTC)),
        ("soon", None),
        (None, None),
        (7, None),
    ],
)
def test_times(value: object, expected: datetime | None) -> None:
    assert time_of(value) == expected
    [message] = past_messages([user("hello", date=value)], is_cut=False)
    assert message.sent_at == (expected or datetime.fromtimestamp(0, UTC))
