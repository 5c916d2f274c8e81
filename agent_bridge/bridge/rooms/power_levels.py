"""Roles as power levels of rooms, and the levels that a room of the bridge needs, as pure functions."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from agent_bridge.core.roles import Role, SourceKind
from agent_bridge.matrix.rooms import (
    ADMIN_POWER,
    BRIDGE_POWER,
    ENCRYPTION,
    MODERATOR_POWER,
    OUT_OF_REACH,
    OWNER_POWER,
    POWER_LEVELS,
    event_levels,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.core.roles import RoleBook
    from agent_bridge.matrix.room_state import RoomState

#: Power levels of the roles; other roles have none.
_POWERS = {Role.OWNER: OWNER_POWER, Role.ADMIN: ADMIN_POWER, Role.MODERATOR: MODERATOR_POWER}
#: Members with a level because of a pattern or a domain, at most: the event has to stay small.
MAX_UNNAMED = 300
#: Bytes of the levels of the users that the book names, at most: an event has 64 KiB (spec, "Size limits").
MAX_NAMED_BYTES = 32_000
#: Bytes of a level and the signs around it: ``"":150,``.
_LEVEL_BYTES = 7
#: Sources of a role that name no user.
_UNNAMED = frozenset({SourceKind.PATTERN, SourceKind.DOMAIN, SourceKind.ANYONE})


def level_of(role: Role) -> int:
    """Return the power level of *role*; 0 for roles without one."""
    return _POWERS.get(role, 0)


def role_powers(book: RoleBook) -> dict[str, int]:
    """Return the power levels, by user id, of the moderators, admins and owners that the *book* names.

    Of too many for one event, those of the highest roles have a level, in the order of their user ids.
    """
    powers = {user: _POWERS[book.role_of(user)] for user in book.named(Role.MODERATOR)}
    sizes = {user: len(user.encode()) + _LEVEL_BYTES for user in powers}
    if sum(sizes.values()) <= MAX_NAMED_BYTES:
        return powers
    ranked = sorted(powers, key=lambda user: (-powers[user], user))
    ends = accumulate(sizes[user] for user in ranked)
    return {user: powers[user] for user, end in zip(ranked, ends, strict=True) if end <= MAX_NAMED_BYTES}


def crowded_out(book: RoleBook) -> frozenset[str]:
    """Return the users that the *book* names for a power level, and that have none: too many are named."""
    return frozenset(book.named(Role.MODERATOR)) - role_powers(book).keys()


def has_unnamed_level(book: RoleBook, user: str) -> bool:
    """Tell whether *user* has a role with a power level because of a pattern or a domain."""
    source = book.source_of(user)
    return source.kind in _UNNAMED and source.role >= Role.MODERATOR


def repaired_levels(
    state: RoomState, bot: str, powers: Mapping[str, int], speaker: str | None = None
) -> tuple[str, dict[str, Any]] | None:
    """Return the user that repairs the levels of a room, and the content of ``m.room.power_levels``; None if no repair.

    The *bot* administers the room; if it does not, people get the *powers* again, too. The *speaker* may send
    messages. Members without the power of a moderator invite nobody. Where the creator is above all levels, nobody else
    switches encryption on, unless the bridge has keys: then admins may. A room that was left half-made gets all levels.
    All other levels stay as they are: people may have chosen them. Changes that the homeserver refuses to the user are
    left out (spec, "Authorization rules").
    """
    editor = strongest(state, [bot] if speaker is None else [speaker, bot])
    # The first levels of a room can be any.
    power = state.power(editor) if state.has_levels else math.inf
    found = state.content(POWER_LEVELS)
    wanted = {**powers, bot: BRIDGE_POWER} if state.power(bot) < ADMIN_POWER or not state.has_levels else {}
    if speaker is not None and (not state.may_talk(speaker) or (state.lists_creator and not state.has_levels)):
        wanted[speaker] = BRIDGE_POWER
    levels = dict(found) | {"users": _raised(state, wanted, power)}
    if state.invite_level < MODERATOR_POWER <= power:
        levels["invite"] = MODERATOR_POWER
    if not state.has_levels:
        levels["events"] = event_levels(lists_creator=state.lists_creator, has_keys=state.has_keys)
    elif not state.is_encrypted and (encrypts := _encryption_level(state, power)) is not None:
        levels["events"] = as_object(found.get("events")) | {ENCRYPTION: encrypts}
    return None if levels == found else (editor, levels)


def _encryption_level(state: RoomState, power: float) -> int | None:
    """Return the level that a user of *power* gives to encryption; None: it stays."""
    present = state.level(ENCRYPTION, state=True)
    if power < max(present, OUT_OF_REACH) or (present >= OUT_OF_REACH) != state.has_keys:
        return None
    return ADMIN_POWER if state.has_keys else OUT_OF_REACH


def strongest(state: RoomState, users: Sequence[str]) -> str:
    """Return the one of *users* with the most power, of those in the room; the first one of several."""
    return max(users, key=lambda user: (state.membership(user) == "join", state.power(user)))


def _raised(state: RoomState, wanted: Mapping[str, int], power: float) -> dict[str, Any]:
    """Return the levels of all users, those of *wanted* raised as far as a user of *power* can do it."""
    changes: dict[str, Any] = {}
    for user, level in wanted.items():
        reachable = int(min(level, power))
        is_lower = not state.has_levels or state.power(user) < reachable
        if is_lower and user not in state.creators_above_levels:
            changes[user] = reachable
    return as_object(state.content(POWER_LEVELS).get("users")) | changes


def as_object(value: object) -> dict[str, Any]:
    """Return a copy of *value* if it is an object; else an empty one."""
    return dict(value) if isinstance(value, dict) else {}
