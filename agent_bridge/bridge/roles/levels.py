"""The power levels and the members that a room has by a book of roles, as pure functions.

A level is the bridge's own if it is the one of the user's role in the book that the room has. Own levels follow the
role. A level that people set stays, but a user whose role falls loses the power above the new role.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.rooms.power_levels import MAX_UNNAMED, crowded_out, has_unnamed_level, level_of
from agent_bridge.core.roles import Role
from agent_bridge.matrix.rooms import ADMIN_POWER, MUTED_POWER, POWER_LEVELS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from agent_bridge.core.roles import RoleBook
    from agent_bridge.matrix.room_state import RoomState


@dataclass(frozen=True, slots=True)
class LevelChange:
    """The difference between the power levels of a room and those by a book."""

    #: Content of ``m.room.power_levels``; None: it is to stay.
    content: dict[str, Any] | None
    #: Users whose levels nobody of the bridge can change: they have at least its own.
    stuck: tuple[str, ...]


def level_change(
    state: RoomState,
    editor: str,
    old: RoleBook | None,
    new: RoleBook,
    *,
    ours: Collection[str],
    members: Iterable[str] = (),
    muted: Collection[str] = (),
) -> LevelChange:
    """Return the change that gives a room the levels by the book *new*, as far as *editor* may make it.

    *old* is the book that the room has; None: its levels are of an earlier program, and only missing ones are added.
    *state* has the ``m.room.create`` and ``m.room.power_levels`` of the room. *ours* are the bridge's users in it, and
    *members* the users in it, as far as patterns or domains give levels. *muted* users keep the level of a mute.
    """
    is_powerless = state.power(editor) < state.level(POWER_LEVELS, state=True)
    cap = math.inf if is_powerless else state.power(editor)
    changes: dict[str, int] = {}
    stuck: list[str] = []
    concerned = _concerned(state.user_levels, old, new, members)
    crowded = crowded_out(new)
    had_no_room = crowded_out(old) if old is not None else frozenset()
    # A mute may have yet to be applied, or may just have ended: then the level follows the role.
    silent = {user for user in muted if state.power(user) <= MUTED_POWER}
    for user in sorted(concerned - {*ours, *state.creators_above_levels, *silent}):
        level = state.default_level if user in crowded else _level_by(new, user, state)
        now, wanted = state.power(user), min(level, cap)
        fits_now = user in had_no_room and user not in state.user_levels and now < wanted
        if now == wanted or not (fits_now or _is_to_change(state, user, wanted, old, new, cap)):
            continue
        if now >= cap or is_powerless:
            # Nobody changes the level of an equal (spec, "Authorization rules").
            stuck.append(user)
        else:
            changes[user] = int(wanted)
    return LevelChange(_content(state, changes), tuple(stuck))


def mute_change(state: RoomState, editor: str, user: str) -> LevelChange:
    """Return the change after which *user* may not send messages, as far as *editor* may make it."""
    if state.power(user) <= MUTED_POWER or state.level("m.room.message") <= MUTED_POWER:
        return LevelChange(None, ())
    if not _may_change(state, editor, user):
        return LevelChange(None, (user,))
    return LevelChange(_content(state, {user: MUTED_POWER}), ())


def unmute_change(state: RoomState, editor: str, user: str, before: int | None, book: RoleBook) -> LevelChange:
    """Return the change that gives *user* the level *before* the mute; None: the one of the role in *book*.

    A level that people have set since stays.
    """
    if state.user_levels.get(user) != MUTED_POWER or not _may_change(state, editor, user):
        return LevelChange(None, ())
    wanted = min(_level_by(book, user, state) if before is None else before, state.power(editor))
    return LevelChange(_content(state, {user: int(wanted)}), ())


def level_by_people(state: RoomState, editor: str, user: str, book: RoleBook | None) -> int | None:
    """Return the level of *user* if people set it; None if it is the one of the role in *book*, or of all users."""
    found = state.user_levels.get(user)
    if found is None or (book is not None and found in _own_levels(book, user, state, state.power(editor))):
        return None
    return found


def loses(old: RoleBook, new: RoleBook, user: str) -> bool:
    """Tell whether *user* has to leave the rooms of the bridge: a member by the book *old*, and nobody by *new*."""
    return old.role_of(user) >= Role.MEMBER and new.role_of(user) is Role.NONE


def named_losers(old: RoleBook, new: RoleBook) -> list[str]:
    """Return the users that one of both books names and that :func:`loses` tells."""
    named = dict.fromkeys([*old.named(Role.NONE), *new.named(Role.NONE)])
    return [user for user in named if loses(old, new, user)]


def fallen(old: RoleBook, new: RoleBook, users: Iterable[str]) -> dict[str, int]:
    """Return the levels by the book *new* of those of *users* whose role is higher in *old*."""
    lower = {user: new.role_of(user) for user in users if new.role_of(user) < old.role_of(user)}
    return {user: level_of(role) for user, role in lower.items()}


def losers_of(old: RoleBook, new: RoleBook, others: Iterable[str]) -> list[str]:
    """Return the users that :func:`loses` tells, in order: those that the books name, and those of *others*."""
    return sorted({*named_losers(old, new), *(user for user in others if loses(old, new, user))})


def may_lose_others(old: RoleBook, new: RoleBook) -> bool:
    """Tell whether :func:`loses` may tell it of users that no book names: another pattern or domain counts."""
    return old.unnamed != new.unnamed


def gives_unnamed_levels(*books: RoleBook | None) -> bool:
    """Tell whether a pattern or a domain of *books* gives a role with a power level."""
    return any(role >= Role.MODERATOR for book in books if book is not None for _, role in book.unnamed)


def _concerned(users: Mapping[str, int], old: RoleBook | None, new: RoleBook, members: Iterable[str]) -> set[str]:
    """Return the users whose levels may have to change."""
    books = [new] if old is None else [old, new]
    unnamed = [user for user in members if any(has_unnamed_level(book, user) for book in books)]
    named = {user for book in books for user in book.named(Role.MODERATOR)}
    return {*users, *named, *unnamed[:MAX_UNNAMED]}


def _is_to_change(state: RoomState, user: str, wanted: float, old: RoleBook | None, new: RoleBook, cap: float) -> bool:
    """Tell whether the level of *user* is the bridge's own, or above a role that fell."""
    now = state.power(user)
    lacks = user not in state.user_levels and now < wanted
    if old is None:
        return lacks
    if lacks and has_unnamed_level(new, user):
        # No book names the user, who entered after the room had the book.
        return True
    fell = new.role_of(user) < old.role_of(user)
    return now in _own_levels(old, user, state, cap) or (fell and now > wanted)


def _level_by(book: RoleBook, user: str, state: RoomState) -> int:
    """Return the level of *user* by *book*: at least the one of all users of the room."""
    level = level_of(book.role_of(user))
    return max(level, state.default_level) if level else state.default_level


def _own_levels(book: RoleBook, user: str, state: RoomState, cap: float) -> set[float]:
    """Return the levels that the bridge may have given *user* by *book*: a room of an older version had a lower cap."""
    level = _level_by(book, user, state)
    return {min(level, cap), min(level, ADMIN_POWER)}


def _may_change(state: RoomState, editor: str, user: str) -> bool:
    power = state.power(editor)
    return power > state.power(user) and power >= state.level(POWER_LEVELS, state=True)


def _content(state: RoomState, changes: Mapping[str, int]) -> dict[str, Any] | None:
    """Return the levels of the room with *changes*, everything else as it is; None without a change."""
    if not changes:
        return None
    content = dict(state.content(POWER_LEVELS))
    found = content.get("users")
    users = dict(found) if isinstance(found, dict) else {}
    for user, level in changes.items():
        if level == state.default_level:
            users.pop(user, None)
        else:
            users[user] = level
    return {**content, "users": users}
