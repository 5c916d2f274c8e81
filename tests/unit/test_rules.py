"""The request of an event: the table of everything that the endpoint may get."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.inbound.prefix import without_prefix
from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.core.changes import ChangeKind, ChangeRequest, StopRequest
from agent_bridge.core.payloads import (
    CommandPayload,
    InvitationPayload,
    MediaKind,
    MessagePayload,
    RefusalPayload,
    RefusalReason,
)
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName, Participant, Room
from agent_bridge.core.turns import Addressee, Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.matrix.attachments import attachment_of
from agent_bridge.matrix.events import OPENED, RoomEvent, parse_event
from support.records import NAMES

ROOM, AGENT = "!room:example.org", 7
BOB, STRANGER = "@bob:example.org", "@stranger:other.org"
GHOST = "@agent_frida:example.org"
RULES = Rules(NAMES, Roles.fixed({"example.org": Role.MEMBER}, NAMES), "!ab")


def event(content: dict[str, Any], *, sender: str = BOB, kind: str = "m.room.message", **more: Any) -> RoomEvent:
    raw = {"event_id": "$e", "room_id": ROOM, "type": kind, "sender": sender, "content": content, **more}
    parsed = parse_event(raw)
    assert parsed is not None
    return parsed


def text(body: Any, *, msgtype: Any = "m.text", **more: Any) -> dict[str, Any]:
    return {"msgtype": msgtype, "body": body, **more}


def member(membership: Any, who: str, **more: Any) -> RoomEvent:
    return event({"membership": membership}, kind="m.room.member", state_key=who, **more)


AT_HOME = Room(ROOM, KindName.HOME, AGENT, (Participant(AGENT, "agent_frida"),))
IN_BOT_ROOM, GROUP = Room(ROOM, KindName.BOT), Room(ROOM, KindName.GROUP)
FOR_AGENT, FOR_BOT = (Addressee(AGENT, "agent_frida"),), (Addressee(None, "agentbridge"),)

FRIDA, GALA = Participant(AGENT, "agent_frida"), Participant(8, "agent_gala")
IN_GROUP = Room(ROOM, KindName.GROUP, None, (FRIDA, GALA), answered_by={"$of-gala": 8})

Decision = NewTurn | ChangeRequest | Ignored | None


def at_home(asked: RoomEvent) -> Decision:
    return RULES.decide(asked, AT_HOME)


def in_bot_room(asked: RoomEvent) -> Decision:
    return RULES.decide(asked, IN_BOT_ROOM)


def elsewhere(asked: RoomEvent) -> Decision:
    """Decide in a room that the bridge does not know, and in a room of people into which the bot was invited."""
    decision = RULES.decide(asked, None)
    assert RULES.decide(asked, GROUP) == decision
    return decision


def turn_of(decision: Decision) -> NewTurn:
    assert isinstance(decision, NewTurn)
    return decision


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(text("hello"), id="text"),
        pytest.param(text("waves", msgtype="m.emote"), id="emote"),
        pytest.param(text("  hello\n"), id="blanks stay"),
        pytest.param(text("!abc"), id="begins like the prefix"),
        pytest.param(text("say !ab help"), id="the prefix later on"),
        pytest.param(text("!abba help"), id="a longer word"),
        pytest.param(text("> <@x:y.org> !ab help"), id="a quotation alone"),
        pytest.param(text("hi", **{"m.relates_to": "junk"}), id="junk beside it"),
        pytest.param(text("*b*", format="org.matrix.custom.html", formatted_body="<i>b</i>"), id="with HTML"),
    ],
)
def test_a_members_words_are_for_the_agent(content: dict[str, Any]) -> None:
    expected = NewTurn("$e", ROOM, TurnKind.MESSAGE, BOB, MessagePayload(content["body"]), FOR_AGENT, said_at=5)
    assert at_home(event(content, origin_server_ts=5)) == expected
    assert elsewhere(event(content)) is None


def in_thread(root: Any = "$root", reply: Any = None, *, falls_back: bool = True) -> dict[str, Any]:
    relation = {"rel_type": "m.thread", "event_id": root, "is_falling_back": falls_back}
    return {"m.relates_to": relation | ({"m.in_reply_to": {"event_id": reply}} if reply else {})}


def reply_to(event_id: Any) -> dict[str, Any]:
    return {"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}}


@pytest.mark.parametrize(
    ("relation", "thread", "reply"),
    [
        pytest.param(reply_to("$x"), "", "$x", id="reply"),
        pytest.param(reply_to(["$x"]), "", None, id="reply to junk"),
        pytest.param(in_thread(), "$root", None, id="thread"),
        pytest.param(in_thread(reply="$x"), "$root", None, id="thread, with a reply for old clients"),
        pytest.param(in_thread(reply="$x", falls_back=False), "$root", "$x", id="reply in a thread"),
        pytest.param(in_thread("!"), "", None, id="thread whose root is no event"),
        pytest.param(in_thread("root"), "", None, id="thread without an event"),
        pytest.param({"m.relates_to": {"rel_type": "m.thread"}}, "", None, id="thread without a root"),
        pytest.param({"m.relates_to": {"rel_type": "m.reference", "event_id": "$x"}}, "", None, id="reference"),
    ],
)
def test_a_message_has_its_place_in_the_room(relation: dict[str, Any], thread: str, reply: str | None) -> None:
    asked = event(text("hi", **relation))
    payload = MessagePayload("hi", None, reply)
    assert at_home(asked) == NewTurn("$e", ROOM, TurnKind.MESSAGE, BOB, payload, FOR_AGENT, thread=thread)


def test_a_command_in_a_thread_is_answered_there_and_waits_for_nobody() -> None:
    for command in (
        turn_of(at_home(event(text("!ab help", **in_thread())))),
        turn_of(in_bot_room(event(text("help", **in_thread())))),
    ):
        assert (command.addressees, command.thread) == (FOR_BOT, "")
        assert command.payload == CommandPayload("help", "$root")


def test_a_command_for_the_server_of_an_agent_waits_in_the_lane_of_the_agent() -> None:
    for body in ("!ab letta compact", "!ab LETTA"):
        asked = turn_of(at_home(event(text(body, **in_thread()))))
        assert (asked.kind, asked.addressees, asked.thread) == (TurnKind.COMMAND, FOR_AGENT, "$root")
        assert turn_of(at_home(event(text(body)))).thread == ""
    asked = turn_of(RULES.decide(event(text("!ab letta")), Room(ROOM, KindName.GROUP, None, (FRIDA,))))
    assert asked.addressees == FOR_AGENT
    for room in (IN_GROUP, GROUP, IN_BOT_ROOM, None):
        assert turn_of(RULES.decide(event(text("!ab letta")), room)).addressees == FOR_BOT


def test_a_refusal_in_a_thread_is_told_there() -> None:
    refusal = turn_of(at_home(event(text("hi", **in_thread()), sender=STRANGER)))
    assert (refusal.kind, refusal.addressees, refusal.thread) == (TurnKind.REFUSAL, FOR_BOT, "")
    assert refusal.payload == RefusalPayload(RefusalReason.PERMISSION, "$root")


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("!ab help", "help"),
        ("!ab", ""),
        ("  !ab  invite  Frida @x:y  ", "invite  Frida @x:y"),
        ("!ab\nhelp", "help"),
        ("!ab\u00a0help", "help"),
        ("!ab !ab help", "!ab help"),
        ("!Ab help", "help"),
        ("!AB HELP", "HELP"),
        ("! ab help", "help"),
        ("\u200e!ab help", "help"),
        ("\ufeff !\u200bAb\ufe0f help", "help"),
        ("\uff01ab help", "help"),
        ("\u061c\u180e!ab help", "help"),
        ("\uff01\uff41\uff42 help", "help"),
        ("!a\u200bb\u200bhelp", "help"),
        ("\u2068!ab help\u2069", "help"),
        ("!ab: help", "help"),
        ("!ab , help", "help"),
        ("!ab:help", "help"),
        ("**!ab help**", "help"),
        ("**!ab** help", "help"),
        ("_`!ab help`_", "help"),
        ("!ab invite *", "invite *"),
    ],
)
def test_the_prefix_makes_a_command_in_every_room(body: str, command: str) -> None:
    asked = event(text(body))
    for decide in (at_home, in_bot_room, elsewhere):
        assert decide(asked) == NewTurn("$e", ROOM, TurnKind.COMMAND, BOB, CommandPayload(command), FOR_BOT)


@pytest.mark.parametrize("body", ["help", " invite Frida ", "!abc"])
def test_in_the_bots_room_everything_is_a_command(body: str) -> None:
    payload = CommandPayload(body.strip())
    assert in_bot_room(event(text(body))) == NewTurn("$e", ROOM, TurnKind.COMMAND, BOB, payload, FOR_BOT)


@pytest.mark.parametrize(
    "body",
    [
        "!abc", "!a b stop", "a!ab stop", "!", "", "ab stop", "see !ab", "> !ab stop",
        "!ab-like words", "!ab_foo = 1", "!ab.py is broken", "!ab/x", "!ab? help", "_!ab*_",
    ],
)  # fmt: skip
def test_other_beginnings_make_no_command(body: str) -> None:
    assert without_prefix(body, "!ab") is None
    assert without_prefix("~ stop", "~") == "stop"


def test_a_long_beginning_takes_little_time() -> None:
    began = time.process_time()
    assert without_prefix("\u200b" * 60_000 + "!ab" + "\u200b" * 60_000 + "*" * 60_000, "!ab") == "*" * 60_000
    assert time.process_time() - began < 1


def edit_of(target: Any, body: Any, **more: Any) -> dict[str, Any]:
    new = {"msgtype": "m.text", "body": body}
    return text("* x", **{"m.new_content": new, "m.relates_to": {"rel_type": "m.replace", "event_id": target}, **more})


def by_bot(name: str, body: str, **more: Any) -> dict[str, Any]:
    """Return a message with a pill of the bridge bot, called *name*."""
    html = f'<a href="https://matrix.to/#/{NAMES.bot}">{name}</a>: help'
    return text(body, formatted_body=html, **{"m.mentions": {"user_ids": [NAMES.bot]}}, **more)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(text("> <@x:y.org> old\n> more\n\n!ab help", **reply_to("$x")), id="behind a quotation"),
        pytest.param(
            text("> <@x:y.org> old\n!ab help", **reply_to("$x")), id="behind a quotation without a blank line"
        ),
        pytest.param(text("!ab help", msgtype="m.emote"), id="emote"),
        pytest.param(text("", formatted_body="<p>!ab help</p>"), id="HTML alone"),
        pytest.param(text("!ab help", msgtype="m.image", filename="cat.png"), id="a caption"),
        pytest.param(by_bot("Agent Bridge", "Agent Bridge: help"), id="a pill of the bot"),
        pytest.param(by_bot("<b>Agent</b> Bridge", "Agent Bridge help"), id="a pill in bold"),
        pytest.param(by_bot("x", "@agentbridge, help"), id="a mention by its id"),
        pytest.param(
            by_bot("Bot", "Bot: help") | reply_to("$x") | {"m.mentions": {"user_ids": [NAMES.bot, GHOST]}},
            id="a mention in a reply to an agent",
        ),
    ],
)
@pytest.mark.parametrize("decide", [at_home, in_bot_room, elsewhere])
def test_all_forms_of_a_command(content: dict[str, Any], decide: Any) -> None:
    replied_to = content.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")
    assert turn_of(decide(event(content))).payload == CommandPayload("help", reply_to=replied_to)


def called(name: str, *mentions: str, body: str = "/x", **arguments: Any) -> dict[str, Any]:
    command = {"command": name, "arguments": arguments}
    return text(body, **{"m.mentions": {"user_ids": [*mentions]}, "org.matrix.msc4391.command": command})


@pytest.mark.parametrize("decide", [at_home, in_bot_room, elsewhere])
def test_a_command_that_a_client_wrote_as_json(decide: Any) -> None:
    content = called("agent", NAMES.bot, choice="2") | in_thread()
    turn = turn_of(decide(event(content)))
    assert (turn.kind, turn.payload) == (TurnKind.COMMAND, CommandPayload("agent", "$root", arguments={"choice": "2"}))
    # Its text does not count, whatever a client writes there.
    assert turn_of(decide(event(called("help", NAMES.bot, body="!ab status")))).payload == CommandPayload(
        "help", arguments={}
    )
    correction = {"m.new_content": content, "m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}}
    assert turn_of(decide(event(text("* x", **correction)))).payload == CommandPayload(
        "agent", target="$x", arguments={"choice": "2"}
    )


@pytest.mark.parametrize("decide", [at_home, in_bot_room, elsewhere])
def test_a_command_of_another_bot_is_not_ours(decide: Any) -> None:
    assert decide(event(called("ban", "@draupnir:other.org"))) is None
    edited = called("ban", "@draupnir:other.org")
    correction = {"m.new_content": edited, "m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}}
    assert decide(event(text("* x", **correction))) is None


def test_a_command_for_nobody_is_text() -> None:
    """Without a mention, the text decides."""
    assert turn_of(at_home(event(called("agent", body="!ab help")))).payload == CommandPayload("help")
    assert turn_of(at_home(event(called("agent", body="hello")))).kind is TurnKind.MESSAGE
    # The agent is meant.
    assert turn_of(at_home(event(called("agent", GHOST, body="hello")))).kind is TurnKind.MESSAGE


def test_a_stop_that_a_client_wrote_as_json() -> None:
    assert RULES.stop(event(called("stop", NAMES.bot)), AT_HOME) == StopRequest(ROOM, "$e", None, "")


def test_a_message_that_mentions_an_agent_too_is_for_the_agent() -> None:
    content = text("Bot, what does frida say?", **{"m.mentions": {"user_ids": [NAMES.bot, GHOST]}})
    assert turn_of(at_home(event(content))).kind is TurnKind.MESSAGE


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(event(text("hi", msgtype="m.notice")), id="notice"),
        pytest.param(event(text("!ab help", msgtype="m.notice")), id="notice of a bot that knows the prefix"),
        pytest.param(event(text("hi", msgtype="m.notice"), sender=STRANGER), id="a stranger's notice"),
    ],
)
def test_a_notice_is_ignored_with_a_reason(asked: RoomEvent) -> None:
    assert at_home(asked) == in_bot_room(asked) == Ignored("$e", ROOM, IgnoreReason.NOTICE)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(event(text("")), id="empty"),
        pytest.param(event(text(" \n\u200a")), id="blank"),
        pytest.param(event(text(None)), id="no body"),
        pytest.param(event(text(["hi"])), id="body of another type"),
        pytest.param(event(text("", formatted_body="<mx-reply>x</mx-reply><br>")), id="HTML without text"),
        pytest.param(event({"call_id": "1"}, kind="m.call.invite"), id="call"),
        pytest.param(event({"live": True}, kind="m.beacon_info", state_key=BOB), id="live location"),
        pytest.param(event(edit_of("$x", " ")), id="edit into nothing"),
        pytest.param(event(edit_of("$x", ["b"])), id="edit into junk"),
        pytest.param(event(edit_of("$x", "b", **{"m.new_content": "b"})), id="edit whose content is text"),
        pytest.param(event(edit_of("$x", "b", **{"m.new_content": None})), id="edit without content"),
    ],
)
def test_a_person_is_told_once_a_day_of_what_an_agent_cannot_get(asked: RoomEvent) -> None:
    for decide, reason in ((at_home, RefusalReason.UNREADABLE), (in_bot_room, RefusalReason.NO_COMMAND)):
        told = turn_of(decide(asked))
        assert (told.kind, told.payload, told.addressees) == (TurnKind.REFUSAL, RefusalPayload(reason), FOR_BOT)
        assert told.is_marked
        later = [replace(asked, timestamp=day * 86_400_000) for day in (1, 1, 2)]
        assert len({turn_of(decide(each)).once_key for each in later}) == 2
    assert elsewhere(asked) is None
    assert not isinstance(at_home(replace(asked, sender=STRANGER)), ChangeRequest)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(text("hi", msgtype=None), MessagePayload("hi"), id="no msgtype"),
        pytest.param(text("hi", msgtype=["m.text"]), MessagePayload("hi"), id="msgtype of another type"),
        pytest.param(text("hi", msgtype="org.x"), MessagePayload("hi", form="org.x"), id="unknown msgtype"),
        pytest.param(text("hi", msgtype="m.location"), MessagePayload("hi", form="location"), id="location"),
        pytest.param(text("", formatted_body="<b>hi</b>"), MessagePayload("hi"), id="HTML alone"),
    ],
)
def test_other_messages_are_asked_with_their_text(content: dict[str, Any], said: MessagePayload) -> None:
    assert turn_of(at_home(event(content))).payload == said


def test_a_redacted_message_is_forgotten_wherever_it_is_found() -> None:
    """A backfill finds the message without its content, and its redaction may be lost."""
    found = event({}, unsigned={"redacted_because": {"event_id": "$r"}})
    expected = ChangeRequest("$r", ROOM, BOB, ChangeKind.REDACT, "$e")
    assert at_home(found) == in_bot_room(found) == elsewhere(found) == expected
    assert at_home(event({})) is None


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(event(text("hi", msgtype="m.notice")), id="notice"),
        pytest.param(event(text("!ab help", **{"m.relates_to": {"rel_type": "m.replace"}})), id="edit into a command"),
        pytest.param(event({}), id="redacted"),
        pytest.param(event(text(None)), id="no body"),
    ],
)
def test_in_a_room_that_is_not_ours_nobody_wonders(asked: RoomEvent) -> None:
    assert elsewhere(asked) is None


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(event(text("hi"), state_key=""), id="state"),
        pytest.param(event(text("hi"), kind="m.reaction"), id="reaction"),
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
    assert at_home(asked) is None
    assert in_bot_room(asked) is None
    assert elsewhere(asked) is None


@pytest.mark.parametrize("invited", [NAMES.bot, GHOST, "@agent_unknown:example.org"])
@pytest.mark.parametrize("sender", [BOB, STRANGER])
@pytest.mark.parametrize("where", [at_home, in_bot_room, elsewhere])
def test_invitations_of_ours_are_answered(invited: str, sender: str, where: Any) -> None:
    turn = turn_of(where(member("invite", invited, sender=sender)))
    assert (turn.event_id, turn.kind, turn.sender) == ("$e", TurnKind.INVITATION, sender)
    assert (turn.payload, turn.addressees, turn.thread) == (InvitationPayload(invited, is_direct=False), FOR_BOT, "")


@pytest.mark.parametrize(("value", "is_direct"), [(True, True), (False, False), ("yes", False), (None, False)])
def test_an_invitation_tells_whether_it_is_to_a_direct_conversation(value: Any, is_direct: bool) -> None:  # noqa: FBT001
    invitation = event({"membership": "invite", "is_direct": value}, kind="m.room.member", state_key=NAMES.bot)
    assert turn_of(elsewhere(invitation)).payload == InvitationPayload(NAMES.bot, is_direct)


@pytest.mark.parametrize("msgtype", [*MediaKind])
@pytest.mark.parametrize(
    ("names", "caption"),
    [
        pytest.param({"body": "cat.png"}, "", id="name"),
        pytest.param({"body": "cat.png", "filename": "cat.png"}, "", id="name twice"),
        pytest.param({"body": "Look!", "filename": "cat.png"}, "Look!", id="caption"),
        pytest.param({"filename": "cat.png"}, "", id="no body"),
    ],
)
def test_a_members_file_is_for_the_agent(msgtype: str, names: dict[str, str], caption: str) -> None:
    content = {"msgtype": msgtype, "url": "mxc://example.org/cat", "info": {"mimetype": "image/png", "size": 9}} | names
    turn = turn_of(at_home(event(content | in_thread(reply="$x", falls_back=False))))
    assert (turn.kind, turn.addressees, turn.thread) == (TurnKind.MESSAGE, FOR_AGENT, "$root")
    assert turn.payload == MessagePayload(caption, attachment_of(content), "$x")


@pytest.mark.parametrize("msgtype", [*MediaKind])
def test_a_file_is_for_nobody_else(msgtype: str) -> None:
    content = text("cat.png", msgtype=msgtype, url="mxc://example.org/cat")
    assert turn_of(in_bot_room(event(content))).payload == RefusalPayload(RefusalReason.NO_COMMAND)
    assert elsewhere(event(content)) is None
    refusal = turn_of(at_home(event(content, sender=STRANGER)))
    assert (refusal.kind, refusal.payload) == (TurnKind.REFUSAL, RefusalPayload(RefusalReason.PERMISSION))


@pytest.mark.parametrize(("body", "said"), [("better", "better"), ("  a\n", "  a\n"), ("a\0b", "a\ufffdb")])
def test_a_member_changes_a_message(body: str, said: str) -> None:
    asked = event(edit_of("$x", body), origin_server_ts=5)
    expected = ChangeRequest("$e", ROOM, BOB, ChangeKind.EDIT, "$x", MessagePayload(said), said_at=5, is_expected=True)
    assert at_home(asked) == expected
    assert turn_of(in_bot_room(asked)).payload == CommandPayload(said.strip(), target="$x")
    assert elsewhere(asked) is None
    # People change what they say to each other.
    assert RULES.decide(asked, IN_GROUP) == replace(expected, is_expected=False)


@pytest.mark.parametrize(
    ("mentioned", "agents"),
    [
        ((), None),
        (("@agent_gala:example.org",), (8,)),
        ((STRANGER,), ()),
        ((STRANGER, GHOST), (AGENT,)),
        ((BOB,), None),
    ],
)
def test_an_edit_is_for_those_whom_it_addresses(mentioned: tuple[str, ...], agents: tuple[int, ...] | None) -> None:
    content = edit_of("$x", "better")
    content["m.new_content"]["m.mentions"] = {"user_ids": [*mentioned]}
    change = RULES.decide(event(content), IN_GROUP)
    assert isinstance(change, ChangeRequest)
    found = None if change.addressees is None else tuple(each.agent for each in change.addressees)
    assert found == agents


def test_a_command_is_corrected_by_an_edit() -> None:
    asked = event(edit_of("$x", "!Ab help"))
    for decide in (at_home, in_bot_room, elsewhere):
        assert turn_of(decide(asked)).payload == CommandPayload("help", target="$x")
    corrected = event(edit_of("$x", "!ab stop"))
    assert RULES.stop(corrected, AT_HOME) == StopRequest(ROOM, "$e", None)
    # The agent is not asked the text before.
    assert RULES.withdrawal(corrected, AT_HOME) == StopRequest(ROOM, "$e", "$x")
    assert RULES.withdrawal(event(text("!ab stop")), AT_HOME) is None
    assert RULES.withdrawal(event(edit_of("$x", "hi")), AT_HOME) is None
    assert RULES.withdrawal(event(edit_of("$x", "!ab stop"), sender=STRANGER), AT_HOME) is None


@pytest.mark.parametrize(("caption", "said"), [("cat.png", ""), ("Look!", "Look!")])
def test_a_member_changes_what_a_file_says(caption: str, said: str) -> None:
    new = {"msgtype": "m.image", "body": caption, "filename": "cat.png", "url": "mxc://example.org/cat"}
    change = at_home(event(edit_of("$x", "", **{"m.new_content": new})))
    assert isinstance(change, ChangeRequest)
    assert change.message == MessagePayload(said, attachment_of(new))


@pytest.mark.parametrize(
    ("content", "sender", "decided"),
    [
        pytest.param(edit_of("$x", "b"), STRANGER, IgnoreReason.PERMISSION, id="by a stranger"),
        pytest.param(edit_of(None, "b"), BOB, None, id="of nothing"),
        pytest.param(edit_of("", "b"), BOB, None, id="of an empty id"),
    ],
)
def test_what_changes_nothing(content: dict[str, Any], sender: str, decided: IgnoreReason | None) -> None:
    expected = None if decided is None else Ignored("$e", ROOM, decided)
    assert at_home(event(content, sender=sender)) == expected


@pytest.mark.parametrize("sender", [BOB, STRANGER])
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({"content": {"redacts": "$x", "reason": "oops"}}, id="room version 11"),
        pytest.param({"content": {"reason": "oops"}, "redacts": "$x"}, id="before"),
        pytest.param({"content": {"redacts": "$y"}, "redacts": "$x"}, id="both: the event's own field counts"),
    ],
)
def test_a_message_is_taken_back(sender: str, raw: dict[str, Any]) -> None:
    """The homeserver has checked the permission."""
    asked = event(kind="m.room.redaction", sender=sender, **raw)
    expected = ChangeRequest("$e", ROOM, sender, ChangeKind.REDACT, "$x")
    assert at_home(asked) == in_bot_room(asked) == elsewhere(asked) == expected
    assert RULES.stop(asked, AT_HOME) is None


@pytest.mark.parametrize(
    "raw",
    [{"content": {}}, {"content": {"redacts": 5}}, {"content": {}, "redacts": ["$x"]}, {"content": {}, "redacts": ""}],
)
def test_a_redaction_of_nothing_asks_for_nothing(raw: dict[str, Any]) -> None:
    assert at_home(event(kind="m.room.redaction", **raw)) is None


def test_redactions_of_ours_are_no_wishes() -> None:
    for sender in (GHOST, NAMES.bot):
        assert at_home(event({"redacts": "$x"}, kind="m.room.redaction", sender=sender)) is None
        assert at_home(event(edit_of("$x", "b"), sender=sender)) is None
        assert at_home(reaction("🔁", sender=sender)) is None


@pytest.mark.parametrize("sign", ["🔁", "🔁\ufe0f", "🔁\ufe0e"])
def test_a_member_wants_another_answer(sign: str) -> None:
    assert at_home(reaction(sign)) == ChangeRequest("$e", ROOM, BOB, ChangeKind.AGAIN, "$x", is_expected=True)
    assert at_home(reaction(sign, sender=STRANGER)) is None
    assert (in_bot_room(reaction(sign)), elsewhere(reaction(sign))) == (None, None)
    assert RULES.stop(reaction(sign), AT_HOME) is None


@pytest.mark.parametrize("asked", [("🔁", None), ("🔁", 5), ("🔁🔁", "$x"), ("🔂", "$x"), ("", "$x"), (["🔁"], "$x")])
def test_other_reactions_want_nothing(asked: tuple[Any, Any]) -> None:
    assert at_home(reaction(*asked)) is None


def test_whoever_may_not_talk_is_told_once() -> None:
    first, second = (
        turn_of(at_home(event(text("hi"), sender=STRANGER, event_id=event_id))) for event_id in ("$1", "$2")
    )
    assert (first.event_id, first.kind, first.payload) == (
        "$1",
        TurnKind.REFUSAL,
        RefusalPayload(RefusalReason.PERMISSION),
    )
    assert first.addressees == FOR_BOT
    assert first.once_key == second.once_key
    other_person = turn_of(at_home(event(text("hi"), sender="@other:other.org")))
    other_room = turn_of(at_home(event(text("hi"), sender=STRANGER, room_id="!other:example.org")))
    assert len({first.once_key, other_person.once_key, other_room.once_key, None}) == 4
    assert turn_of(at_home(event(text("hi")))).once_key is None


def test_the_commands_of_a_stranger_are_one_refusal() -> None:
    first = turn_of(in_bot_room(event(text("help"), sender=STRANGER)))
    second = turn_of(in_bot_room(event(text("!ab status"), sender=STRANGER, event_id="$2")))
    assert (first.kind, first.payload) == (TurnKind.REFUSAL, RefusalPayload(RefusalReason.PERMISSION))
    assert first.once_key == second.once_key
    assert turn_of(at_home(event(text("!ab help"), sender=STRANGER))).kind is TurnKind.REFUSAL
    corrected = turn_of(at_home(event(edit_of("$x", "!ab help"), sender=STRANGER)))
    assert (corrected.kind, corrected.once_key) == (TurnKind.REFUSAL, first.once_key)


def test_each_person_is_told_once_a_day_that_a_room_is_encrypted() -> None:
    content = {"algorithm": "m.megolm.v1.aes-sha2"}
    carol = "@carol:example.org"
    turns = [
        turn_of(decide(event(content, kind="m.room.encrypted", sender=sender)))
        for decide, sender in ((at_home, BOB), (in_bot_room, BOB), (at_home, carol))
    ]
    for turn in turns:
        assert (turn.kind, turn.payload) == (TurnKind.REFUSAL, RefusalPayload(RefusalReason.ENCRYPTED))
        assert (turn.addressees, turn.thread) == (FOR_BOT, "")
    assert len({turn.once_key for turn in turns}) == 2
    assert all(turn.is_marked for turn in turns)
    # The bridge does not know whether the message is for an agent.
    assert not turn_of(RULES.decide(event(content, kind="m.room.encrypted"), IN_GROUP)).is_marked
    stranger = event(content, kind="m.room.encrypted", sender=STRANGER)
    assert at_home(stranger) == Ignored("$e", ROOM, IgnoreReason.PERMISSION)
    assert elsewhere(event({}, kind="m.room.encrypted")) is None


def test_plain_words_of_people_are_refused_where_encryption_is_required() -> None:
    strict = replace(RULES, requires_encryption=True)
    opened: dict[str, Any] = {"unsigned": {OPENED: True}}
    told = (TurnKind.REFUSAL, RefusalPayload(RefusalReason.NOT_ENCRYPTED))
    for content in (text("hi"), text("!ab help"), edit_of("$x", "better"), edit_of("$x", "!ab help")):
        asked = strict.decide(event(content), AT_HOME)
        first = turn_of(asked)
        assert (first.kind, first.payload, first.addressees) == (*told, FOR_BOT)
        # Once a day.
        assert first.once_key == turn_of(strict.decide(event(text("more")), AT_HOME)).once_key
        assert strict.decide(event(content, **opened), AT_HOME) == at_home(event(content, **opened))
    assert turn_of(strict.decide(event(text("help")), IN_BOT_ROOM)).payload == told[1]
    # People moderate a room of several without encryption; agents there get no words.
    assert turn_of(strict.decide(event(text("!ab help")), IN_GROUP)).kind is TurnKind.COMMAND
    assert turn_of(strict.decide(event(text(f"{GHOST} hi")), IN_GROUP)).payload == told[1]
    assert strict.decide(event(text("hi")), IN_GROUP) is None


def test_what_nobody_encrypts_is_not_refused() -> None:
    strict = replace(
        RULES, requires_encryption=True, roles=Roles.fixed({"@bot:x.org": Role.AGENT, "*": Role.MEMBER}, NAMES)
    )
    again = strict.decide(reaction("🔁"), AT_HOME)
    assert isinstance(again, ChangeRequest)
    assert isinstance(strict.decide(event({"redacts": "$x"}, kind="m.room.redaction"), AT_HOME), ChangeRequest)
    relayed = replace(event(text("hi")), is_relayed=True)
    assert turn_of(strict.decide(relayed, AT_HOME)).kind is TurnKind.MESSAGE
    bot = event(text("hi", **{"m.mentions": {"user_ids": [GHOST]}}), sender="@bot:x.org")
    assert turn_of(strict.decide(bot, AT_HOME)).kind is TurnKind.MESSAGE


def reaction(key: Any, target: Any = "$x", **more: Any) -> RoomEvent:
    related = {"rel_type": "m.annotation", "event_id": target, "key": key}
    return event({"m.relates_to": related}, kind="m.reaction", **more)


STOPS = [
    pytest.param(reaction("🛑"), "$x", id="reaction"),
    pytest.param(reaction("🛑\ufe0f"), "$x", id="reaction with a variation selector"),
    pytest.param(event(text("!ab stop")), None, id="command"),
    pytest.param(event(text("  !ab   STOP  ")), None, id="command with blanks, in capitals"),
    pytest.param(event(text("!ab stop please")), None, id="command and more"),
    pytest.param(event(text("!ab\nstop")), None, id="command on the next line"),
    pytest.param(event(text("!ab stop.")), None, id="a full stop"),
    pytest.param(event(text("!ab \uff53top\u2069\tplease")), None, id="another width, and an invisible character"),
]


@pytest.mark.parametrize(("asked", "target"), STOPS)
def test_a_member_stops_an_answer(asked: RoomEvent, target: str | None) -> None:
    assert RULES.stop(asked, AT_HOME) == StopRequest(ROOM, "$e", target)


def test_a_stop_in_a_thread_means_the_threads_answer() -> None:
    assert RULES.stop(event(text("!ab stop", **in_thread())), AT_HOME) == StopRequest(ROOM, "$e", None, "$root")


@pytest.mark.parametrize(("asked", "target"), STOPS)
def test_only_members_stop_and_only_agents(asked: RoomEvent, target: str | None) -> None:
    assert RULES.stop(asked, IN_BOT_ROOM) is None
    assert RULES.stop(asked, None) is None
    assert RULES.stop(asked, GROUP) is None
    strangers = Rules(NAMES, Roles.fixed({"*": Role.NONE}, NAMES), "!ab")
    assert strangers.stop(asked, AT_HOME) is None
    everybody = Rules(NAMES, Roles.fixed({"*": Role.MEMBER}, NAMES), "!ab")
    assert everybody.stop(asked, AT_HOME) == StopRequest(ROOM, "$e", target)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(reaction("👍"), id="another reaction"),
        pytest.param(reaction("🛑🛑"), id="two of it"),
        pytest.param(reaction(""), id="an empty reaction"),
        pytest.param(reaction(None), id="a reaction with nothing"),
        pytest.param(reaction(["🛑"]), id="a reaction of another type"),
        pytest.param(reaction("🛑", None), id="a reaction to nothing"),
        pytest.param(reaction("🛑", 5), id="a reaction to a number"),
        pytest.param(event({}, kind="m.reaction"), id="a reaction taken back"),
        pytest.param(event({"m.relates_to": "🛑"}, kind="m.reaction"), id="a reaction that is junk"),
        pytest.param(event({"m.relates_to": {"key": "🛑", "event_id": "$x"}}), id="no reaction"),
        pytest.param(event(text("🛑")), id="the sign as a message"),
        pytest.param(event(text("stop")), id="the word alone"),
        pytest.param(event(text("!ab")), id="the prefix alone"),
        pytest.param(event(text("!ab stopwatch")), id="a longer word"),
        pytest.param(event(text("!ab help stop")), id="the word later on"),
        pytest.param(event(text("!abc stop")), id="like the prefix"),
        pytest.param(event(text(None)), id="no body"),
    ],
)
def test_nothing_else_stops(asked: RoomEvent) -> None:
    assert RULES.stop(asked, AT_HOME) is None


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(event(text("!ab stop", msgtype="m.notice")), id="notice"),
        pytest.param(
            event(text("!ab stop", **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}})), id="edit"
        ),
        pytest.param(event(text("!ab stop", msgtype="m.image")), id="picture"),
        pytest.param(event(text("!ab stop"), state_key=""), id="state"),
        pytest.param(event(text("!ab stop"), sender=GHOST), id="a ghost that quotes it"),
        pytest.param(reaction("🛑", sender=GHOST), id="a ghost's reaction"),
        pytest.param(event(text("!ab stop"), sender=NAMES.bot), id="the bot's own"),
    ],
)
def test_what_is_no_command_stops_nothing(asked: RoomEvent) -> None:
    decision = at_home(asked)
    assert not isinstance(decision, NewTurn) or decision.kind is not TurnKind.COMMAND
    assert RULES.stop(asked, AT_HOME) is None


JUNK = (
    st.none()
    | st.integers()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=3))
    | st.just({"rel_type": "m.replace"})
    | st.sampled_from([{"key": sign, "event_id": "$x"} for sign in "🛑🔁"])
    | st.sampled_from([{"rel_type": kind, "event_id": "$x"} for kind in ("m.replace", "m.thread")])
    | st.just({"body": "new"})
    | st.sampled_from(["$x", *MediaKind])
    | st.just("!ab stop")
)


@given(
    kind=st.sampled_from(["m.room.message", "m.room.member", "m.room.encrypted", "m.reaction", "m.room.redaction"]),
    content=st.dictionaries(
        st.sampled_from(
            ["msgtype", "body", "membership", "m.relates_to", "m.new_content", "redacts", "url", "info", "filename"]
        ),
        JUNK,
    ),
    state_key=st.none() | st.sampled_from(["", NAMES.bot, GHOST, BOB]),
    sender=st.sampled_from([BOB, STRANGER, GHOST, NAMES.bot]),
    room=st.sampled_from([AT_HOME, IN_BOT_ROOM, GROUP, None, replace(AT_HOME, kind=KindName.GROUP)]),
)
def test_every_event_is_decided(
    *, kind: str, content: dict[str, Any], state_key: str | None, sender: str, room: Room | None
) -> None:
    asked = event(content, kind=kind, sender=sender, state_key=state_key)
    decision, has_agents = RULES.decide(asked, room), room is not None and bool(room.participants)
    if isinstance(decision, Ignored):
        assert room is not None
        assert room != GROUP
        assert (decision.event_id, decision.room_id) == ("$e", ROOM)
    elif isinstance(decision, ChangeRequest):
        assert has_agents or decision.kind is ChangeKind.REDACT
        assert sender == BOB or (sender == STRANGER and decision.kind is ChangeKind.REDACT)
        assert decision.target
        assert (decision.kind is ChangeKind.EDIT) == (decision.message != MessagePayload())
    elif decision is not None:
        assert sender in {BOB, STRANGER}
        is_message = decision.kind is TurnKind.MESSAGE
        assert decision.addressees == (FOR_AGENT if is_message else FOR_BOT)
        assert isinstance(decision.payload, MessagePayload) == is_message
        assert not is_message or (sender == BOB and has_agents)
        assert decision.thread in ({"", "$x"} if is_message else {""})
    request = RULES.stop(asked, room)
    assert request is None or (has_agents and sender != STRANGER)


def mentions(*names: str) -> dict[str, Any]:
    return {"m.mentions": {"user_ids": [f"@{name}:example.org" for name in names]}}


@pytest.mark.parametrize(
    ("content", "agents"),
    [
        pytest.param(text("hi", **mentions("agent_gala", "agent_frida")), [AGENT, 8], id="both"),
        pytest.param(text("hi", **mentions("agent_gala")) | in_thread(), [8], id="one, in a thread"),
        pytest.param(text("hi", **reply_to("$of-gala")), [8], id="a reply"),
        pytest.param(text("hi", **reply_to("$of-gala"), **mentions("agent_frida")), [AGENT, 8], id="both ways"),
        pytest.param(text("cat.png", msgtype="m.image", **mentions("agent_frida")), [AGENT], id="a file"),
    ],
)
def test_in_a_group_a_message_is_for_those_that_it_means(content: dict[str, Any], agents: list[int]) -> None:
    turn = turn_of(RULES.decide(event(content), IN_GROUP))
    assert (turn.kind, [each.agent for each in turn.addressees]) == (TurnKind.MESSAGE, agents)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(text("ask agent_frida"), id="a name in the text"),
        pytest.param(text("hi", **mentions("bob")), id="another person"),
        pytest.param(text("hi", **{"m.mentions": {"room": True}}), id="everybody"),
        pytest.param(text("hi", **{"m.mentions": {"user_ids": "@agent_frida:example.org"}}), id="junk"),
        pytest.param(text("hi", **{"m.mentions": {"user_ids": [None, ["@agent_frida:example.org"]]}}), id="more junk"),
        pytest.param(text("hi", **reply_to("$of-bob")), id="a reply to a person"),
        pytest.param(text("cat.png", msgtype="m.image"), id="a file"),
        pytest.param(text("hi", msgtype="m.notice"), id="a notice"),
    ],
)
def test_in_a_group_people_talk_among_themselves(content: dict[str, Any]) -> None:
    assert RULES.decide(event(content), IN_GROUP) is None


def test_in_a_group_the_bot_takes_commands_and_reasons_are_given_where_an_agent_is_meant() -> None:
    command = turn_of(RULES.decide(event(text("!ab stop", **mentions("agent_frida"))), IN_GROUP))
    assert (command.kind, command.addressees) == (TurnKind.COMMAND, FOR_BOT)
    notice = event(text("hi", msgtype="m.notice", **mentions("agent_frida")))
    assert RULES.decide(notice, IN_GROUP) == Ignored("$e", ROOM, IgnoreReason.NOTICE)
    refusal = turn_of(RULES.decide(event(text("hi", **mentions("agent_frida")), sender=STRANGER), IN_GROUP))
    assert (refusal.kind, refusal.addressees) == (TurnKind.REFUSAL, FOR_BOT)


def test_a_message_that_finds_its_room_full_is_the_bots() -> None:
    asked = turn_of(RULES.decide(event(text("hi", **mentions("agent_gala", "agent_frida"))), IN_GROUP))
    payload = RefusalPayload(RefusalReason.FULL, excerpt="hi", limit=3)
    expected = replace(asked, kind=TurnKind.REFUSAL, payload=payload, addressees=FOR_BOT)
    assert RULES.refused(asked, payload) == expected


@pytest.mark.parametrize(
    ("changed", "changes"),
    [
        pytest.param(
            member("leave", GHOST, sender=GHOST), True, id="the ghost left: its homeserver can do that for it"
        ),
        pytest.param(member("ban", GHOST), True, id="the ghost is banned"),
        pytest.param(member("leave", NAMES.bot), True, id="the bot is removed"),
        pytest.param(member("join", GHOST, sender=GHOST), False, id="the ghost joined"),
        pytest.param(member("leave", BOB), False, id="a person left"),
        pytest.param(member("leave", NAMES.imported), False, id="an import is over"),
        pytest.param(event({}, kind="m.room.tombstone", state_key=""), True, id="upgraded"),
        pytest.param(event({}, kind="m.room.power_levels", state_key=""), True, id="levels by a person"),
        pytest.param(
            event({}, kind="m.room.power_levels", state_key="", sender=GHOST), False, id="levels by the ghost"
        ),
        pytest.param(event({}, kind="m.room.encryption", state_key=""), True, id="encrypted"),
        pytest.param(event({}, kind="m.room.tombstone"), False, id="no state"),
        pytest.param(event(text("hello")), False, id="a message"),
    ],
)
def test_events_after_which_a_room_is_compared(changed: RoomEvent, changes: bool) -> None:  # noqa: FBT001
    assert RULES.changes_room(changed) is changes


@pytest.mark.parametrize("variation", ["", "\ufe0f", "\ufe0e"])
@pytest.mark.parametrize(("sign", "verdict"), [("✅", "allow"), ("❌", "deny"), ("♾", "always")])
def test_a_reaction_decides_in_each_form_of_its_sign(sign: str, verdict: str, variation: str) -> None:
    decision = RULES.decision(reaction(sign + variation), AT_HOME)
    assert decision is not None
    assert decision.verdict == verdict


def test_a_person_that_may_not_decide_is_told_once_a_day() -> None:
    day = 86_400_000
    relation = {"rel_type": "m.annotation", "event_id": "$card", "key": "✅"}
    asked = [event({"m.relates_to": relation}, kind="m.reaction", origin_server_ts=at) for at in (5, 6, 5 + day)]
    decisions = [RULES.decision(each, AT_HOME) for each in asked]
    told = [RULES.refused_decision(each).once_key for each in decisions if each is not None]
    assert told[0] == told[1] != told[2]


@pytest.mark.parametrize(("membership", "changes"), [("join", True), ("ban", True), ("invite", False), ({}, False)])
def test_a_member_who_comes_or_goes_changes_a_group(membership: Any, changes: bool) -> None:  # noqa: FBT001
    assert RULES.changes_group(member(membership, BOB)) is changes
