"""References to messages, and the texts for the states of turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.commands.entries import turn_entry
from agent_bridge.commands.lookup import MessageReference, parse_reference
from agent_bridge.core.turns import TurnState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.turns import open_state
from support.records import summary

ROOM, EVENT = "!room:example.org", "$event_-id"


@pytest.mark.parametrize(
    ("text", "room", "event"),
    [
        pytest.param("$event_-id", None, EVENT, id="event id"),
        pytest.param("  $event_-id\n", None, EVENT, id="event id with blanks"),
        pytest.param("`$event_-id`", None, EVENT, id="event id as code"),
        pytest.param("$event:example.org", None, "$event:example.org", id="event id of an old room"),
        pytest.param("0123456789abcdef", None, "0123456789abcdef", id="name of a turn"),
        pytest.param("`0123`", None, "0123", id="beginning of a name"),
        pytest.param("", None, "", id="nothing"),
        pytest.param("https://matrix.to/#/!room:example.org/$event_-id", ROOM, EVENT, id="matrix.to"),
        pytest.param(
            "https://matrix.to/#/!room:example.org/$event_-id?via=example.org&via=b", ROOM, EVENT, id="with servers"
        ),
        pytest.param("https://matrix.to/#/%21room%3Aexample.org/%24event_-id?via=x", ROOM, EVENT, id="escaped"),
        pytest.param("<https://matrix.to/#/!room:example.org/$event_-id>", ROOM, EVENT, id="in angle brackets"),
        pytest.param("why did https://matrix.to/#/!room:example.org/$event_-id fail?", ROOM, EVENT, id="in a sentence"),
        pytest.param("https://matrix.to/#/#room:example.org/$event_-id", "#room:example.org", EVENT, id="by alias"),
        pytest.param(
            "https://matrix.to/#/%23room%3Aexample.org/%24event_-id", "#room:example.org", EVENT, id="escaped alias"
        ),
        pytest.param("https://matrix.to/#/!opaque/$event_-id", "!opaque", EVENT, id="a room id without a server"),
        pytest.param("matrix:roomid/room:example.org/e/event_-id?via=x", ROOM, EVENT, id="matrix URI"),
        pytest.param("matrix:roomid/room%3Aexample.org/e/event_-id", ROOM, EVENT, id="escaped matrix URI"),
        pytest.param(
            "[a link](https://matrix.to/#/!room:example.org/$event_-id)", ROOM, EVENT, id="as a Markdown link"
        ),
    ],
)
def test_a_message_is_named_by(text: str, room: str | None, event: str) -> None:
    assert parse_reference(text) == MessageReference(event, room)


@given(st.text(max_size=60))
def test_anything_is_a_reference(text: str) -> None:
    room = parse_reference(text).room
    assert room is None or room.startswith(("!", "#"))


@pytest.mark.parametrize(
    ("state", "attempts", "text"),
    [
        (TurnState.QUEUED, 0, "waiting"),
        (TurnState.QUEUED, 2, "waiting for its next attempt"),
        (TurnState.RUNNING, 1, "being answered"),
        (TurnState.COMMITTED, 1, "answer being sent"),
    ],
)
def test_where_an_open_turn_stands(state: TurnState, attempts: int, text: str) -> None:
    assert open_state(turn_entry(summary(state=state, attempts=attempts)), ENGLISH) == text
