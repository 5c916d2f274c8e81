"""Bare commands, and numbers that choose from a list: the rules tell them from messages to an agent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_bridge.bridge.inbound.choices import number_in
from agent_bridge.bridge.inbound.prefix import bare_command
from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.core.payloads import CommandPayload, EditPayload, MessagePayload, RefusalPayload, RefusalReason
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import ChoiceKind, KindName, OpenChoice, Participant, Room
from agent_bridge.core.turns import Addressee, NewTurn, TurnKind
from agent_bridge.matrix.events import RoomEvent, parse_event
from support.records import NAMES

ROOM, BOB = "!room:example.org", "@bob:example.org"
WORDS = frozenset({"agent", "new", "help"})
RULES = Rules(NAMES, Roles.fixed({"example.org": Role.MEMBER}, NAMES), "!ab", WORDS)
LIST = OpenChoice(ChoiceKind.AGENTS, 3, "", is_fresh=True, is_passed=False, events=frozenset({"$list"}))
OLD = replace(LIST, is_fresh=False)
FRIDA = Participant(7, "agent_frida")
HOME = Room(ROOM, KindName.HOME, 7, (FRIDA,))
UNBOUND, BOUND = Room(ROOM, KindName.CHAT), Room(ROOM, KindName.CHAT, 7, (FRIDA,))
GROUP, DM, BOT = (
    Room(ROOM, KindName.GROUP, None, (FRIDA,)),
    Room(ROOM, KindName.DM, 7, (FRIDA,)),
    Room(ROOM, KindName.BOT),
)
WITH = {BOB: LIST}


def message(body: str, **more: Any) -> RoomEvent:
    return event("m.room.message", {"msgtype": "m.text", "body": body, **more})


def event(kind: str, content: dict[str, Any]) -> RoomEvent:
    parsed = parse_event({"event_id": "$e", "room_id": ROOM, "type": kind, "sender": BOB, "content": content})
    assert parsed is not None
    return parsed


def relation(**fields: Any) -> dict[str, Any]:
    return {"m.relates_to": fields}


def command_of(asked: RoomEvent, room: Room, rules: Rules = RULES) -> str | None:
    """Return the command that *asked* gives in *room*; None if it gives none."""
    decision = rules.decide(asked, room)
    payload = decision.payload if isinstance(decision, NewTurn) else None
    return payload.body if isinstance(payload, CommandPayload) else None


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("!new", "new"),
        ("!new Research", "new Research"),
        ("  !Agent 2\n", "Agent 2"),
        ("\uff01agent", "agent"),
        ("!help?", "help?"),
        ("!newton", None),
        ("! new", None),
        ("!!new", None),
        ("!", None),
        ("!?new", None),
        ("`!new`", None),
        ("```\n!new\n```", None),
        ("say !new", None),
        ("new", None),
        ("!about that", None),
    ],
)
def test_a_bare_command_is_a_word_of_the_bridge(body: str, command: str | None) -> None:
    assert bare_command(body, WORDS) == command
    assert command_of(message(body), HOME) == command
    assert command_of(message(body), UNBOUND) == command
    # In the rooms of people, and where the configuration says so, it is a message.
    for room in (GROUP, DM, BOUND):
        assert command_of(message(body), room) is None
    assert command_of(message(body), HOME, replace(RULES, bare_words=frozenset())) is None


def test_a_caption_is_no_bare_command() -> None:
    caption = message("!new", msgtype="m.image", filename="a.png", url="mxc://example.org/x")
    assert command_of(caption, HOME) is None


def test_a_command_that_needs_no_prefix_goes_to_the_bot_of_its_thread() -> None:
    decision = RULES.decide(message("!agent", **relation(rel_type="m.thread", event_id="$root")), HOME)
    assert isinstance(decision, NewTurn)
    assert decision.payload == CommandPayload("agent", "$root")
    assert decision.addressees == (Addressee(None, NAMES.bot_username),)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        (" 12 ", 12),
        ("3.", 3),
        ("3)", 3),
        ("3\ufe0f\u20e3", 3),
        ("3\u20e3", 3),
        ("🔟", 10),
        ("\uff11\uff12", 12),
        ("\uff13\uff0e", 3),
        ("0", 0),
        ("", None),
        ("-1", None),
        ("3 agents", None),
        ("1.5", None),
        ("12345", None),
        ("²", None),
        ("٣", None),
        ("three", None),
    ],
)
def test_a_number_stands_alone(text: str, number: int | None) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize("room", [HOME, BOUND, GROUP], ids=["home", "chat", "group"])
def test_beside_an_agent_only_a_number_of_a_new_list_chooses(room: Room) -> None:
    asked = replace(room, choices=WITH)
    assert command_of(message("3"), asked) == "agent 3"
    assert command_of(message("4"), asked) is None
    assert command_of(message("0"), asked) is None
    assert command_of(message("3"), room) is None
    assert command_of(message("3"), replace(room, choices={BOB: OLD})) is None
    assert command_of(message("3"), replace(room, choices={BOB: replace(LIST, is_passed=True)})) is None
    assert command_of(message("3"), replace(room, choices={"@carol:example.org": LIST})) is None
    # The list was shown in the room, or in a thread.
    in_thread = message("3", **relation(rel_type="m.thread", event_id="$root"))
    assert command_of(in_thread, asked) is None
    assert command_of(in_thread, replace(room, choices={BOB: replace(LIST, thread="$root")})) == "agent 3"


@pytest.mark.parametrize("room", [UNBOUND, BOT], ids=["unbound", "bot"])
def test_where_no_agent_answers_every_number_chooses(room: Room) -> None:
    assert command_of(message("9"), replace(room, choices=WITH)) == "agent 9"
    assert command_of(message("3"), replace(room, choices={BOB: OLD})) == "agent 3"
    in_thread = message("3", **relation(rel_type="m.thread", event_id="$root"))
    assert command_of(in_thread, replace(room, choices=WITH)) == "agent 3"


def test_a_reply_to_the_list_chooses_by_its_words() -> None:
    reply = message("Ada, please", **relation(**{"m.in_reply_to": {"event_id": "$list"}}))
    for room in (UNBOUND, HOME, BOT):
        assert command_of(reply, replace(room, choices=WITH)) == "agent Ada, please"
    other = message("Ada", **relation(**{"m.in_reply_to": {"event_id": "$other"}}))
    assert command_of(other, replace(HOME, choices=WITH)) is None


def test_a_keycap_on_the_list_chooses() -> None:
    def reaction(key: str, target: str = "$list") -> RoomEvent:
        return event("m.reaction", relation(rel_type="m.annotation", event_id=target, key=key))

    for room in (UNBOUND, HOME, BOT, GROUP):
        asked = replace(room, choices=WITH)
        assert command_of(reaction("2\ufe0f\u20e3"), asked) == "agent 2"
        assert command_of(reaction("2\ufe0f\u20e3", "$other"), asked) is None
        assert command_of(reaction("👍"), asked) is None
        assert command_of(reaction("2\ufe0f\u20e3"), room) is None
    assert command_of(reaction("4\ufe0f\u20e3"), replace(HOME, choices=WITH)) is None


def test_messages_and_their_edits_wait_where_no_agent_is_chosen() -> None:
    said = RULES.decide(message("hello", **relation(rel_type="m.thread", event_id="$root")), UNBOUND)
    assert isinstance(said, NewTurn)
    assert (said.kind, said.payload, said.thread) == (TurnKind.CHOICE, MessagePayload("hello"), "$root")
    assert said.addressees == (Addressee(None, NAMES.bot_username),)
    new = {"m.new_content": {"msgtype": "m.text", "body": "hallo"}}
    edited = RULES.decide(message("* hallo", **new, **relation(rel_type="m.replace", event_id="$x")), UNBOUND)
    assert isinstance(edited, NewTurn)
    assert (edited.kind, edited.payload) == (TurnKind.CHOICE, EditPayload("$x", MessagePayload("hallo")))


def test_an_agent_answers_its_selectors_only_if_the_configuration_says_so() -> None:
    strict = replace(RULES, follow_selection=True)

    def reason(rules: Rules, room: Room) -> RefusalReason | None:
        decision = rules.decide(message("hello"), room)
        assert isinstance(decision, NewTurn)
        return decision.payload.reason if isinstance(decision.payload, RefusalPayload) else None

    assert reason(strict, DM) is None
    for room in (HOME, BOUND):
        assert reason(strict, room) is RefusalReason.OTHER_AGENT
        assert reason(strict, replace(room, selections={BOB: 8})) is RefusalReason.OTHER_AGENT
        assert reason(strict, replace(room, selections={BOB: 7})) is None
        assert reason(RULES, replace(room, selections={BOB: 8})) is None
    # Another selection is another reason, which the person is told.
    keys = set()
    for selected in (8, 9):
        decision = strict.decide(message("hello"), replace(HOME, selections={BOB: selected}))
        assert isinstance(decision, NewTurn)
        keys.add(decision.once_key)
    assert len(keys) == 2


def test_a_choice_from_the_list_of_a_chat_makes_the_chat() -> None:
    choices = {BOB: replace(LIST, command="new")}
    in_reply = relation(**{"m.in_reply_to": {"event_id": "$list"}})
    reaction = event("m.reaction", relation(rel_type="m.annotation", event_id="$list", key="2\ufe0f\u20e3"))
    for room in (UNBOUND, HOME, BOT):
        asked = replace(room, choices=choices)
        assert command_of(message("2"), asked) == "new #2"
        assert command_of(reaction, asked) == "new #2"
        assert command_of(message("2", **in_reply), asked) == "new #2"
        assert command_of(message("Ada", **in_reply), asked) == "new @Ada"


def test_a_chat_that_the_bridge_made_has_bare_commands() -> None:
    assert command_of(message("!new x"), BOUND) is None
    assert command_of(message("!new x"), replace(BOUND, person="@bob:example.org")) == "new x"


def test_a_reaction_confirms_a_question() -> None:
    question = replace(LIST, kind=ChoiceKind.DELETE, events=frozenset({"$asked"}))

    def reaction(key: str, target: str) -> RoomEvent:
        return event("m.reaction", relation(rel_type="m.annotation", event_id=target, key=key))

    for room in (HOME, UNBOUND, BOUND, BOT):
        asked = replace(room, questions={BOB: question}, choices=WITH)
        assert command_of(reaction("✅", "$asked"), asked) == "yes"
        assert command_of(reaction("✅\ufe0f", "$asked"), asked) == "yes"
        assert command_of(reaction("❌", "$asked"), asked) is None
        assert command_of(reaction("✅", "$list"), asked) is None
        # A question to another person.
        assert command_of(reaction("✅", "$asked"), replace(room, questions={"@eve:x": question})) is None
