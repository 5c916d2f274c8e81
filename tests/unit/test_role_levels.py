"""Power levels by a book of roles: every room version, every change of a role, levels of people, a weak bot."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.roles.levels import (
    LevelChange,
    gives_unnamed_levels,
    level_by_people,
    level_change,
    may_lose_others,
    mute_change,
    named_losers,
    unmute_change,
)
from agent_bridge.bridge.rooms.power_levels import has_unnamed_level, role_powers
from agent_bridge.core.roles import Assignment, Role, RoleBook
from agent_bridge.matrix.room_state import RoomState

GHOST, BOT, ANN, BOB, EVE = (f"@{name}:example.org" for name in ("agent_frida", "agentbridge", "ann", "bob", "eve"))
OURS = (GHOST, BOT)
#: Room versions whose levels list the creator, and the newest one.
OLD_VERSIONS = ["1", "6", "8", "10", "11"]
VERSIONS = [*OLD_VERSIONS, "12"]
AT = datetime(2026, 1, 1, tzinfo=UTC)


def book(**roles: Role) -> RoleBook:
    """Return a book that names users by their localparts."""
    permissions = {f"@{name}:example.org": role for name, role in roles.items()}
    return RoleBook({"example.org": Role.MEMBER} | permissions)


def room(version: str, users: dict[str, Any], bridge: int = 200, **levels: Any) -> RoomState:
    """Return a room of a ghost in which *users* and, where they are listed, ghost and bot have levels."""
    ours: dict[str, Any] = {} if version == "12" else dict.fromkeys(OURS, bridge)
    create: dict[str, Any] = {"room_version": version}
    if version == "12":
        create["additional_creators"] = [BOT]
    contents = {"m.room.create": create, "m.room.power_levels": {"users": ours | users, "ban": 77} | levels}
    events = [{"type": kind, "state_key": "", "sender": GHOST, "content": each} for kind, each in contents.items()]
    return RoomState.of("!room", events)


def users_of(change: LevelChange) -> dict[str, int] | None:
    """Return the levels of people after *change*; None if nothing changes."""
    if change.content is None:
        return None
    assert change.content["ban"] == 77, "other levels stay"
    return {user: level for user, level in change.content["users"].items() if user not in OURS}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        (Role.MEMBER, Role.MODERATOR, {}, {BOB: 50}),
        (Role.MEMBER, Role.OWNER, {}, {BOB: 150}),
        (Role.MODERATOR, Role.ADMIN, {BOB: 50}, {BOB: 100}),
        (Role.ADMIN, Role.MODERATOR, {BOB: 100}, {BOB: 50}),
        (Role.ADMIN, Role.MEMBER, {BOB: 100}, {}),
        (Role.OWNER, Role.NONE, {BOB: 150}, {}),
        (Role.OWNER, Role.ADMIN, {BOB: 150}, {BOB: 100}),
        # An owner had 100 in a room of an older version.
        (Role.OWNER, Role.MODERATOR, {BOB: 100}, {BOB: 50}),
        (Role.NONE, Role.AGENT, {}, None),
        (Role.MODERATOR, Role.MODERATOR, {BOB: 50}, None),
        # A person took the level away.
        (Role.MODERATOR, Role.MODERATOR, {}, None),
    ],
)
def test_own_levels_follow_the_role(
    version: str, old: Role, new: Role, before: dict[str, int], after: dict[str, int] | None
) -> None:
    state = room(version, before)
    change = level_change(state, GHOST, book(bob=old), book(bob=new), ours=OURS)
    assert (users_of(change), change.stuck) == (after, ())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("old", "new", "chosen", "after"),
    [
        # People chose a level; it stays while the role rises or stays.
        (Role.MEMBER, Role.MEMBER, 90, None),
        (Role.MEMBER, Role.MODERATOR, 90, None),
        (Role.MEMBER, Role.ADMIN, 30, None),
        (Role.MODERATOR, Role.MODERATOR, 0, None),
        (Role.NONE, Role.NONE, -1, None),
        # A user whose role falls keeps nothing above the new role.
        (Role.ADMIN, Role.MEMBER, 90, {}),
        (Role.ADMIN, Role.MODERATOR, 90, {BOB: 50}),
        (Role.ADMIN, Role.MODERATOR, 30, None),
        (Role.MEMBER, Role.NONE, 10, {}),
    ],
)
def test_levels_of_people_stay(version: str, old: Role, new: Role, chosen: int, after: dict[str, int] | None) -> None:
    change = level_change(room(version, {BOB: chosen}), GHOST, book(bob=old), book(bob=new), ours=OURS)
    assert users_of(change) == after


@pytest.mark.parametrize("version", OLD_VERSIONS)
def test_nobody_lowers_an_equal_in_an_old_room(version: str) -> None:
    state = room(version, {BOB: 100, EVE: 50}, bridge=100)
    change = level_change(
        state, GHOST, book(bob=Role.ADMIN, eve=Role.MODERATOR), book(bob=Role.MEMBER, eve=Role.ADMIN), ours=OURS
    )
    assert change.stuck == (BOB,)
    # The others change, as far as the bridge reaches.
    assert users_of(change) == {BOB: 100, EVE: 100}


def test_an_owner_gets_the_highest_level_that_can_be_granted() -> None:
    change = level_change(room("10", {}, bridge=100), GHOST, book(), book(bob=Role.OWNER), ours=OURS)
    assert users_of(change) == {BOB: 100}
    assert level_change(room("10", {BOB: 100}, bridge=100), GHOST, book(), book(bob=Role.OWNER), ours=OURS) == (
        LevelChange(None, ())
    )


def test_a_bot_without_power_changes_nothing_and_says_so() -> None:
    state = room("10", {ANN: 100, BOB: 50}, bridge=0)
    state = replace(
        state,
        events={**state.events, ("m.room.power_levels", ""): _with(state, {"events": {"m.room.power_levels": 100}})},
    )
    change = level_change(state, GHOST, book(bob=Role.MODERATOR), book(bob=Role.NONE, eve=Role.ADMIN), ours=OURS)
    assert change == LevelChange(None, (BOB, EVE))


def _with(state: RoomState, more: dict[str, Any]) -> dict[str, Any]:
    event = dict(state.events["m.room.power_levels", ""])
    return event | {"content": {**event["content"], **more}}


def test_a_room_of_an_earlier_program_only_gets_what_it_lacks() -> None:
    state = room("10", {BOB: 100, EVE: 10})
    new = book(ann=Role.MODERATOR, bob=Role.MODERATOR, eve=Role.MODERATOR)
    change = level_change(state, GHOST, None, new, ours=OURS)
    assert users_of(change) == {ANN: 50, BOB: 100, EVE: 10}


def test_creators_are_never_listed() -> None:
    state = room("12", {})
    events = {**state.events, ("m.room.create", ""): {**state.events["m.room.create", ""], "sender": BOB}}
    change = level_change(replace(state, events=events), BOT, book(), book(bob=Role.ADMIN, ann=Role.ADMIN), ours=OURS)
    assert change.content is not None
    assert change.content["users"] == {ANN: 100}


def test_values_of_another_type_stay() -> None:
    state = room("6", {"@odd:x": "50"})
    change = level_change(state, GHOST, book(), book(bob=Role.MODERATOR), ours=OURS)
    assert users_of(change) == {"@odd:x": "50", BOB: 50}


def test_the_level_of_all_users_is_the_lowest() -> None:
    state = room("10", {BOB: 100}, users_default=20)
    change = level_change(state, GHOST, book(bob=Role.ADMIN), book(), ours=OURS)
    assert users_of(change) == {}


def test_patterns_and_domains_give_levels_to_members_only() -> None:
    new = RoleBook({"@mod_*:example.org": Role.MODERATOR, "other.org": Role.ADMIN})
    members = ["@mod_a:example.org", "@x:other.org", BOB, GHOST]
    change = level_change(room("12", {}), GHOST, RoleBook({}), new, ours=OURS, members=members)
    assert users_of(change) == {"@mod_a:example.org": 50, "@x:other.org": 100}
    # One who enters later, and one whose level a person took.
    state = room("12", {"@x:other.org": 0})
    assert users_of(level_change(state, GHOST, new, new, ours=OURS, members=members)) == {
        "@mod_a:example.org": 50,
        "@x:other.org": 0,
    }
    assert gives_unnamed_levels(None, new)
    assert not gives_unnamed_levels(None, book(bob=Role.ADMIN))
    assert has_unnamed_level(new, "@mod_a:example.org")
    assert not has_unnamed_level(book(bob=Role.ADMIN), BOB)


def test_losers() -> None:
    old, new = book(bob=Role.MEMBER, eve=Role.ADMIN), book(bob=Role.NONE, eve=Role.AGENT)
    assert named_losers(old, new) == [BOB]
    assert not may_lose_others(old, new)
    assert may_lose_others(old, RoleBook({"other.org": Role.MEMBER}))
    # A role that somebody gave is taken back.
    given_role = replace(RoleBook({}), assigned={BOB: Assignment(Role.MEMBER, ANN, AT)})
    assert named_losers(given_role, RoleBook({})) == [BOB]
    assert named_losers(RoleBook({}), given_role) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_mute_takes_the_power_to_write_and_gives_the_level_back(version: str) -> None:
    for users, before, role in (({}, None, Role.MEMBER), ({BOB: 50}, None, Role.MODERATOR), ({BOB: 7}, 7, Role.MEMBER)):
        state = room(version, users)
        assert level_by_people(state, GHOST, BOB, book(bob=role)) == before
        muted = mute_change(state, GHOST, BOB)
        assert users_of(muted) == {BOB: -1}
        quiet = room(version, {BOB: -1})
        assert mute_change(quiet, GHOST, BOB) == LevelChange(None, ())
        assert users_of(unmute_change(quiet, GHOST, BOB, before, book(bob=role))) == users
        # The role counts that the user has then, and people may have set another level.
        assert users_of(unmute_change(quiet, GHOST, BOB, None, book(bob=Role.ADMIN))) == {BOB: 100}
        assert unmute_change(room(version, {BOB: 5}), GHOST, BOB, before, book()) == LevelChange(None, ())


def test_a_mute_that_the_room_does_not_permit() -> None:
    assert mute_change(room("10", {BOB: 100}, bridge=100), GHOST, BOB) == LevelChange(None, (BOB,))
    assert mute_change(room("10", {}, bridge=0), GHOST, BOB) == LevelChange(None, (BOB,))
    assert mute_change(room("10", {}, events_default=-5), GHOST, BOB) == LevelChange(None, ())


def test_roles_leave_muted_users_alone() -> None:
    state = room("12", {BOB: -1})
    old, new = book(bob=Role.MODERATOR), book(bob=Role.ADMIN)
    assert level_change(state, GHOST, old, new, ours=OURS, muted=[BOB]).content is None
    # The mute has yet to be applied, or has just ended.
    state, old, new = room("12", {BOB: 70}), book(bob=Role.MODERATOR), book(bob=Role.MEMBER)
    assert users_of(level_change(state, GHOST, old, new, ours=OURS, muted=[BOB])) == {}


ROLES = st.sampled_from(list(Role))
LEVELS = st.one_of(st.none(), st.sampled_from([-1, 0, 7, 50, 90, 100, 150]))


@given(
    version=st.sampled_from(VERSIONS), bridge=st.sampled_from([0, 50, 100, 150, 200]), roles=st.data(), found=st.data()
)
def test_a_change_is_one_that_the_homeserver_permits_and_is_made_once(
    version: str, bridge: int, roles: st.DataObject, found: st.DataObject
) -> None:
    """Spec, "Authorization rules": no level above the own one, no change of an equal; a repeat changes nothing."""
    names = ["ann", "bob", "eve"]
    old, new = (book(**{name: roles.draw(ROLES) for name in names}) for _ in range(2))
    listed = {f"@{name}:example.org": found.draw(LEVELS) for name in names}
    state = room(version, {user: level for user, level in listed.items() if level is not None}, bridge=bridge)
    change = level_change(state, GHOST, old, new, ours=OURS)
    if change.content is None:
        return
    power = state.power(GHOST)
    for user, level in change.content["users"].items():
        if state.user_levels.get(user) != level:
            assert level <= power
            assert user == GHOST or state.power(user) < power
    assert all(state.power(user) < power for user in state.user_levels.keys() - change.content["users"].keys())
    events = {**state.events, ("m.room.power_levels", ""): _with(state, change.content)}
    after = replace(
        state,
        events={
            **events,
            ("m.room.power_levels", ""): {**events["m.room.power_levels", ""], "content": change.content},
        },
    )
    again = level_change(after, GHOST, old, new, ours=OURS)
    assert again.content is None or again.content["users"] != {}
    # A kill between the write and the record of it: the same book is compared again.
    for user in listed:
        if after.power(user) != state.power(user):
            assert again.content is None or again.content["users"].get(user) == change.content["users"].get(user)


def test_the_levels_fit_an_event_and_the_highest_roles_come_first() -> None:
    """An event has 64 KiB, and the users that a configuration names may be more than that."""
    names = [f"a-moderator-with-a-long-name-{number:04}" for number in range(2000)]
    many = book(ann=Role.MODERATOR, zoe=Role.OWNER, **dict.fromkeys(names, Role.MODERATOR))
    change = level_change(room("12", {}), GHOST, None, many, ours=OURS)
    levels = users_of(change) or {}
    assert levels == role_powers(many)
    assert 20_000 < len(json.dumps(levels)) < 40_000
    assert levels["@zoe:example.org"] == 150
    left_out = next(user for user in many.named(Role.MODERATOR) if user not in levels)
    # Nothing changes by the same book, and one more owner takes the place of a moderator.
    full = room("12", levels)
    assert level_change(full, GHOST, many, many, ours=OURS).content is None
    more = RoleBook({**many.permissions, left_out: Role.OWNER})
    after = users_of(level_change(full, GHOST, many, more, ours=OURS)) or {}
    assert after == role_powers(more)
    assert after[left_out] == 150
    # Who had no place gets the level when there is one.
    fewer = book(ann=Role.MODERATOR, zoe=Role.OWNER, **dict.fromkeys(names[1000:], Role.MODERATOR))
    fewer = RoleBook({user: role for user, role in fewer.permissions.items() if user != "@ann:example.org"})
    after = users_of(level_change(full, GHOST, many, fewer, ours=OURS)) or {}
    assert after == role_powers(fewer)
