"""Events that the bridge sends for people: they count as those of the people, and nobody else can write one."""

from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.core.programs import BY_PROGRAM, PROFILE, SAID_BY
from agent_bridge.matrix.events import RoomEvent
from agent_bridge.matrix.filters import said_by_others
from agent_bridge.matrix.relayed import as_said, is_by_program, raw_as_said
from agent_bridge.render.content import edit, message, reaction
from agent_bridge.render.relayed import by_agent, by_person
from support.records import NAMES

BOB, EVE = "@bob:x.org", "@eve:x.org"
GHOST = NAMES.user_id("agent_ada")


def event(sender: str, content: dict[str, Any], kind: str = "m.room.message", **more: Any) -> RoomEvent:
    values: dict[str, Any] = {"state_key": None, "timestamp": 1} | more
    return RoomEvent(event_id="$e", room_id="!r:x.org", type=kind, sender=sender, content=content, **values)


def said(text: str = "hello **you**", member: dict[str, Any] | None = None) -> dict[str, Any]:
    return by_person(message(text, mark="m.0"), BOB, member or {})


@pytest.mark.parametrize("sender", [NAMES.bot, GHOST])
@pytest.mark.parametrize("text", ["hello", "hello **you**", "bob: hello", "* a\n* b"])
def test_a_relayed_message_is_one_of_the_person(sender: str, text: str) -> None:
    plain = message(text, mark="m.0")
    found = as_said(event(sender, said(text)), NAMES)
    assert (found.sender, found.is_relayed) == (BOB, True)
    assert found.content["body"] == plain["body"]
    assert found.content.get("formatted_body") == plain.get("formatted_body")
    edited = as_said(event(sender, edit(said(text), "$old")), NAMES)
    assert edited.content["m.new_content"]["body"] == plain["body"]
    raw = raw_as_said({"sender": sender, "type": "m.room.message", "content": said(text)}, NAMES)
    assert (raw["sender"], raw["content"]["body"]) == (BOB, plain["body"])


def test_the_profile_of_a_message() -> None:
    content = said("hi", {"displayname": "Bob <b>: x", "avatar_url": "mxc://x.org/a"})
    assert content["body"] == "Bob <b> x: hi"
    assert content[PROFILE] == {
        "id": BOB,
        "displayname": "Bob <b> x",
        "avatar_url": "mxc://x.org/a",
        "has_fallback": True,
    }
    rich = said("**hi**", {"displayname": "<b>"})
    assert rich["formatted_body"].startswith("<strong data-mx-profile-fallback>&lt;b&gt;: </strong>")
    odd = said("hi", {"displayname": 7, "avatar_url": "https://x.org"})
    assert odd[PROFILE] == {"id": BOB, "displayname": "bob", "has_fallback": True}
    assert PROFILE not in by_person(reaction("$e", "👍"), BOB, {})


@pytest.mark.parametrize(
    "given",
    [
        # People, and users of other servers with the names of ghosts.
        event(EVE, said()),
        event("@agent_ada:other.org", said()),
        event(EVE, by_agent(message("x", mark="m.0"))),
        # The user who shows earlier messages, state, other types, and values that are no person.
        event(NAMES.imported, said()),
        event(NAMES.bot, said(), state_key=""),
        event(NAMES.bot, said(), "m.sticker"),
        event(NAMES.bot, said() | {SAID_BY: GHOST}),
        event(NAMES.bot, said() | {SAID_BY: NAMES.bot}),
        event(NAMES.bot, said() | {SAID_BY: ["@eve:x.org"]}),
        event(NAMES.bot, said() | {SAID_BY: ""}),
        event(NAMES.bot, said() | {SAID_BY: "@" + "x" * 300}),
        event(NAMES.bot, message("x", mark="m.0")),
    ],
)
def test_other_events_stay_as_they_are(given: RoomEvent) -> None:
    assert as_said(given, NAMES) is given
    raw = {"sender": given.sender, "type": given.type, "content": given.content}
    raw |= {} if given.state_key is None else {"state_key": given.state_key}
    assert raw_as_said(raw, NAMES) is raw


def test_a_program_of_an_agent_is_known_by_its_ghost() -> None:
    content = by_agent(message("x", mark="m.0"))
    assert is_by_program(event(GHOST, content), NAMES)
    assert not is_by_program(event(EVE, content), NAMES)
    assert not is_by_program(event(GHOST, content | {BY_PROGRAM: 1}), NAMES)


def test_a_backfill_of_a_room_with_programs_reads_the_bridges_events() -> None:
    assert said_by_others(NAMES, GHOST)["not_senders"] == [NAMES.bot, NAMES.imported, GHOST]
    assert said_by_others(NAMES, GHOST, relayed=True)["not_senders"] == [NAMES.imported]
