"""The records of turns: their derived values, and that they are immutable."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from agent_bridge.core.payloads import (
    AgainPayload,
    Attachment,
    CommandPayload,
    MediaKind,
    MessagePayload,
    Payload,
    RefusalPayload,
    RefusalReason,
)
from agent_bridge.core.results.traces import Step
from agent_bridge.core.roles import Role
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.core.turns import Send
from support.records import LONG_AGO, turn

CAT = Attachment(MediaKind.IMAGE, None, "cat.png", None, None, None, voice=False, encrypted=False)


def test_roles_include_the_ones_before() -> None:
    names = ["NONE", "AGENT", "MEMBER", "MODERATOR", "ADMIN", "OWNER"]
    assert [role.name for role in Role] == names
    assert all(lower < higher for lower, higher in pairwise(Role))


def test_a_turn_says_what_its_messages_say_a_paragraph_each() -> None:
    # The third one was redacted.
    collected = (MessagePayload("and you"), MessagePayload("", CAT), MessagePayload(), MessagePayload("well"))
    asked = turn(collected=collected)
    assert asked.body == "hello\n\nand you\n\nwell"
    assert asked.questions == asked.payloads == (MessagePayload("hello"), *collected)


def test_the_key_of_a_request_names_its_messages() -> None:
    first = turn(collected=(MessagePayload("and you"),))
    assert turn(collected=(MessagePayload("and you"),), attempts=3, failures=2).request_key == first.request_key
    others = [
        turn(collected=(MessagePayload("and you"),), retries=1),
        turn(collected=(MessagePayload("and you", CAT),)),
        turn(collected=(MessagePayload("and me"),)),
        turn(payload=MessagePayload("hi"), collected=(MessagePayload("and you"),)),
        turn(),
        turn(key="fedcba9876543210"),
    ]
    assert len({each.request_key for each in [first, *others]}) == 1 + len(others)


def test_other_turns_have_no_questions() -> None:
    command = turn(payload=CommandPayload("help me"))
    assert (command.body, command.questions) == ("help me", ())
    refusal = turn(payload=RefusalPayload(RefusalReason.FULL, excerpt="hello"))
    assert (refusal.body, refusal.questions) == ("", ())


@pytest.mark.parametrize(
    ("thread", "payload", "root"),
    [
        pytest.param("", MessagePayload("hi"), None, id="in the room"),
        pytest.param("$root", MessagePayload("hi"), "$root", id="in a thread"),
        pytest.param("$root", AgainPayload("$x"), "$root", id="a change in a thread"),
        pytest.param("", CommandPayload("help"), None, id="a command"),
        pytest.param("", CommandPayload("help", "$root"), "$root", id="a command in a thread"),
        pytest.param("", RefusalPayload(RefusalReason.FULL, "$root"), "$root", id="a refusal in a thread"),
    ],
)
def test_where_a_turn_is_answered(thread: str, payload: Payload, root: str | None) -> None:
    assert turn(thread=thread, payload=payload).root == root


@pytest.mark.parametrize(
    ("changes", "session"),
    [
        pytest.param({}, "!room", id="the agent's own room"),
        pytest.param({"thread": "$root"}, "!room/$root", id="a thread in it"),
        pytest.param({"own_room": False}, "!room/agent_frida", id="a room of several agents"),
        pytest.param({"own_room": False, "thread": "$root"}, "!room/agent_frida/$root", id="a thread in it"),
        pytest.param({"agent": None, "own_room": False}, "!room", id="the bot"),
    ],
)
def test_an_upstream_knows_the_conversation_by_its_name(changes: dict[str, Any], session: str) -> None:
    assert turn(**changes).session == session


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(MessagePayload("b"), MessagePayload("b", None, "$x"), id="text"),
        pytest.param(MessagePayload("b", CAT), MessagePayload("b", CAT, "$x"), id="a file"),
    ],
)
def test_an_edited_message_still_replies(new: MessagePayload, expected: MessagePayload) -> None:
    assert MessagePayload("a", None, "$x").edited(new) == expected
    assert MessagePayload("a", CAT, "$x").edited(new).file == CAT


def test_a_step_has_the_details_that_it_has() -> None:
    step = Step(at=LONG_AGO, name="put_back", seconds=0.0, why="busy")
    assert step.details == {"seconds": 0.0, "why": "busy"}


def test_bytes_of_a_picture_stand_in_no_log() -> None:
    assert "secret" not in repr(ChatMessage("user", "look", (Image(b"secret", "image/png"),)))


def test_records_do_not_change() -> None:
    for record in (turn(), Send(1, None, 0, datetime.now(UTC)), ChatMessage("user", "hello")):
        field = dataclasses.fields(record)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, None)
