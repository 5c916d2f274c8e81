"""Accounts of other bots, with the role ``agent``: an agent answers those of their messages that mention it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.core.changes import ChangeRequest
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName, Participant, Room
from agent_bridge.core.turns import Addressee, Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.matrix.events import RoomEvent, parse_event
from support.records import NAMES

ROOM, BOT, BOB, GHOST = "!room:example.org", "@bot:other.org", "@bob:example.org", "@agent_frida:example.org"
RULES = Rules(NAMES, Roles.fixed({"example.org": Role.MEMBER, BOT: Role.AGENT}, NAMES), "!ab")
FRIDA, GALA = Participant(7, "agent_frida"), Participant(8, "agent_gala")
AT_HOME, IN_BOT_ROOM = Room(ROOM, KindName.HOME, 7, (FRIDA,)), Room(ROOM, KindName.BOT)
IN_GROUP = Room(ROOM, KindName.GROUP, None, (FRIDA, GALA), answered_by={"$of-gala": 8})
FOR_AGENT = (Addressee(7, "agent_frida"),)


def event(content: dict[str, Any], kind: str = "m.room.message") -> RoomEvent:
    """Return an event of the bot."""
    parsed = parse_event({"event_id": "$e", "room_id": ROOM, "type": kind, "sender": BOT, "content": content})
    assert parsed is not None
    return parsed


def text(body: str, **more: Any) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, **more}


def edit_of(event_id: str, new: dict[str, Any]) -> dict[str, Any]:
    return text("* x", **{"m.new_content": new, "m.relates_to": {"rel_type": "m.replace", "event_id": event_id}})


def mentioning(*users: str, body: str = "hi") -> dict[str, Any]:
    return text(body, **{"m.mentions": {"user_ids": list(users)}})


@pytest.mark.parametrize(
    ("content", "room", "asked"),
    [
        pytest.param(mentioning(GHOST), AT_HOME, FOR_AGENT, id="a mention at home"),
        pytest.param(mentioning(GHOST), IN_GROUP, FOR_AGENT, id="a mention in a group"),
        pytest.param(mentioning(GHOST, BOB), replace(AT_HOME, person=BOB, kind=KindName.DM), FOR_AGENT, id="in a DM"),
        pytest.param(
            mentioning(GHOST, body="agent_gala: hi"), IN_GROUP, FOR_AGENT, id="a mention of one, the name of another"
        ),
        pytest.param(text("hi"), AT_HOME, IgnoreReason.UNMENTIONED, id="no mention"),
        pytest.param(mentioning(BOB), AT_HOME, IgnoreReason.UNMENTIONED, id="another mention"),
        pytest.param(
            text("hi", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$of-gala"}}}),
            IN_GROUP,
            IgnoreReason.UNMENTIONED,
            id="a reply",
        ),
        pytest.param(mentioning(GHOST, body="!ab help"), AT_HOME, IgnoreReason.PERMISSION, id="a command"),
        pytest.param(
            mentioning(NAMES.bot, body="help"), IN_BOT_ROOM, IgnoreReason.PERMISSION, id="a mention of the bot"
        ),
        pytest.param(text("hi"), Room(ROOM, KindName.CHAT), IgnoreReason.UNMENTIONED, id="no agent is chosen"),
        pytest.param(edit_of("$x", text("b")), AT_HOME, IgnoreReason.UNMENTIONED, id="an edit"),
        pytest.param(text("hi"), IN_GROUP, None, id="for nobody"),
        pytest.param(text("hi"), None, None, id="an unknown room"),
    ],
)
def test_a_bot_is_answered_if_it_mentions_an_agent(
    content: dict[str, Any], room: Room | None, asked: tuple[Addressee, ...] | IgnoreReason | None
) -> None:
    found = RULES.decide(event(content), room)
    if asked is None:
        assert found is None
    elif isinstance(asked, IgnoreReason):
        assert found == Ignored("$e", ROOM, asked)
    else:
        assert isinstance(found, NewTurn)
        assert (found.kind, found.addressees) == (TurnKind.MESSAGE, asked)


def test_a_bot_corrects_its_message_with_a_mention() -> None:
    found = RULES.decide(event(edit_of("$x", mentioning(GHOST))), IN_GROUP)
    assert isinstance(found, ChangeRequest)
    assert found.addressees == FOR_AGENT
    # The bridge has no notice for a bot whose message it does not know.
    assert not found.is_expected


def test_a_bot_needs_no_selection() -> None:
    rules = replace(RULES, follow_selection=True)
    asked = rules.decide(event(mentioning(GHOST)), AT_HOME)
    assert isinstance(asked, NewTurn)
    assert asked.kind is TurnKind.MESSAGE


def test_a_bot_decides_and_stops_nothing() -> None:
    for sign in ("🛑", "🔁", "✅", "👍"):
        reacted = event({"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": sign}}, "m.reaction")
        assert RULES.decide(reacted, AT_HOME) is None
        assert RULES.stop(reacted, AT_HOME) is None
        assert RULES.decision(reacted, AT_HOME) is None
        assert RULES.resume(reacted, IN_GROUP) is None
