"""The table of kinds of rooms, and the agents that a message in each kind is for."""

from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.bridge.rooms.addressing import addressees
from agent_bridge.bridge.rooms.kinds import KINDS, Addressing, takes_bare_commands
from agent_bridge.core.rooms import KindName, Participant, ParticipantState, Room
from agent_bridge.matrix.events import parse_event
from support.records import NAMES

FRIDA, GALA = Participant(1, "agent_frida"), Participant(2, "agent_gala")


def asked(kind: KindName, *members: Participant, owner: int | None = 1, **more: Any) -> list[int]:
    """Return the agents that a message which mentions both, and replies to Gala, is for."""
    mentions = {"user_ids": ["@agent_frida:example.org", "@agent_gala:example.org"]}
    content = {"msgtype": "m.text", "body": "hi", "m.mentions": mentions} | more
    raw = {"event_id": "$e", "room_id": "!r", "type": "m.room.message", "sender": "@bob:example.org"}
    event = parse_event(raw | {"content": content})
    assert event is not None
    room = Room("!r", kind, owner, members, answered_by={"$gala": 2})
    return [each.agent for each in addressees(event, room, NAMES)]


def test_every_kind_has_a_row() -> None:
    assert set(KINDS) == set(KindName)
    assert all(kind.name is name for name, kind in KINDS.items())


@pytest.mark.parametrize("kind", [KindName.HOME, KindName.CHAT, KindName.DM])
def test_in_a_room_of_its_own_an_agent_answers_everything(kind: KindName) -> None:
    assert KINDS[kind].addressing is Addressing.OWNER
    nothing: dict[str, Any] = {"m.mentions": {}}
    others: dict[str, Any] = {"m.mentions": {"user_ids": ["@carol:example.org"]}}
    assert asked(kind, FRIDA, **nothing) == asked(kind, FRIDA, **others) == [1]
    assert asked(kind, FRIDA, GALA, **nothing) == asked(kind, FRIDA, GALA, **others) == [1]
    assert asked(kind, FRIDA, owner=None) == []


@pytest.mark.parametrize("kind", [KindName.HOME, KindName.CHAT, KindName.DM])
def test_a_guest_in_the_room_of_an_agent_answers_what_is_said_to_it(kind: KindName) -> None:
    assert asked(kind, FRIDA, GALA) == [1, 2]
    to_gala: dict[str, Any] = {"m.mentions": {"user_ids": ["@agent_gala:example.org"]}}
    assert asked(kind, FRIDA, GALA, **to_gala) == [2]
    assert asked(kind, FRIDA, **to_gala) == [1]


@pytest.mark.parametrize("kind", [KindName.GROUP, KindName.LOBBY, KindName.CHANNEL])
def test_among_others_an_agent_answers_what_is_said_to_it(kind: KindName) -> None:
    assert asked(kind, GALA, FRIDA) == [2, 1]
    nothing: dict[str, Any] = {"m.mentions": {}}
    assert asked(kind, FRIDA, GALA, **nothing) == []
    reply: dict[str, Any] = {"m.relates_to": {"m.in_reply_to": {"event_id": "$gala"}}}
    assert asked(kind, FRIDA, GALA, **nothing, **reply) == [2]
    assert asked(kind, FRIDA, **nothing, **reply) == []


def test_the_bot_answers_alone() -> None:
    assert asked(KindName.BOT, FRIDA) == []


@pytest.mark.parametrize("kind", [*KindName])
def test_an_agent_that_left_answers_nothing(kind: KindName) -> None:
    assert asked(kind, Participant(1, "agent_frida", ParticipantState.LEFT)) == []


def test_the_bridge_knows_bare_commands_in_its_own_rooms() -> None:
    own = [name for name in KindName if takes_bare_commands(Room("!r", name, 1, (FRIDA,)))]
    assert own == [KindName.HOME, KindName.PAIR, KindName.LOBBY, KindName.CHANNEL, KindName.SERVER]
