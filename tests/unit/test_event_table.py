"""The table of docs/events.md: every event gets the reply or the mark that the table promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import ChoiceKind, KindName, OpenChoice, Participant, Room
from agent_bridge.core.turns import NewTurn, TurnKind
from agent_bridge.matrix.events import parse_event
from support.records import NAMES

ROOM, BOB, GHOST = "!room:example.org", "@bob:example.org", "@agent_frida:example.org"
FRIDA = Participant(7, "agent_frida")
#: The list that the person was shown in each room.
LIST = OpenChoice(ChoiceKind.AGENTS, 3, "", is_fresh=True, is_passed=False, events=frozenset({"$list"}))
#: The columns of the table.
ROOMS = {
    "agent's room": Room(ROOM, KindName.HOME, 7, (FRIDA,), choices={BOB: LIST}),
    "direct chat": Room(ROOM, KindName.DM, 7, (FRIDA,), choices={BOB: LIST}, person=BOB),
    "room without an agent": Room(ROOM, KindName.CHAT, choices={BOB: LIST}),
    "chat with the bot": Room(ROOM, KindName.BOT, choices={BOB: LIST}),
    "group": Room(ROOM, KindName.GROUP, None, (FRIDA,), choices={BOB: LIST}),
}
RULES = Rules(NAMES, Roles.fixed({"example.org": Role.MEMBER}, NAMES), "!ab", frozenset({"help"}))
URL = {"url": "mxc://example.org/x"}


def message(body: Any, msgtype: Any = "m.text", **more: Any) -> dict[str, Any]:
    return {"type": "m.room.message", "content": {"msgtype": msgtype, "body": body, **more}}


def related(kind: str, **more: Any) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": kind, "event_id": "$x", **more}}


def edit(new: Any) -> dict[str, Any]:
    return message("* x", **{"m.new_content": {"msgtype": "m.text", "body": new}}, **related("m.replace"))


def reply(body: str) -> dict[str, Any]:
    return message(body, **{"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}})


def reaction(key: str) -> dict[str, Any]:
    return {"type": "m.reaction", "content": related("m.annotation", key=key)}


def reaction_on_list(key: str) -> dict[str, Any]:
    relation = {"rel_type": "m.annotation", "event_id": "$list", "key": key}
    return {"type": "m.reaction", "content": {"m.relates_to": relation}}


def other(kind: str, **content: Any) -> dict[str, Any]:
    return {"type": kind, "content": content}


def state(kind: str, key: str = "", **content: Any) -> dict[str, Any]:
    return other(kind, **content) | {"state_key": key}


def member(user: str, membership: str) -> dict[str, Any]:
    return state("m.room.member", user, membership=membership)


TEXT = [{"body": "hi"}]
POLL = {"question": {"m.text": TEXT}, "answers": [{"m.id": "1", "m.text": TEXT}]}
UNSTABLE_POLL = {"question": {"org.matrix.msc1767.text": "hi"}, "answers": []}
ITEMS = [{"itemtype": "m.image", "body": "cat.png", **URL}]
#: Examples of each row of the table.
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "`m.text`": [message("hi")],
    "`m.emote`": [message("waves", "m.emote")],
    "`m.text` with the command prefix": [message("!ab help")],
    "prefix in another spelling (`!Ab`, `\uff01ab`, `!ab:`, `**!ab help**`)": [
        message(body) for body in ("!Ab help", "\uff01ab help", "!ab: help", "**!ab help**")
    ],
    "prefix behind the quotation of a reply": [reply("> <@x:y.org> old\n\n!ab help")],
    "`!` and the word of a command": [message("!help"), message("!Help me")],
    "number of a list that the person was shown": [message(body) for body in ("2", " 2.", "2)", "2\ufe0f\u20e3")],
    "keycap on that list": [reaction_on_list("2\ufe0f\u20e3"), reaction_on_list("3\u20e3")],
    "mention of the bot": [message("Bot: help", **{"m.mentions": {"user_ids": [NAMES.bot]}})],
    "caption with the command prefix": [message("!ab help", "m.image", filename="a.png", **URL)],
    "command as JSON that mentions the bot (MSC4391)": [
        message("/help", **{key: {"command": "help"}, "m.mentions": {"user_ids": [NAMES.bot]}})
        for key in ("m.bot.command", "org.matrix.msc4391.command")
    ],
    "command as JSON that mentions another bot": [
        message("/ban x", **{"m.bot.command": {"command": "ban"}, "m.mentions": {"user_ids": ["@ban:other.org"]}})
    ],
    "`m.text` with HTML and no body": [message("", formatted_body="<b>hi</b>")],
    "`m.text` without text": [message(""), message(" \n"), message(None), message("", formatted_body="<br>")],
    "message without `msgtype`": [message("hi", None)],
    "unknown `msgtype`": [message("hi", "org.example.invoice")],
    "`m.image`": [message("cat.png", "m.image", **URL), message("", "m.image")],
    "`m.file`": [message("a.txt", "m.file", **URL)],
    "`m.audio`": [message("a.mp3", "m.audio", **URL)],
    "voice message": [message("voice", "m.audio", **URL, **{"org.matrix.msc3245.voice": {}})],
    "`m.video`": [message("a.mp4", "m.video", **URL)],
    "encrypted file": [message("a.txt", "m.file", file=URL)],
    "gallery": [message("", "dm.filament.gallery", itemtypes=ITEMS), message("x", "m.gallery", itemtypes=ITEMS)],
    "`m.sticker`": [other("m.sticker", body="🐈", info={}, **URL)],
    "`m.location`": [message("", "m.location", geo_uri="geo:48.2,16.37")],
    "poll": [
        other("m.poll.start", **{"m.poll": POLL}),
        other("org.matrix.msc3381.poll.start", **{"org.matrix.msc3381.poll.start": UNSTABLE_POLL}),
        other("m.poll.start", **{"m.text": TEXT}),
    ],
    "vote or end of a poll": [
        other("m.poll.response", **related("m.reference")),
        other("org.matrix.msc3381.poll.response", **related("m.reference")),
        other("org.matrix.msc3381.poll.end", **related("m.reference")),
    ],
    "reply": [reply("hi")],
    "message in a thread": [message("hi", **related("m.thread"))],
    "`m.reference` to a message": [message("hi", **related("m.reference"))],
    "`m.notice`": [message("hi", "m.notice"), message("!ab help", "m.notice")],
    "request to verify a device": [message("verify", "m.key.verification.request", to=BOB)],
    "notice of the homeserver": [message("limit", "m.server_notice")],
    "event of another type with text (MSC1767)": [other("org.example.memo", **{"m.text": TEXT})],
    "event of another type without text": [other("org.example.memo", body="hi"), other("m.room.message.feedback")],
    "`m.room.encrypted`": [other("m.room.encrypted", algorithm="m.megolm.v1.aes-sha2", ciphertext="x")],
    "`m.call.invite`": [other("m.call.invite", call_id="1", offer={})],
    "call of Element Call": [other("org.matrix.msc4075.rtc.notification", lifetime=1)],
    "other events of a call": [
        other("m.call.candidates", call_id="1"),
        other("m.call.hangup", call_id="1"),
        state("org.matrix.msc3401.call.member", BOB, foci=[]),
    ],
    "begin of a live location": [
        state("m.beacon_info", BOB, live=True),
        state("org.matrix.msc3672.beacon_info", BOB, live=True),
    ],
    "position of a live location": [
        other("m.beacon", **related("m.reference")),
        state("m.beacon_info", BOB, live=False),
    ],
    "edit": [edit("hi")],
    "edit into a command": [edit("!ab help"), edit("!Ab help")],
    "edit without text": [edit(""), edit(None)],
    "🔁": [reaction("🔁"), reaction("🔁\ufe0f")],
    "🛑": [reaction("🛑")],
    "👍": [reaction("👍"), reaction("👍\ufe0f"), reaction("👍🏽")],
    "✋": [reaction("✋"), reaction("✋\ufe0f"), reaction("✋🏿")],
    "another reaction": [reaction("👎"), other("m.reaction")],
    "`m.room.redaction`": [other("m.room.redaction", redacts="$x"), {**other("m.room.redaction"), "redacts": "$x"}],
    "redacted message": [{**other("m.room.message"), "unsigned": {"redacted_because": {"event_id": "$r"}}}],
    "invitation of the bot or a ghost": [member(NAMES.bot, "invite"), member(GHOST, "invite")],
    "invitation of a person": [member("@carol:example.org", "invite")],
    "join, leave, kick or ban": [member(BOB, each) for each in ("join", "leave", "ban")] + [member(GHOST, "leave")],
    "knock": [member(BOB, "knock")],
    "name, topic or avatar of the room": [state(f"m.room.{each}") for each in ("name", "topic", "avatar")],
    "power levels, join rules, history visibility": [
        state(f"m.room.{each}") for each in ("power_levels", "join_rules", "history_visibility", "guest_access")
    ],
    "encryption is enabled": [state("m.room.encryption", algorithm="m.megolm.v1.aes-sha2")],
    "tombstone": [state("m.room.tombstone", replacement_room="!new:example.org")],
    "pinned messages, server ACL, widgets": [
        state("m.room.pinned_events"),
        state("m.room.server_acl"),
        state("im.vector.modular.widgets", "x", url="https://example.org"),
    ],
    "receipt or typing notification": [other("m.receipt"), other("m.typing", user_ids=[BOB])],
}
_KINDS = {
    TurnKind.MESSAGE: "answer",
    TurnKind.COMMAND: "command",
    TurnKind.REFUSAL: "notice",
    TurnKind.INVITATION: "invitation",
    TurnKind.CHOICE: "list",
}


def reaction_to(raw: dict[str, Any], room: Room) -> str:
    """Return the word of the table for the decision about an event of a member."""
    event = parse_event({"event_id": "$e", "room_id": ROOM, "sender": BOB} | raw)
    assert event is not None
    if RULES.stop(event, room) is not None:
        return "stop"
    if RULES.resume(event, room) is not None:
        return "go on"
    if RULES.claim(event) is not None:
        return "claim"
    match RULES.decide(event, room):
        case NewTurn(kind=kind):
            return _KINDS[kind]
        case ChangeRequest(kind=kind):
            return "forgotten" if kind is ChangeKind.REDACT else "new answer"
        case _:
            return "nothing"


def table() -> dict[str, list[str]]:
    """Return the rows of the table of events: the words in the columns, by the event."""
    lines = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8").splitlines()
    rows = [
        [cell.strip() for cell in re.split(r"\s*\|\s*", line.strip("| "))] for line in lines if line.startswith("|")
    ]
    head = rows.index(["event", *ROOMS])
    return {event: words for event, *words in rows[head + 2 :]}


def test_every_event_of_the_table_gets_its_reply() -> None:
    promised = table()
    assert promised.keys() == EXAMPLES.keys()
    assert len(promised) > 50
    for event, words in promised.items():
        for word, room in zip(words, ROOMS.values(), strict=True):
            assert {reaction_to(raw, room) for raw in EXAMPLES[event]} == {word}, (event, room.kind)
