"""Every way in which people reach agents and the bot, with every role, as a table: the requests that pass the rules.

The columns are the roles in ascending order, and a muted member. A letter stands for the request of an event:

``a``: an answer of an agent, ``c``: a command, ``l``: the list of agents, ``e``: another answer to an edit, ``g``:
another answer (🔁), ``s``: a stop, ``d``: a decision about a tool, ``D``: one about the question of somebody else,
``r``: agents go on, ``i``: an invitation is looked at, ``-``: nothing, or a notice why not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.commands.handler import all_commands
from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.live import Live
from agent_bridge.core.permissions import CAN, Permission
from agent_bridge.core.roles import EVERYWHERE, Mutes, Role, RoleBook, Roles
from agent_bridge.core.rooms import ChoiceKind, KindName, OpenChoice, Participant, Room
from agent_bridge.core.turns import NewTurn, TurnKind
from agent_bridge.matrix.events import parse_event
from support.records import NAMES

ROOM, GHOST, OTHER = "!room:example.org", "@agent_frida:example.org", "@other:example.org"
#: User ids by the columns of the table.
PEOPLE = {role.name.lower(): f"@{role.name.lower()}:example.org" for role in Role} | {"muted": "@muted:example.org"}
BOOK = RoleBook(
    {user: Role.MEMBER if name == "muted" else Role[name.upper()] for name, user in PEOPLE.items()}
    | {OTHER: Role.MEMBER}
)
RULES = Rules(
    NAMES,
    Roles(Live(BOOK), NAMES, Live(Mutes({(EVERYWHERE, PEOPLE["muted"]): None}))),
    "!ab",
    frozenset(all_commands().commands),
)
FRIDA = Participant(7, "agent_frida")
LIST = OpenChoice(ChoiceKind.AGENTS, 3, "", is_fresh=True, is_passed=False, events=frozenset({"$list"}))
QUESTION = OpenChoice(ChoiceKind.DELETE, 1, "", is_fresh=True, is_passed=False, events=frozenset({"$delete"}))


def room(kind: KindName, owner: int | None = 7, **more: Any) -> Room:
    values = {"choices": dict.fromkeys(PEOPLE.values(), LIST), "questions": dict.fromkeys(PEOPLE.values(), QUESTION)}
    agents = () if kind is KindName.BOT or (kind is KindName.CHAT and owner is None) else (FRIDA,)
    return Room(ROOM, kind, owner, agents, answered_by={"$answer": 7}, **(values | more))


HOME, GROUP, LOBBY = room(KindName.HOME), room(KindName.GROUP, None), room(KindName.LOBBY, None)
DM, CHAT, BOT_ROOM = room(KindName.DM), room(KindName.CHAT, person=OTHER, is_ours=True), room(KindName.BOT, None)
UNBOUND = room(KindName.CHAT, None)


def text(body: str, **more: Any) -> dict[str, Any]:
    return {"type": "m.room.message", "content": {"msgtype": "m.text", "body": body, **more}}


def mention(*users: str, body: str = "hi") -> dict[str, Any]:
    return text(body, **{"m.mentions": {"user_ids": list(users)}})


def related(kind: str, target: str, **more: Any) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": kind, "event_id": target, **more}}


def edit(new: dict[str, Any]) -> dict[str, Any]:
    return text("* x", **{"m.new_content": new["content"], **related("m.replace", "$question")})


def react(key: str, target: str = "$answer") -> dict[str, Any]:
    return {"type": "m.reaction", "content": related("m.annotation", target, key=key)}


def invitation(user: str) -> dict[str, Any]:
    return {"type": "m.room.member", "state_key": user, "content": {"membership": "invite"}}


CALL = {"org.matrix.msc4391.command": {"command": "help", "arguments": {}}}
JSON = text("!ab help", **CALL, **{"m.mentions": {"user_ids": [NAMES.bot]}})
#: The request of each event, with the roles none, agent, member, moderator, admin, owner, and of a muted member.
TABLE: dict[str, tuple[Room | None, dict[str, Any], str]] = {
    "home": (HOME, text("hi"), "--aaaa-"),
    "home, a mention": (HOME, mention(GHOST), "-aaaaa-"),
    "home, a file": (HOME, text("x", msgtype="m.image", url="mxc://x/y"), "--aaaa-"),
    "thread": (HOME, text("hi", **related("m.thread", "$root")), "--aaaa-"),
    "thread, a mention": (
        HOME,
        text("hi", **related("m.thread", "$root"), **{"m.mentions": {"user_ids": [GHOST]}}),
        "-aaaaa-",
    ),
    "chat": (CHAT, text("hi"), "--aaaa-"),
    "chat, a mention": (CHAT, mention(GHOST), "-aaaaa-"),
    "direct chat": (DM, text("hi"), "--aaaa-"),
    "direct chat, a mention": (DM, mention(GHOST), "-aaaaa-"),
    "group, for nobody": (GROUP, text("hi"), "-------"),
    "group, a mention": (GROUP, mention(GHOST), "-aaaaa-"),
    "group, by name": (GROUP, text("agent_frida: hi"), "--aaaa-"),
    "group, a reply": (GROUP, text("hi", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$answer"}}}), "--aaaa-"),
    "lobby, for nobody": (LOBBY, text("hi"), "-------"),
    "lobby, a mention": (LOBBY, mention(GHOST), "-aaaaa-"),
    "room without an agent": (UNBOUND, text("hi"), "--llll-"),
    "edit": (HOME, edit(text("new")), "--eeee-"),
    "edit with a mention": (HOME, edit(mention(GHOST)), "-eeeee-"),
    "edit into a command": (HOME, edit(text("!ab help")), "--cccc-"),
    "🔁": (HOME, react("🔁"), "--gggg-"),
    "🛑": (HOME, react("🛑"), "--ssss-"),
    "✅ on a card": (HOME, react("✅"), "--ddDD-"),
    "❌ on a card": (HOME, react("❌"), "--ddDD-"),
    "♾️ on a card": (HOME, react("♾️"), "--ddDD-"),
    "👍": (GROUP, react("👍"), "--rrrr-"),
    "keycap": (HOME, react("1️⃣", "$list"), "--cccc-"),
    "✅ on a question of the bot": (BOT_ROOM, react("✅", "$delete"), "--cccc-"),
    "command by prefix": (HOME, text("!ab help"), "--cccc-"),
    "stop by prefix": (HOME, text("!ab stop"), "--ssss-"),
    "command by prefix in a group": (GROUP, text("!ab help"), "--cccc-"),
    "bare command": (HOME, text("!help"), "--cccc-"),
    "command by mention": (HOME, mention(NAMES.bot, body="agentbridge: help"), "--cccc-"),
    "command as JSON": (HOME, JSON, "--cccc-"),
    "chat with the bot": (BOT_ROOM, text("help"), "--cccc-"),
    "number of a list": (BOT_ROOM, text("2"), "--cccc-"),
    "a room that the bridge does not know": (None, text("hi"), "-------"),
    # Whether it is accepted is decided when it is looked at (Roles.may_invite).
    "invitation of a ghost": (None, invitation(GHOST), "iiiiiii"),
    "invitation of the bot": (None, invitation(NAMES.bot), "iiiiiii"),
    "notice": (HOME, text("hi", msgtype="m.notice"), "-------"),
}
_TURNS = {TurnKind.MESSAGE: "a", TurnKind.COMMAND: "c", TurnKind.CHOICE: "l", TurnKind.INVITATION: "i"}
_CHANGES = {ChangeKind.EDIT: "e", ChangeKind.AGAIN: "g"}


def asked(sender: str, where: Room | None, content: dict[str, Any]) -> str:
    """Return the letter of the request of an event of *sender*."""
    event = parse_event({"event_id": "$e", "room_id": ROOM, "sender": sender, **content})
    assert event is not None
    if RULES.stop(event, where) is not None:
        return "s"
    decision = RULES.decision(event, where)
    found = RULES.decide(event, where)
    if isinstance(found, NewTurn):
        return _TURNS.get(found.kind, "-")
    if isinstance(found, ChangeRequest):
        return _CHANGES[found.kind]
    if decision is not None:
        return "D" if decision.is_admin else "d"
    return "r" if RULES.resume(event, where) is not None else "-"


@pytest.mark.parametrize("name", TABLE)
def test_what_each_role_may_ask_for(name: str) -> None:
    where, content, expected = TABLE[name]
    assert "".join(asked(user, where, content) for user in PEOPLE.values()) == expected


def test_whose_invitations_are_accepted() -> None:
    accepted = [name for name, user in PEOPLE.items() if RULES.roles.may_invite(user)]
    assert accepted == ["member", "moderator", "admin", "owner"]


def test_the_owner_of_a_chat_is_no_matter_of_the_rules() -> None:
    mine = replace(CHAT, person=PEOPLE["member"])
    assert asked(PEOPLE["member"], mine, text("hi")) == asked(PEOPLE["member"], CHAT, text("hi")) == "a"


@pytest.mark.parametrize("name", all_commands().commands)
def test_a_command_needs_a_role_that_has_its_permission(name: str) -> None:
    """The handler looks at the same table; here is each command with each role."""
    command = all_commands().commands[name]
    may = [role for role in Role if command.permission in CAN[role] and role >= Role.MEMBER]
    assert may == [role for role in Role if role >= command.role]
    assert command.permission is not Permission.SEND
