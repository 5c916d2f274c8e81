"""The part of a room's history that a member may see."""

from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.matrix.visibility import visible

BOB = "@bob:example.org"


def said(body: str) -> dict[str, Any]:
    return {"type": "m.room.message", "content": {"body": body}}


def member(now: str, before: str | None, who: str = BOB) -> dict[str, Any]:
    unsigned = {} if before is None else {"prev_content": {"membership": before}}
    content = {"membership": now}
    return {"type": "m.room.member", "state_key": who, "content": content, "unsigned": unsigned}


def visibility(now: str, before: str | None) -> dict[str, Any]:
    unsigned = None if before is None else {"prev_content": {"history_visibility": before}}
    content = {"history_visibility": now}
    return {"type": "m.room.history_visibility", "state_key": "", "content": content, "unsigned": unsigned}


JOINED, INVITED = member("join", "invite"), member("invite", None)


@pytest.mark.parametrize(
    ("now", "events", "seen"),
    [
        ("shared", [JOINED, said("b"), INVITED, said("a")], "ba"),
        ("world_readable", [JOINED, said("a")], "a"),
        ("joined", [said("c"), JOINED, said("b"), INVITED, said("a")], "c"),
        ("invited", [said("c"), JOINED, said("b"), INVITED, said("a")], "cb"),
        ("nonsense", [said("c"), JOINED, said("b")], "c"),
        pytest.param("joined", [said("c"), member("join", "join"), said("b")], "cb", id="a new name"),
        pytest.param("joined", [said("c"), member("join", None), said("b")], "c", id="an unknown past"),
        pytest.param("joined", [said("b"), member("join", "leave", "@x:y"), said("a")], "ba", id="another member"),
        pytest.param(
            "joined",
            [said("d"), JOINED, said("c"), member("leave", "join"), said("b"), JOINED, said("a")],
            "db",
            id="was there before",
        ),
        pytest.param(
            "shared", [said("d"), visibility("shared", "joined"), said("c"), JOINED, said("b")], "dc", id="opened later"
        ),
        pytest.param("joined", [JOINED, said("b"), visibility("joined", "shared"), said("a")], "a", id="closed later"),
        pytest.param("shared", [JOINED, said("b"), visibility("shared", None), said("a")], "b", id="unknown before"),
    ],
)
def test_a_member_sees_what_the_room_shows(now: str, events: list[dict[str, Any]], seen: str) -> None:
    bodies = [event["content"].get("body", "") for event in visible(events, [BOB], now)]
    assert "".join(bodies) == seen


def test_several_members_see_what_each_of_them_may_see() -> None:
    events = [said("c"), member("join", "invite", "@x:y"), said("b"), JOINED, said("a")]
    bodies = [event["content"].get("body", "") for event in visible(events, [BOB, "@x:y"], "joined")]
    assert "".join(bodies) == "c"
