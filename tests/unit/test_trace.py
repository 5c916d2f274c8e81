"""What people may name a message by, and how states read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.commands.trace import open_state, reference_of
from agent_bridge.core.turns import TurnState
from agent_bridge.i18n.english import ENGLISH
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
    assert reference_of(text) == (room, event)


@given(st.text(max_size=60))
def test_anything_is_a_reference(text: str) -> None:
    room, _ = reference_of(text)
    assert room is None or room.startswith(("!", "#"))


@pytest.mark.parametrize(
    ("state", "attempts", "text"),
    [
        (TurnState.QUEUED, 0, "waits"),
        (TurnState.QUEUED, 2, "waits for its next try"),
        (TurnState.RUNNING, 1, "is answered"),
        (TurnState.COMMITTED, 1, "is shown"),
    ],
)
def test_where_an_open_turn_stands(state: TurnState, attempts: int, text: str) -> None:
    assert open_state(summary(state=state, attempts=attempts), ENGLISH) == text
