"""Repairs the power levels of rooms. One part of the bridge after the other changes those of a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.queue.key_locks import KeyLocks
from agent_bridge.bridge.rooms.editor import chosen_by_person
from agent_bridge.bridge.rooms.fresh_levels import fresh_levels, present_powers
from agent_bridge.bridge.rooms.power_levels import repaired_levels, role_powers
from agent_bridge.matrix.rooms import GUESTS, POWER_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.room_state import RoomState

    #: Returns the user that changes the levels, and their content; None: no change.
    Change = Callable[[RoomState], tuple[str, dict[str, Any]] | None]

_log = structlog.stdlib.get_logger(__name__)

#: Of rooms whose levels are read and written at this moment. Several parts of the leader change levels, and each of
#: them reads the whole content before it writes it.
_locks = KeyLocks()


async def change_levels(editor: StateEditor, state: RoomState, reader: str, change: Change) -> bool:
    """Change the power levels of a room, one part of the bridge after the other; tell whether they changed.

    The levels in *state* may be old: *change* gets the state with those that *reader* reads now, if there is a change.

    Raises:
        HomeserverRefused: a user has not the power for it.
    """
    if change(state) is None:
        return False
    async with level_lock(state.room_id):
        found = change(await editor.present(state, POWER_LEVELS, reader))
        if found is None:
            return False
        user, levels = found
        is_changed = await editor.edit(state, POWER_LEVELS, levels, as_user=user)
        if is_changed and not editor.is_dry:
            _log.info("repaired the power levels of a room", room=state.room_id, editor=user)
        return is_changed


def level_lock(room_id: str) -> AbstractAsyncContextManager[None]:
    """Return the lock under which a part of the bridge reads the power levels of a room and writes them."""
    return _locks.hold(room_id)


async def repair_needed_levels(
    editor: StateEditor, state: RoomState, bot: str, powers: Mapping[str, int], speaker: str | None = None
) -> bool:
    """Set the power levels that the bridge needs in a room, also if a person changed them; tell whether they changed.

    Raises:
        HomeserverRefused: neither the bot nor the *speaker* has the power for it.
    """
    reader = _reader(state, bot, speaker)
    return await change_levels(editor, state, reader, lambda found: repaired_levels(found, bot, powers, speaker))


async def repair_levels(
    editor: StateEditor, state: RoomState, bot: str, roles: Roles, speaker: str | None = None
) -> bool:
    """Set the power levels that the bridge needs in a room; tell whether they changed.

    The others stay as people chose them, unless the editor replaces their choices.

    Raises:
        HomeserverRefused: neither the bot nor the *speaker* has the power for it.
    """
    powers, present = role_powers(roles.book_in(state.room_id)), present_powers(state, roles)
    if editor.is_forced and fresh_levels(state, bot, present, speaker) is not None:
        reader = _reader(state, bot, speaker)
        return await change_levels(editor, state, reader, lambda found: fresh_levels(found, bot, present, speaker))
    if chosen_by_person(state, POWER_LEVELS, editor.namespace, is_applied=False):
        needed = repaired_levels(state, bot, powers, speaker)
        left = state if needed is None else state.with_content(POWER_LEVELS, needed[1])
        if fresh_levels(left, bot, present, speaker) is not None:
            # Of a repair of the others, the bridge is the sender: later repairs do not see that a person chose these.
            editor.keep(state, POWER_LEVELS)
    return await repair_needed_levels(editor, state, bot, powers, speaker)


def _reader(state: RoomState, bot: str, speaker: str | None) -> str:
    return speaker if speaker is not None and state.membership(speaker) == "join" else bot


async def repair_access(editor: StateEditor, state: RoomState, roles: Roles) -> None:
    """Repair the power levels of a room of the bot, and keep guests out, unless a person let them in.

    Raises:
        HomeserverRefused: the bot has not the power for it.
    """
    await repair_levels(editor, state, editor.namespace.bot, roles)
    if state.content(GUESTS).get("guest_access") == "can_join":
        await editor.content(state, GUESTS, {"guest_access": "forbidden"})
