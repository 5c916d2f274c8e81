"""The records: what they derive, and that nobody changes them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from agent_bridge.core.ids import turn_key
from agent_bridge.core.roles import Role
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.core.turns import BOT_THREAD, Send, TurnState
from support.records import turn


def test_roles_include_the_ones_before() -> None:
    names = ["NONE", "MEMBER", "MODERATOR", "ADMIN", "OWNER"]
    assert [role.name for role in Role] == names
    assert all(lower < higher for lower, higher in pairwise(Role))


def test_a_turn_is_named_by_its_event() -> None:
    assert turn().key == turn(id=99, state=TurnState.DONE).key == turn_key("$event")
    assert turn().key != turn(event_id="$other").key


@pytest.mark.parametrize(("payload", "body"), [({"body": "hello"}, "hello"), ({}, ""), ({"body": 5}, "5")])
def test_a_turn_has_a_body(payload: dict[str, object], body: str) -> None:
    assert turn(payload=payload).body == body


def test_what_was_collected_follows_a_paragraph_each() -> None:
    collected = ({"body": "and you"}, {"body": "", "file": {"name": "cat.png"}}, {"redacted": True}, {"body": "well"})
    asked = turn(collected=collected)
    assert asked.body == "hello\n\nand you\n\nwell"
    assert asked.payloads == ({"body": "hello"}, *collected)


def test_a_turn_alone_asks_what_it_says() -> None:
    assert turn().payloads == ({"body": "hello"},)
    assert turn(payload={"redacted": True}).body == ""


@pytest.mark.parametrize(
    ("thread", "payload", "root"),
    [
        pytest.param("", {"body": "hi"}, None, id="in the room"),
        pytest.param("$root", {"body": "hi"}, "$root", id="in a thread"),
        pytest.param("$root", {"thread": "$other"}, "$root", id="its lane counts"),
        pytest.param(BOT_THREAD, {"body": "help"}, None, id="a command"),
        pytest.param(BOT_THREAD, {"body": "help", "thread": "$root"}, "$root", id="a command in a thread"),
        pytest.param(BOT_THREAD, {"body": "help", "thread": ""}, None, id="an empty one is none"),
    ],
)
def test_where_a_turn_is_answered(thread: str, payload: dict[str, object], root: str | None) -> None:
    assert turn(thread=thread, payload=payload).root == root


def test_bytes_of_a_picture_stand_in_no_log() -> None:
    assert "secret" not in repr(ChatMessage("user", "look", (Image(b"secret", "image/png"),)))


def test_records_do_not_change() -> None:
    for record in (turn(), Send(1, None, datetime.now(UTC)), ChatMessage("user", "hello")):
        field = dataclasses.fields(record)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, None)
