"""The records: what they derive, and that nobody changes them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from agent_bridge.core.ids import turn_key
from agent_bridge.core.model import Role, Said, Send, Turn, TurnKind, TurnState


def turn(**changes: object) -> Turn:
    whole = Turn(
        id=1,
        event_id="$event",
        conversation=2,
        room_id="!room",
        portal=3,
        kind=TurnKind.MESSAGE,
        sender="@alice:example.org",
        payload={"body": "hello"},
        state=TurnState.QUEUED,
        attempts=0,
        failures=0,
        interruptions=0,
        retries=0,
        age=0.0,
        stop=None,
        collected=(),
        answer=None,
        error=None,
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]  # one value or another


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
    assert turn(collected=("and you", "", "well")).body == "hello\n\nand you\n\n\n\nwell"


def test_records_do_not_change() -> None:
    for record in (turn(), Send(1, None, datetime.now(UTC)), Said("user", "hello")):
        field = dataclasses.fields(record)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, None)
