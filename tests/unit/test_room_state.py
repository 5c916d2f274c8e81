"""The state of a room, its problems, and the power levels that repair it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from agent_bridge.bridge.rooms.power_levels import repaired_levels
from agent_bridge.bridge.rooms.problems import problems_of
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import event_levels

GHOST, BOT, ADMIN, BOB = (f"@{name}:example.org" for name in ("agent_frida", "agentbridge", "admin", "bob"))
ALLOWED = {"type": "m.room_membership", "room_id": "!space"}
POWERS = {ADMIN: 100}
LEVELS: dict[str, Any] = {
    "users": {ADMIN: 100, BOT: 100},
    "invite": 50,
    "events": {"m.room.encryption": 151, "m.room.power_levels": 100},
}


def state(version: str = "12", levels: Any = LEVELS, members: dict[str, str] | None = None, **more: Any) -> RoomState:
    """Return the state of a room of *version*; *more* are contents by type, with ``_`` for ``.`` behind ``m.room``."""
    creator = more.pop("creator", GHOST)
    create = {"room_version": version} | more.pop("create", {})
    contents: dict[tuple[str, str], Any] = {("m.room.create", ""): create}
    if levels is not None:
        contents["m.room.power_levels", ""] = levels
    for user, membership in ({GHOST: "join", BOT: "join", BOB: "join"} | (members or {})).items():
        contents["m.room.member", user] = {"membership": membership}
    contents |= {(f"m.room.{kind}", ""): content for kind, content in more.items()}
    events = [
        {"type": kind, "state_key": key, "sender": creator, "content": content}
        for (kind, key), content in contents.items()
    ]
    return RoomState.of("!room", events)


@pytest.mark.parametrize(
    ("version", "levels", "user", "power"),
    [
        pytest.param("12", LEVELS, GHOST, math.inf, id="12: the creator is above all levels"),
        pytest.param("11", LEVELS, GHOST, 0, id="11: the creator has what the levels say"),
        pytest.param("11", None, GHOST, 100, id="without levels the creator has 100"),
        pytest.param("11", None, BOT, 0, id="without levels the others have 0"),
        pytest.param("11", LEVELS, BOT, 100, id="a user of the list"),
        pytest.param("11", LEVELS | {"users_default": 7}, BOB, 7, id="a user beside the list"),
        pytest.param("11", {"users": ["x"], "users_default": "9"}, BOB, 0, id="values of a wrong type"),
        pytest.param("11", {"users": {BOB: "100"}}, BOB, 0, id="a level of a wrong type"),
    ],
)
def test_power(version: str, levels: Any, user: str, power: float) -> None:
    assert state(version, levels).power(user) == power


def test_more_creators_are_above_all_levels() -> None:
    assert state(create={"additional_creators": [BOB]}).power(BOB) == math.inf
    assert state(create={"additional_creators": "nonsense"}).power(BOB) == 0


def test_events_that_are_not_valid_are_left_out() -> None:
    events = [None, 3, {}, {"type": "m.room.name"}, {"type": "m.room.name", "state_key": "", "content": "no object"}]
    found = RoomState.of("!room", events)
    assert (found.events, found.replacement, found.predecessor, found.is_encrypted) == ({}, None, None, False)


def test_upgrades() -> None:
    assert state(tombstone={"replacement_room": "!new"}).replacement == "!new"
    assert state(tombstone={"replacement_room": 5}).replacement is None
    assert state(create={"predecessor": {"room_id": "!old"}}).predecessor == "!old"
    assert state(create={"predecessor": "!old"}).predecessor is None


@pytest.mark.parametrize(
    ("rule", "rooms"),
    [
        pytest.param({"join_rule": "restricted", "allow": [ALLOWED]}, {"!space"}, id="restricted"),
        pytest.param({"join_rule": "knock_restricted", "allow": [ALLOWED]}, {"!space"}, id="or by knocking"),
        pytest.param({"join_rule": "invite", "allow": [ALLOWED]}, set(), id="a list without effect"),
        pytest.param({"join_rule": "restricted", "allow": [{"type": "x", "room_id": "!r"}]}, set(), id="another type"),
        pytest.param({"join_rule": "restricted", "allow": [3, {**ALLOWED, "room_id": 5}]}, set(), id="wrong values"),
        pytest.param({"join_rule": "restricted"}, set(), id="no list"),
        pytest.param({"join_rule": {}, "allow": [ALLOWED]}, set(), id="no text"),
    ],
)
def test_rooms_whose_members_can_enter(rule: dict[str, Any], rooms: set[str]) -> None:
    assert state(join_rules=rule).rooms_that_let_in == rooms


@pytest.mark.parametrize(
    ("found", "problems"),
    [
        pytest.param(state(), [], id="none"),
        pytest.param(state(encryption={"algorithm": "x"}), [RoomProblem.ENCRYPTED], id="encrypted"),
        pytest.param(state(tombstone={"replacement_room": "!n"}), [RoomProblem.SUCCESSOR_CLOSED], id="upgraded"),
        pytest.param(state(members={GHOST: "leave"}), [RoomProblem.GHOST_AWAY], id="the ghost left"),
        pytest.param(state(members={GHOST: "ban"}), [RoomProblem.GHOST_BANNED], id="the ghost is banned"),
        pytest.param(state(members={BOT: "invite"}), [RoomProblem.BOT_AWAY], id="the bot is invited only"),
        pytest.param(
            state("11", LEVELS | {"events_default": 1}), [RoomProblem.GHOST_MUTED], id="the ghost lacks power"
        ),
        pytest.param(state("12", LEVELS | {"events_default": 99}), [], id="a creator does not lack power"),
        pytest.param(state("12", LEVELS | {"invite": 49}), [RoomProblem.OPEN_DOOR], id="members invite"),
        pytest.param(state(guest_access={"guest_access": "can_join"}), [RoomProblem.OPEN_DOOR], id="guests enter"),
        pytest.param(state(guest_access={"guest_access": "forbidden"}), [], id="guests do not enter"),
    ],
)
def test_problems(found: RoomState, problems: list[RoomProblem]) -> None:
    assert problems_of(found, GHOST, BOT) == problems


def test_correct_levels_stay() -> None:
    assert repaired_levels(state(), BOT, POWERS, GHOST) is None
    assert repaired_levels(state(), BOT, POWERS) is None


@pytest.mark.parametrize(
    ("version", "levels", "changes"),
    [
        pytest.param("12", {"invite": 0}, {"invite": 50}, id="members invited"),
        pytest.param("12", {"invite": 75}, None, id="a higher level is a choice of people"),
        pytest.param("12", {"users": {BOB: 5}}, {"users": {BOB: 5, **POWERS, BOT: 200}}, id="the bot administers"),
        pytest.param("12", {"events_default": 50}, None, id="a creator may talk"),
        pytest.param(
            "11", {"events_default": 50}, {"users": {**POWERS, BOT: 100, GHOST: 100}}, id="the ghost may talk"
        ),
        pytest.param(
            "12",
            {"events": {"m.room.name": 7}},
            {"events": {"m.room.name": 7, "m.room.encryption": 151}},
            id="encryption is out of reach",
        ),
        pytest.param("11", {"events": {"m.room.name": 7}}, None, id="up to 11 nobody may set such a level"),
    ],
)
def test_levels_are_repaired(version: str, levels: dict[str, Any], changes: dict[str, Any] | None) -> None:
    found = LEVELS | levels
    repaired = repaired_levels(state(version, found), BOT, POWERS, GHOST)
    assert (None if repaired is None else repaired[1]) == (None if changes is None else found | changes)


@pytest.mark.parametrize(("version", "level", "wanted"), [("12", 151, 100), ("12", 150, None), ("11", 201, None)])
def test_admins_may_switch_encryption_on_for_a_bridge_with_keys(version: str, level: int, wanted: int | None) -> None:
    found = LEVELS | {"events": {"m.room.encryption": level, "m.room.name": 7}}
    repaired = repaired_levels(replace(state(version, found), has_keys=True), BOT, POWERS, GHOST)
    expected = None if wanted is None else found | {"events": {"m.room.encryption": wanted, "m.room.name": 7}}
    assert (None if repaired is None else repaired[1]) == expected


def test_a_bridge_that_requires_encryption_reports_rooms_without_it() -> None:
    required = replace(state(), has_keys=True, requires_encryption=True)
    assert problems_of(required, GHOST, BOT) == [RoomProblem.NOT_ENCRYPTED]
    assert RoomProblem.NOT_ENCRYPTED.ends_talk
    encrypted = replace(state(encryption={"algorithm": "x"}), has_keys=True, requires_encryption=True)
    assert problems_of(encrypted, GHOST, BOT) == []


def test_a_half_made_room_gets_levels() -> None:
    events = event_levels(lists_creator=True)
    expected = {"users": {**POWERS, BOT: 200, GHOST: 200}, "invite": 50, "events": events}
    assert repaired_levels(state("11", None), BOT, POWERS, GHOST) == (GHOST, expected)
    assert repaired_levels(state("11", None, {GHOST: "leave"}), BOT, POWERS, GHOST) == (BOT, expected)


@pytest.mark.parametrize(
    ("users", "creators", "editor", "repaired"),
    [
        pytest.param({GHOST: 100, BOT: 0}, [], GHOST, {GHOST: 100, BOT: 100}, id="the creator is not listed"),
        pytest.param({BOT: 0}, [GHOST], GHOST, {BOT: 200}, id="no additional creator is listed"),
        pytest.param({GHOST: 0}, [BOT], BOT, {GHOST: 200}, id="the bot is an additional creator"),
        pytest.param({GHOST: 50, BOT: 60}, [], BOT, {GHOST: 60, BOT: 60}, id="the homeserver grants no more"),
        pytest.param({GHOST: 100, BOT: 100}, [], GHOST, None, id="nothing is to be done"),
    ],
)
def test_levels_of_a_room_that_a_person_created(
    users: dict[str, int], creators: list[str], editor: str, repaired: dict[str, int] | None
) -> None:
    """An administrator has upgraded the room, so that the ghost is not its creator."""
    found: dict[str, Any] = {"users": users, "invite": 50, "events_default": 55, "events": {}}
    create = {"additional_creators": creators}
    upgraded = state("12", found, create=create, creator=ADMIN)
    # Only creators have the power to put encryption out of reach.
    events = {"m.room.encryption": 151} if editor in creators else {}
    expected = None if repaired is None else (editor, found | {"users": repaired, "events": events})
    assert repaired_levels(upgraded, BOT, POWERS, GHOST) == expected
