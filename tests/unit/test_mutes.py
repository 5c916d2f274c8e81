"""Muted people: nothing that they do asks for anything, except a redaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.live import Live
from agent_bridge.core.roles import EVERYWHERE, Mutes, Role, RoleBook, Roles
from agent_bridge.core.rooms import KindName, Participant, Room
from agent_bridge.core.turns import Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.matrix.events import RoomEvent, parse_event
from support.records import NAMES

ROOM, OTHER, BOB, MOD, GHOST = (
    "!room:example.org",
    "!other:example.org",
    "@bob:example.org",
    "@mod:example.org",
    "@agent_frida:example.org",
)
NOW = datetime.now(UTC)
FRIDA = Participant(7, "agent_frida")
AT_HOME = Room(ROOM, KindName.HOME, 7, (FRIDA,), answered_by={"$answer": 7})
IN_GROUP = Room(ROOM, KindName.GROUP, None, (FRIDA,))


def rules(**until: datetime | None) -> Rules:
    """Return the rules while Bob is muted: in the room ``here``, in another one ``there``, or ``everywhere``."""
    rooms = {"here": ROOM, "there": OTHER, "everywhere": EVERYWHERE}
    mutes = Mutes({(rooms[where], BOB): end for where, end in until.items()})
    book = RoleBook({"example.org": Role.MEMBER, MOD: Role.MODERATOR, BOB: Role.MODERATOR})
    return Rules(NAMES, Roles(Live(book), NAMES, Live(mutes)), "!ab", frozenset({"help"}))


def event(content: dict[str, Any], kind: str = "m.room.message", sender: str = BOB, **more: Any) -> RoomEvent:
    parsed = parse_event({"event_id": "$e", "room_id": ROOM, "type": kind, "sender": sender, "content": content} | more)
    assert parsed is not None
    return parsed


def text(body: str, **more: Any) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, **more}


def reaction(key: str, target: str = "$answer") -> RoomEvent:
    return event({"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}}, "m.reaction")


SAID = [
    pytest.param(text("hi"), id="a message"),
    pytest.param(text("!ab help"), id="a command"),
    pytest.param(text("!ab unmute @bob:example.org"), id="the own unmute"),
    pytest.param(text("!help"), id="a bare command"),
    pytest.param({"msgtype": "m.image", "url": "mxc://x/y", "body": "x"}, id="a file"),
    pytest.param(text("hi", **{"m.mentions": {"user_ids": [GHOST]}}), id="a mention"),
    pytest.param(
        text("* b", **{"m.new_content": text("b"), "m.relates_to": {"rel_type": "m.replace", "event_id": "$q"}}),
        id="an edit",
    ),
]


@pytest.mark.parametrize("content", SAID)
@pytest.mark.parametrize("until", [None, NOW + timedelta(hours=1)], ids=["for good", "for an hour"])
@pytest.mark.parametrize("where", ["here", "everywhere"])
@pytest.mark.parametrize("room", [AT_HOME, IN_GROUP], ids=["at home", "in a group"])
def test_what_muted_people_say_is_ignored(
    content: dict[str, Any], until: datetime | None, where: str, room: Room
) -> None:
    assert rules(**{where: until}).decide(event(content), room) == Ignored("$e", ROOM, IgnoreReason.MUTED)


@pytest.mark.parametrize("sign", ["🛑", "🔁", "✅", "👍"])
def test_what_muted_people_click_does_nothing(sign: str) -> None:
    muted = rules(here=None)
    for room in (AT_HOME, IN_GROUP):
        assert muted.decide(reaction(sign), room) is None
        assert muted.stop(reaction(sign), room) is None
        assert muted.decision(reaction(sign), room) is None
        assert muted.resume(reaction(sign), room) is None
    assert muted.stop(event(text("!ab stop")), AT_HOME) is None


def test_muted_people_redact_their_messages() -> None:
    redaction = event({"redacts": "$q"}, "m.room.redaction", redacts="$q")
    found = rules(here=None).decide(redaction, AT_HOME)
    assert isinstance(found, ChangeRequest)
    assert found.kind is ChangeKind.REDACT


def test_a_mute_counts_where_and_as_long_as_it_was_meant() -> None:
    for free in (rules(there=None), rules(here=NOW - timedelta(seconds=1)), rules()):
        asked = free.decide(event(text("hi")), AT_HOME)
        assert isinstance(asked, NewTurn)
        assert asked.kind is TurnKind.MESSAGE
    others = rules(here=None).decide(event(text("hi"), sender=MOD), AT_HOME)
    assert isinstance(others, NewTurn)


def test_agents_read_nothing_of_muted_people() -> None:
    roles = rules(here=None).roles
    assert not roles.reads(BOB, ROOM)
    assert roles.reads(BOB, OTHER)
    assert roles.reads(GHOST, ROOM)
    assert roles.may_invite(BOB)
    assert not rules(everywhere=None).roles.may_invite(BOB)


def test_an_event_in_an_unknown_room_is_nothing() -> None:
    assert rules(everywhere=None).decide(event(text("hi")), None) is None
