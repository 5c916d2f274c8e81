"""What an event asks for: the table of everything that may come through the door."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.intake import Rules
from agent_bridge.core.model import NewTurn, Role, TurnKind
from agent_bridge.matrix.events import RoomEvent, parse_event
from records import NAMES

ROOM, PORTAL = "!room:example.org", 7
BOB, STRANGER = "@bob:example.org", "@stranger:other.org"
GHOST = "@agent_frida:example.org"
RULES = Rules(NAMES, {"example.org": Role.MEMBER}, "!ab")


def event(content: dict[str, Any], *, sender: str = BOB, kind: str = "m.room.message", **more: Any) -> RoomEvent:
    raw = {"event_id": "$e", "room_id": ROOM, "type": kind, "sender": sender, "content": content, **more}
    parsed = parse_event(raw)
    assert parsed is not None
    return parsed


def text(body: Any, *, msgtype: Any = "m.text", **more: Any) -> dict[str, Any]:
    return {"msgtype": msgtype, "body": body, **more}


def member(membership: Any, who: str, **more: Any) -> RoomEvent:
    return event({"membership": membership}, kind="m.room.member", state_key=who, **more)


def in_portal(asked: RoomEvent) -> NewTurn | None:
    return RULES.decide(asked, PORTAL, bot_room=False)


def in_bot_room(asked: RoomEvent) -> NewTurn | None:
    return RULES.decide(asked, None, bot_room=True)


def elsewhere(asked: RoomEvent) -> NewTurn | None:
    return RULES.decide(asked, None, bot_room=False)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(text("hello"), id="text"),
        pytest.param(text("waves", msgtype="m.emote"), id="emote"),
        pytest.param(text("  hello\n"), id="blanks stay"),
        pytest.param(text("!abc"), id="begins like the prefix"),
        pytest.param(text("say !ab help"), id="the prefix later on"),
        pytest.param(text("!AB help"), id="the prefix in capitals"),
        pytest.param(text("yes", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}}), id="reply"),
        pytest.param(text("yes", **{"m.relates_to": {"rel_type": "m.thread", "event_id": "$x"}}), id="thread"),
        pytest.param(text("hi", **{"m.relates_to": "junk"}), id="junk beside it"),
        pytest.param(text("*b*", format="org.matrix.custom.html", formatted_body="<i>b</i>"), id="with HTML"),
    ],
)
def test_a_members_words_are_for_the_agent(content: dict[str, Any]) -> None:
    expected = NewTurn("$e", ROOM, TurnKind.MESSAGE, BOB, {"body": content["body"]}, PORTAL)
    assert in_portal(event(content)) == expected
    assert elsewhere(event(content)) is None


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("!ab help", "help"),
        ("!ab", ""),
        ("  !ab  invite  Frida @x:y  ", "invite  Frida @x:y"),
        ("!ab\nhelp", "help"),
        ("!ab\u00a0help", "help"),
        ("!ab !ab help", "!ab help"),
    ],
)
def test_the_prefix_makes_a_command_in_every_room(body: str, command: str) -> None:
    def expected(portal: int | None) -> NewTurn:
        return NewTurn("$e", ROOM, TurnKind.COMMAND, BOB, {"body": command}, portal)

    assert in_portal(event(text(body))) == expected(PORTAL)
    assert in_bot_room(event(text(body))) == expected(None)
    assert elsewhere(event(text(body))) == expected(None)


@pytest.mark.parametrize("body", ["help", " invite Frida ", "!abc"])
def test_in_the_bots_room_everything_is_a_command(body: str) -> None:
    assert in_bot_room(event(text(body))) == NewTurn("$e", ROOM, TurnKind.COMMAND, BOB, {"body": body.strip()}, None)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(event(text("hi", msgtype="m.notice")), id="notice"),
        pytest.param(event(text("!ab help", msgtype="m.notice")), id="notice of a bot that knows the prefix"),
        pytest.param(event(text("")), id="empty"),
        pytest.param(event(text(" \n\u200a")), id="blank"),
        pytest.param(event(text(None)), id="no body"),
        pytest.param(event(text(["hi"])), id="body of another type"),
        pytest.param(event(text("hi", msgtype=None)), id="no msgtype"),
        pytest.param(event(text("hi", msgtype=["m.text"])), id="msgtype of another type"),
        pytest.param(event(text("hi", msgtype="m.location")), id="unknown msgtype"),
        pytest.param(event(text("* hi", **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}})), id="edit"),
        pytest.param(event(text("!ab help", **{"m.relates_to": {"rel_type": "m.replace"}})), id="edit into a command"),
        pytest.param(event({}), id="redacted"),
        pytest.param(event(text("hi"), state_key=""), id="state"),
        pytest.param(event(text("hi"), kind="m.reaction"), id="reaction"),
        pytest.param(event(text("hi"), kind="m.sticker"), id="sticker"),
        pytest.param(event(text("hi"), kind="org.example.unknown"), id="unknown type"),
        pytest.param(event({"name": "x"}, kind="m.room.name", state_key=""), id="somebody names the room"),
        pytest.param(event(text("hi"), sender=GHOST), id="a ghost's own"),
        pytest.param(event(text("!ab help"), sender=GHOST), id="a ghost that quotes a command"),
        pytest.param(event(text("hi"), sender=NAMES.bot), id="the bot's own"),
        pytest.param(event(text("", msgtype="m.image"), sender=GHOST), id="a ghost's picture"),
        pytest.param(event({}, kind="m.room.encrypted", sender=GHOST), id="a ghost's encrypted"),
        pytest.param(member("join", BOB), id="join"),
        pytest.param(member("leave", BOB), id="leave"),
        pytest.param(member("join", GHOST), id="a ghost's join"),
        pytest.param(member("ban", GHOST), id="a ghost's ban"),
        pytest.param(member("invite", "@carol:example.org"), id="somebody else is invited"),
        pytest.param(member("invite", "@agent_frida:other.org"), id="somebody like a ghost elsewhere"),
        pytest.param(member("invite", NAMES.bot, sender=GHOST), id="a ghost invites the bot"),
        pytest.param(member("invite", GHOST, sender=NAMES.bot), id="the bot invites a ghost"),
        pytest.param(member(["invite"], NAMES.bot), id="membership of another type"),
        pytest.param(event({"membership": "invite"}, kind="m.room.member"), id="membership without whose"),
    ],
)
def test_nothing_is_asked_for(asked: RoomEvent) -> None:
    assert in_portal(asked) is None
    assert in_bot_room(asked) is None
    assert elsewhere(asked) is None


@pytest.mark.parametrize("invited", [NAMES.bot, GHOST, "@agent_unknown:example.org"])
@pytest.mark.parametrize("sender", [BOB, STRANGER])
@pytest.mark.parametrize("where", [in_portal, in_bot_room, elsewhere])
def test_invitations_of_ours_are_answered(invited: str, sender: str, where: Any) -> None:
    turn = where(member("invite", invited, sender=sender))
    assert turn is not None
    assert (turn.event_id, turn.kind, turn.sender) == ("$e", TurnKind.INVITATION, sender)
    assert turn.payload == {"invited": invited}


@pytest.mark.parametrize(
    ("msgtype", "what"), [("m.image", "image"), ("m.file", "file"), ("m.audio", "recording"), ("m.video", "video")]
)
def test_a_members_file_is_declined_each_time(msgtype: str, what: str) -> None:
    payload = {"reason": "file", "event_id": "$e", "what": what}
    asked = event(text("cat.png", msgtype=msgtype))
    assert in_portal(asked) == NewTurn("$e", ROOM, TurnKind.REFUSAL, BOB, payload, PORTAL)
    assert in_bot_room(asked) is None
    assert elsewhere(asked) is None
    assert in_portal(event(text("cat.png", msgtype=msgtype), sender=STRANGER)) is None


def test_whoever_may_not_talk_is_told_once() -> None:
    first, second = (in_portal(event(text("hi"), sender=STRANGER, event_id=event_id)) for event_id in ("$1", "$2"))
    assert first is not None
    assert second is not None
    assert (first.kind, first.payload["reason"]) == (TurnKind.REFUSAL, "permission")
    assert first.event_id == second.event_id
    other_person = in_portal(event(text("hi"), sender="@other:other.org"))
    other_room = in_portal(event(text("hi"), sender=STRANGER, room_id="!other:example.org"))
    assert other_person is not None
    assert other_room is not None
    assert len({first.event_id, other_person.event_id, other_room.event_id}) == 3
    # No homeserver gives such an event id.
    assert not first.event_id.startswith("$")


def test_a_stranger_in_a_room_of_the_bot_gives_commands_that_are_refused_later() -> None:
    turn = in_bot_room(event(text("help"), sender=STRANGER))
    assert turn is not None
    assert turn.kind is TurnKind.COMMAND


def test_an_encrypted_room_is_told_once_whoever_writes() -> None:
    turns = [
        in_portal(event({"algorithm": "m.megolm.v1.aes-sha2"}, kind="m.room.encrypted", sender=sender, event_id=sender))
        for sender in (BOB, STRANGER)
    ]
    assert all(turn is not None and turn.payload["reason"] == "encrypted" for turn in turns)
    assert len({turn.event_id for turn in turns if turn}) == 1
    in_dm = in_bot_room(event({}, kind="m.room.encrypted"))
    assert in_dm is not None
    assert (in_dm.kind, in_dm.payload["reason"], in_dm.portal) == (TurnKind.REFUSAL, "encrypted", None)
    assert elsewhere(event({}, kind="m.room.encrypted")) is None


JUNK = (
    st.none()
    | st.integers()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=3))
    | st.just({"rel_type": "m.replace"})
)


@given(
    kind=st.sampled_from(["m.room.message", "m.room.member", "m.room.encrypted", "m.reaction"]),
    content=st.dictionaries(st.sampled_from(["msgtype", "body", "membership", "m.relates_to"]), JUNK),
    state_key=st.none() | st.sampled_from(["", NAMES.bot, GHOST, BOB]),
    sender=st.sampled_from([BOB, STRANGER, GHOST, NAMES.bot]),
    portal=st.none() | st.just(PORTAL),
    bot_room=st.booleans(),
)
def test_every_event_is_decided(
    *, kind: str, content: dict[str, Any], state_key: str | None, sender: str, portal: int | None, bot_room: bool
) -> None:
    turn = RULES.decide(event(content, kind=kind, sender=sender, state_key=state_key), portal, bot_room=bot_room)
    if turn is not None:
        assert sender in {BOB, STRANGER}
        assert turn.portal == (None if turn.kind is TurnKind.INVITATION else portal)
        assert turn.kind is not TurnKind.MESSAGE or (sender == BOB and portal is not None)
