from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.demo.timeline import Event, Room
from support.person import is_space, space_children

ALICE, BOB = "@alice:x", "@bob:x"


def event(kind: str, content: dict[str, Any], **more: Any) -> Event:
    return {"type": kind, "sender": ALICE, "content": content, **more}


def said(event_id: str, body: str, sender: str = ALICE, **more: Any) -> Event:
    content = {"msgtype": "m.text", "body": body, **more}
    return event("m.room.message", content, event_id=event_id, sender=sender)


def edited(event_id: str, target: str, body: str, sender: str = ALICE) -> Event:
    return said(
        event_id,
        f"* {body}",
        sender,
        **{
            "m.new_content": {"msgtype": "m.text", "body": body},
            "m.relates_to": {"rel_type": "m.replace", "event_id": target},
        },
    )


def seen(*events: Event) -> Room:
    room = Room("!room")
    for one in events:
        room.see(one)
    return room


@pytest.mark.parametrize(
    ("events", "bodies"),
    [
        ([said("$1", "a"), said("$2", "b")], ["a", "b"]),
        ([said("$1", "a"), edited("$2", "$1", "b")], ["b"]),
        ([said("$1", "a"), edited("$2", "$1", "b"), edited("$3", "$1", "c")], ["c"]),
        ([said("$1", "a"), edited("$2", "$1", "b", sender=BOB)], ["a"]),
        ([edited("$2", "$1", "b")], []),
        ([said("$1", "a"), event("m.room.redaction", {"redacts": "$1"})], []),
        ([said("$1", "a"), event("m.room.redaction", {}, redacts="$1")], []),
        ([event("m.room.message", {}, event_id="$1")], []),
        ([said("$1", "a"), event("m.reaction", {}, event_id="$2")], ["a"]),
    ],
)
def test_messages_are_shown_as_a_client_shows_them(events: list[Event], bodies: list[str]) -> None:
    assert [message.body for message in seen(*events).messages.values()] == bodies


def test_a_message_knows_its_versions_and_its_html() -> None:
    room = seen(said("$1", "a", formatted_body="<b>a</b>"), said("$2", "c", sender=BOB), edited("$3", "$2", "d", BOB))
    [first] = room.said_by(ALICE)
    [second] = room.said_by(BOB)
    assert (first.html, second.html) == ("<b>a</b>", None)
    assert [version["body"] for version in second.versions] == ["c", "d"]


def test_the_newest_state_counts() -> None:
    room = seen(
        event("m.room.name", {"name": "Old"}, state_key=""),
        event("m.room.name", {"name": "New"}, state_key=""),
        event("m.room.topic", {"topic": "Talk"}, state_key=""),
        event("m.room.canonical_alias", {"alias": "#new:x"}, state_key=""),
        event("m.room.member", {"membership": "join", "displayname": "Alice"}, state_key=ALICE),
        event("m.room.member", {"membership": "invite"}, state_key=BOB),
    )
    assert (room.name, room.topic, room.alias, is_space(room)) == ("New", "Talk", "#new:x", False)
    assert (room.members(), room.members("invite")) == ({ALICE}, {BOB})
    assert (room.displayname(ALICE), room.displayname(BOB)) == ("Alice", BOB)


def test_an_empty_room_has_nothing() -> None:
    room = Room("!room")
    assert (room.name, room.topic, room.alias, is_space(room), space_children(room)) == (None, None, None, False, [])


def test_children_of_a_space_are_ordered_and_removed_ones_left_out() -> None:
    links: dict[str, dict[str, Any]] = {
        "!c": {"via": ["x"]},
        "!b": {"via": ["x"]},
        "!z": {"via": ["x"], "order": "1"},
        "!y": {"via": ["x"], "order": "2"},
        "!gone": {},
    }
    room = seen(
        event("m.room.create", {"type": "m.space"}, state_key=""),
        *(event("m.space.child", link, state_key=child) for child, link in links.items()),
    )
    assert is_space(room)
    assert space_children(room) == ["!z", "!y", "!b", "!c"]


def test_typing_and_receipts_are_the_newest() -> None:
    room = Room("!room")
    room.see_ephemeral({"type": "m.typing", "content": {"user_ids": [ALICE, BOB]}})
    room.see_ephemeral({"type": "m.typing", "content": {"user_ids": [BOB]}})
    room.see_ephemeral({"type": "m.receipt", "content": {"$1": {"m.read": {ALICE: {}, BOB: {}}}}})
    room.see_ephemeral({"type": "m.receipt", "content": {"$2": {"m.read": {BOB: {}}, "m.read.private": {ALICE: {}}}}})
    assert room.typing == {BOB}
    assert room.receipts == {ALICE: "$1", BOB: "$2"}
