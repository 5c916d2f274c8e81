"""What people may name a message by, and how lengths of time and states read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.commands.story import open_state, reference_of
from agent_bridge.core.model import TurnState
from agent_bridge.render import words
from records import entry

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
    ("seconds", "text"),
    [
        (-3, "0 seconds"),
        (0, "0 seconds"),
        (0.9, "0 seconds"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (7200, "2 hours"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (86_400 * 400, "400 days"),
    ],
)
def test_a_length_of_time_in_its_largest_unit(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 times"), (1, "1 time"), (2, "2 times")])
def test_a_count_in_its_number(number: int, text: str) -> None:
    assert words.count(number, "time") == text


@pytest.mark.parametrize(
    ("state", "attempts", "text"),
    [
        (TurnState.QUEUED, 0, "waits"),
        (TurnState.QUEUED, 2, "waits for its next try"),
        (TurnState.RUNNING, 1, "is answered"),
        (TurnState.ANSWERED, 1, "is shown"),
    ],
)
def test_where_an_open_turn_stands(state: TurnState, attempts: int, text: str) -> None:
    assert open_state(entry(state=state, attempts=attempts)) == text


def test_every_state_has_a_word() -> None:
    assert set(words.WHY_STATE) == {str(state) for state in TurnState}
