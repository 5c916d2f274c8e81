"""The levels of a new room, for rooms of each version whose levels people changed."""

from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.bridge.rooms.fresh_levels import fresh_levels, present_powers
from agent_bridge.core.ids import Namespace
from agent_bridge.core.live import Live
from agent_bridge.core.roles import EVERYWHERE, Mutes, Role, RoleBook, Roles
from agent_bridge.core.servers import ChannelType
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import (
    BRIDGE_POWER,
    CHANNEL,
    LOG_POWER,
    MUTED_POWER,
    channel_event_levels,
    channel_state,
    event_levels,
    message_level,
)

BOT, GHOST, ADMIN, EVE, BOB = "@bot:x", "@agent_ada:x", "@admin:x", "@eve:x", "@bob:x"
POWERS = {ADMIN: 100}


def room(
    version: str,
    levels: dict[str, Any],
    *,
    creator: str = GHOST,
    more: list[str] | None = None,
    members: tuple[str, ...] = (BOT, GHOST),
) -> RoomState:
    memberships = [
        {"type": "m.room.member", "state_key": user, "sender": user, "content": {"membership": "join"}}
        for user in members
    ]
    create = {"room_version": version, **({} if more is None else {"additional_creators": more})}
    events = [
        {"type": "m.room.create", "state_key": "", "sender": creator, "content": create},
        {"type": "m.room.power_levels", "state_key": "", "sender": ADMIN, "content": levels},
        *memberships,
    ]
    return RoomState.of("!r:x", events)


def fresh(version: str, *, bridge: int = 150) -> dict[str, Any]:
    lists = version != "12"
    users = {ADMIN: 100} | ({BOT: bridge, GHOST: bridge} if lists else {})
    events = event_levels(lists_creator=lists)
    if lists:
        # Nobody has the power to set it later.
        del events["m.room.encryption"]
    return {"users": users, "invite": 50, "events": events}


@pytest.mark.parametrize("version", ["1", "6", "10", "11", "12"])
def test_all_choices_of_people_are_replaced(version: str) -> None:
    chosen = fresh(version)
    chosen |= {"kick": 0, "ban": 0, "events_default": 20, "users_default": 1, "state_default": 0, "redact": 7}
    chosen["users"] = chosen["users"] | {EVE: 99, ADMIN: 0}
    chosen["events"] = {"m.room.name": 0, "m.reaction": 30}
    found = fresh_levels(room(version, chosen, more=[BOT] if version == "12" else None), BOT, POWERS, GHOST)
    assert found is not None
    defaults = {"kick": 50, "ban": 50, "events_default": 0, "users_default": 0, "state_default": 50, "redact": 50}
    assert found == (GHOST, fresh(version) | defaults)
    after = room(version, found[1], more=[BOT] if version == "12" else None)
    assert fresh_levels(after, BOT, POWERS, GHOST) is None


def test_levels_above_the_editor_stay() -> None:
    """The room is from an earlier version of the bridge, and an owner of it has given itself the same level."""
    chosen = fresh("11", bridge=100)
    chosen["users"] = chosen["users"] | {EVE: 100, "@low:x": 99}
    chosen["events"] = chosen["events"] | {"m.room.topic": 101, "m.room.name": 100}
    found = fresh_levels(room("11", chosen), BOT, POWERS, GHOST)
    assert found is not None
    assert found[1]["users"] == {ADMIN: 100, EVE: 100, BOT: 100, GHOST: 100}
    assert found[1]["events"]["m.room.topic"] == 101
    assert found[1]["events"]["m.room.name"] == 50
    assert fresh_levels(room("11", found[1]), BOT, POWERS, GHOST) is None


def test_a_bridge_without_power_changes_nothing() -> None:
    levels = {"users": {EVE: 100}, "events": {"m.room.name": 50}, "invite": 50, "state_default": 50}
    assert fresh_levels(room("10", levels, creator=EVE), BOT, POWERS, GHOST) is None


@pytest.mark.parametrize("broken", ["x", None, [], 7])
def test_values_of_the_wrong_type(broken: object) -> None:
    found = fresh_levels(room("12", {"users": broken, "events": broken, "ban": broken}), BOT, POWERS, GHOST)
    assert found is not None
    assert found[1]["users"] == {ADMIN: 100, BOT: BRIDGE_POWER}


def test_the_levels_of_roles_and_mutes_are_no_choices_of_people() -> None:
    """A pattern gives a role to members that it does not name; a mute counts in its room."""
    chosen = fresh("12")
    chosen["users"] = {ADMIN: 100, EVE: 50, BOB: MUTED_POWER, "@edna:x": 50}
    book = RoleBook({ADMIN: Role.ADMIN, "@e*:x": Role.MODERATOR, "x": Role.MEMBER})
    mutes = Mutes({("!r:x", BOB): None, ("!other:x", ADMIN): None, (EVERYWHERE, ADMIN): None})
    roles = Roles(Live(book), Namespace("x", "bot", "agent_"), Live(mutes))
    before = room("12", chosen, more=[BOT], members=(BOT, GHOST, ADMIN, EVE, BOB))
    powers = present_powers(before, roles)
    assert powers == {ADMIN: 100, EVE: 50, BOB: MUTED_POWER}
    found = fresh_levels(before, BOT, powers, GHOST)
    assert found is not None
    assert found[1]["users"] == powers
    after = room("12", found[1], more=[BOT], members=(BOT, GHOST, ADMIN, EVE, BOB))
    assert fresh_levels(after, BOT, powers, GHOST) is None


@pytest.mark.parametrize("kind", ChannelType)
@pytest.mark.parametrize("sender", [BOT, EVE])
def test_a_channel_has_the_levels_of_its_type(kind: ChannelType, sender: str) -> None:
    mark = {"type": CHANNEL, "state_key": "", "sender": sender, "content": channel_state(kind, "k", "")}
    chosen = fresh("11") | {"events_default": 20, "events": {"m.reaction": 30}}
    chosen["users"] = chosen["users"] | {GHOST: LOG_POWER, BOB: LOG_POWER}
    before = room("11", chosen, creator=BOT)
    found = fresh_levels(RoomState.of("!r:x", [*before.events.values(), mark]), BOT, POWERS)
    assert found is not None
    # Only the bot tells the type.
    is_told = sender == BOT
    extra = channel_event_levels(kind) if is_told else {}
    assert found[1]["events_default"] == (message_level(kind) if is_told else 0)
    assert {key: found[1]["events"].get(key) for key in extra} == extra
    assert (BOB in found[1]["users"]) is (is_told and kind is ChannelType.LOG)
    after = room("11", found[1], creator=BOT)
    assert fresh_levels(RoomState.of("!r:x", [*after.events.values(), mark]), BOT, POWERS) is None
