"""The power levels of a new room, for a room whose levels people changed, as pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.rooms.power_levels import (
    MAX_UNNAMED,
    as_object,
    has_unnamed_level,
    level_of,
    role_powers,
    strongest,
)
from agent_bridge.core.servers import ChannelType
from agent_bridge.matrix.rooms import (
    ADMIN_POWER,
    BRIDGE_POWER,
    CHANNEL,
    LOG_POWER,
    MODERATOR_POWER,
    MUTED_POWER,
    POWER_LEVELS,
    channel_event_levels,
    event_levels,
    message_level,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.room_state import RoomState

#: The levels of a new room besides those of events and users.
_DEFAULTS = {
    "ban": MODERATOR_POWER,
    "kick": MODERATOR_POWER,
    "redact": MODERATOR_POWER,
    "state_default": MODERATOR_POWER,
    "events_default": 0,
    "users_default": 0,
    "invite": MODERATOR_POWER,
}


def present_powers(state: RoomState, roles: Roles) -> dict[str, int]:
    """Return the power levels, by user id, that people have in a room: those of their roles, and of mutes."""
    book = roles.book_in(state.room_id)
    unnamed = [user for user in sorted(state.members("join")) if has_unnamed_level(book, user)]
    levels = {user: level_of(book.role_of(user)) for user in unnamed[:MAX_UNNAMED]}
    muted = [user for room, user in roles.mutes.until if room == state.room_id]
    return role_powers(book) | levels | dict.fromkeys(muted, MUTED_POWER)


def fresh_levels(
    state: RoomState, bot: str, powers: Mapping[str, int], speaker: str | None = None
) -> tuple[str, dict[str, Any]] | None:
    """Return the user that gives the room the levels of a new one, and the content.

    None: the room has them, or neither user may change levels. Levels that the homeserver does not let the user change
    stay, such as those of users with as much power.
    """
    editor = strongest(state, [bot] if speaker is None else [speaker, bot])
    if state.has_levels and not state.may_set(editor, POWER_LEVELS):
        return None
    power = state.power(editor)
    found = state.content(POWER_LEVELS)
    events = as_object(found.get("events"))
    channel = _channel_type(state, bot)
    changes = _DEFAULTS | {"events_default": _message_level(state, channel)}
    levels = dict(found)
    for key, level in changes.items():
        present = found.get(key, _DEFAULTS[key] if key != "invite" else 0)
        if present != level and _can_change(present, level, power):
            levels[key] = level
    event_wanted = event_levels(lists_creator=state.lists_creator, has_keys=state.has_keys)
    if channel is not None:
        event_wanted |= channel_event_levels(channel)
    if (changed := _changed(events, event_wanted, power, power)) != events:
        levels["events"] = changed
    wanted = {**powers, bot: BRIDGE_POWER, **({} if speaker is None else {speaker: BRIDGE_POWER})}
    wanted = {user: int(min(level, power)) for user, level in wanted.items()}
    wanted = {user: level for user, level in wanted.items() if user not in state.creators_above_levels}
    users = as_object(found.get("users"))
    if channel is ChannelType.LOG:
        wanted = {user: level for user, level in users.items() if level == LOG_POWER} | wanted
    others = {user: level for user, level in users.items() if user != editor}
    kept = {user: level for user, level in users.items() if user == editor}
    others_wanted = {user: level for user, level in wanted.items() if user != editor}
    # Nobody changes the level of an equal.
    if (changed := _changed(others, others_wanted, power, power - 1) | kept) != users:
        levels["users"] = changed
    return None if levels == found else (editor, levels)


def _channel_type(state: RoomState, bot: str) -> ChannelType | None:
    """Return the type of a channel, which the bot has written into its room; None: the room is no channel."""
    kind = state.content(CHANNEL).get("type")
    return ChannelType(kind) if state.sender(CHANNEL) == bot and kind in set(ChannelType) else None


def _message_level(state: RoomState, channel: ChannelType | None) -> int:
    if state.is_space:
        return ADMIN_POWER
    return 0 if channel is None else message_level(channel)


def _changed(present: Mapping[str, Any], wanted: Mapping[str, int], power: float, highest: float) -> dict[str, Any]:
    """Return *wanted* as far as a user of *power* can set it, with the levels of *present* that are above *highest*."""
    kept = {key: level for key, level in present.items() if type(level) is int and level > highest}
    reachable = {key: level for key, level in wanted.items() if level <= power}
    same = {key: level for key, level in present.items() if wanted.get(key) == level}
    return reachable | same | kept


def _can_change(present: object, level: int, power: float) -> bool:
    return (type(present) is not int or present <= power) and level <= power
