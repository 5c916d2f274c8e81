"""The content of the requests that create rooms."""

from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.matrix.rooms import BridgedAgent, RoomPlan, child_content, home_content, space_content

GHOST, BOT, ADMIN, MODERATOR = (f"@{name}:example.org" for name in ("agent_frida", "agentbridge", "admin", "mod"))

#: Of a room whose creator stands above all levels.
LEVELS: dict[str, Any] = {
    "invite": 50,
    "events": {
        "m.room.name": 50,
        "m.room.avatar": 50,
        "m.room.canonical_alias": 50,
        "m.room.power_levels": 100,
        "m.room.history_visibility": 100,
        "m.room.server_acl": 100,
        "m.room.tombstone": 150,
        "m.room.encryption": 151,
    },
}
PRIVATE = [
    {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "invite"}},
    {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
]

FUNCTIONAL = {"type": "io.element.functional_members", "state_key": "", "content": {"service_members": [BOT]}}
AGENT = BridgedAgent("agent_frida", "agent-frida", "letta")
BRIDGE = {
    "type": "m.bridge",
    "state_key": "org.agent_bridge://agent_frida",
    "content": {
        "bridgebot": BOT,
        "protocol": {"id": "agent_bridge", "displayname": "Agent Bridge"},
        "network": {"id": "letta"},
        "channel": {"id": "agent-frida"},
        "org.agent_bridge.agent": True,
    },
}


def plan(**changes: Any) -> RoomPlan:
    values: dict[str, Any] = {
        "alias": "agent_frida",
        "name": "Frida",
        "topic": "Chat with Frida",
        "creator": GHOST,
        "lists_creator": False,
        "powers": {ADMIN: 100, MODERATOR: 50},
        "bot": BOT,
    }
    return RoomPlan(**(values | changes))


def test_an_agents_room_has_everything_from_its_first_moment() -> None:
    assert home_content(plan(), AGENT, space="!space", domain="example.org") == {
        "preset": "public_chat",
        "visibility": "private",
        "room_alias_name": "agent_frida",
        "name": "Frida",
        "topic": "Chat with Frida",
        "power_level_content_override": LEVELS | {"users": {ADMIN: 100, MODERATOR: 50}},
        "creation_content": {"additional_creators": [BOT]},
        "invite": [BOT],
        "initial_state": [
            *PRIVATE,
            FUNCTIONAL,
            BRIDGE,
            {
                "type": "m.space.parent",
                "state_key": "!space",
                "content": {"via": ["example.org"], "canonical": True},
            },
        ],
    }


def test_a_room_does_without_a_space() -> None:
    assert home_content(plan(), AGENT, space=None, domain="example.org")["initial_state"] == [
        *PRIVATE,
        FUNCTIONAL,
        BRIDGE,
    ]


@pytest.mark.parametrize(
    ("changes", "users", "creators"),
    [
        pytest.param({}, {ADMIN: 100, MODERATOR: 50}, [BOT], id="12: both users of the bridge are above all levels"),
        pytest.param({"bot": None}, {ADMIN: 100, MODERATOR: 50}, None, id="12: the bot stays out"),
        pytest.param({"powers": {GHOST: 50, BOT: 100}}, {}, [BOT], id="12: never creators"),
        pytest.param(
            {"lists_creator": True, "powers": {ADMIN: 100}}, {ADMIN: 100, GHOST: 200, BOT: 200}, None, id="11"
        ),
        pytest.param(
            {"lists_creator": True, "bot": None}, {ADMIN: 100, MODERATOR: 50, GHOST: 200}, None, id="11, alone"
        ),
        pytest.param({"lists_creator": True, "powers": {BOT: 50}}, {GHOST: 200, BOT: 200}, None, id="11: never less"),
    ],
)
def test_the_users_of_the_bridge_are_above_admins(
    changes: dict[str, Any], users: dict[str, int], creators: list[str] | None
) -> None:
    content = plan(**changes).content()
    assert content["power_level_content_override"]["users"] == users
    assert content.get("creation_content", {}).get("additional_creators") == creators


@pytest.mark.parametrize(("version", "named"), [(None, {}), ("11", {"room_version": "11"})])
def test_the_room_version_is_the_homeservers_unless_named(version: str | None, named: dict[str, str]) -> None:
    content = home_content(plan(version=version), AGENT, space=None, domain="example.org")
    assert {key: value for key, value in content.items() if key == "room_version"} == named


def test_in_the_space_nobody_chats() -> None:
    made = plan(alias="agentbridge_space", creator=BOT, bot=None)
    content = space_content(made)
    assert content["creation_content"] == {"type": "m.space"}
    levels = LEVELS | {"users": {ADMIN: 100, MODERATOR: 50}, "events_default": 100}
    assert content["power_level_content_override"] == levels
    assert "invite" not in content
    # Made from the plan, not shared with it.
    assert "events_default" not in made.content()["power_level_content_override"]


def test_members_of_the_space_can_enter_and_the_picture_is_there() -> None:
    made = home_content(plan(), AGENT, space="!space", domain="example.org", restricted=True, avatar="mxc://a/b")
    state = {event["type"]: event["content"] for event in made["initial_state"]}
    allow = [{"type": "m.room_membership", "room_id": "!space"}]
    assert state["m.room.join_rules"] == {"join_rule": "restricted", "allow": allow}
    assert state["m.room.avatar"] == {"url": "mxc://a/b"}


def test_the_key_of_the_bridge_state_fits_into_an_event() -> None:
    assert len(BridgedAgent("a" * 250, "a", "u").key) == 255


def test_a_child_of_the_space_is_sorted_by_its_name() -> None:
    assert child_content("example.org", "Ada") == {"via": ["example.org"], "suggested": True, "order": "ada"}
