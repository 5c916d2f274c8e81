"""Entering rooms that may exist already, finding the point from which the bridge goes on in them, and leaving rooms."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import HomeserverRefused, RoomOutOfReach
from agent_bridge.core.results.repairs import Outcome, Part
from agent_bridge.matrix.filters import said_by_others

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.matrix.client import CreatedRoom, Homeserver
    from agent_bridge.matrix.room_state import RoomState

_log = structlog.stdlib.get_logger(__name__)

#: Seconds in which a room that another turn or process makes gets its creator.
_MAKING = 1.0


async def enter(homeserver: Homeserver, room_id: str, users: Sequence[str]) -> RoomState | None:
    """Return the state of a room, which the first of *users* that can do so enters unless one of them is in it.

    None: none of them is in the room or can enter it.

    Raises:
        HomeserverError: it is not known.
    """
    for user in users:
        state = await homeserver.room_state(room_id, user)
        if state is not None:
            return state
    for user in users:
        if await homeserver.can_join(room_id, user):
            return await homeserver.room_state(room_id, user)
    return None


async def enter_again(homeserver: Homeserver, editor: StateEditor, room_id: str) -> RoomState | None:
    """Return the state of a room of the bot, as :func:`enter` does; *editor* notes that the bot was not in it.

    Raises:
        HomeserverError: it is not known.
    """
    state = await homeserver.room_state(room_id)
    if state is None and (state := await enter(homeserver, room_id, [homeserver.namespace.bot])) is not None:
        editor.note(Part.BOT_JOINED, Outcome.SET)
    return state


async def home_by_alias(homeserver: Homeserver, ghost: str) -> str | None:
    """Return the room to which an alias of the home of *ghost* points; None if there is none."""
    for alias in homeserver.namespace.home_aliases(ghost):
        if (room_id := await homeserver.resolve_alias(alias)) is not None:
            return room_id
    return None


async def create(homeserver: Homeserver, content: dict[str, Any], user: str) -> CreatedRoom:
    """Create a room as *user*, or find the one with its alias, which is perhaps made at this moment.

    Raises:
        RoomOutOfReach: *user* cannot enter the room with the alias.
    """
    try:
        return await homeserver.create_room(content, user)
    except RoomOutOfReach:
        # Its creator is perhaps about to enter it.
        await asyncio.sleep(_MAKING)
        return await homeserver.create_room(content, user)


async def create_or_replace(homeserver: Homeserver, content: dict[str, Any], user: str) -> CreatedRoom:
    """Create a room as *user*, or find the one with its alias; the new room takes the alias of one out of reach.

    *user* has left that room, or the homeserver died before *user* was in it.
    """
    try:
        return await create(homeserver, content, user)
    except RoomOutOfReach as error:
        _log.warning("a former room is out of reach: making another one", room=error.room_id, error=str(error))
    await homeserver.remove_alias(homeserver.namespace.alias(content["room_alias_name"]))
    return await homeserver.create_room(content, user)


async def newest_by_people(homeserver: Homeserver, room_id: str, reader: str, *ghosts: str) -> str | None:
    """Return the newest event of a room that is not by the bot or *ghosts*, as *reader* sees it; None without one."""
    others, start = said_by_others(homeserver.namespace, *ghosts), None
    while True:
        # A page may have no such event without being the last one.
        events, start = await homeserver.messages(room_id, limit=1, start=start, as_user=reader, only=others)
        if events or start is None:
            return str(events[0]["event_id"]) if events else None


async def has_spoken(homeserver: Homeserver, room_id: str, reader: str, user: str) -> bool:
    """Tell whether *user* has sent a message in a room, as *reader* sees it."""
    only, start = {"types": ["m.room.message", "m.room.encrypted"], "senders": [user]}, None
    while True:
        # A page may have no such event without being the last one.
        events, start = await homeserver.messages(
            room_id, limit=1, start=start, as_user=reader, only=only, as_sent=True
        )
        if events or start is None:
            return bool(events)


async def leave_for_good(homeserver: Homeserver, room_id: str, users: Iterable[str]) -> None:
    """Have *users* leave a room and forget it, one after the other; a repeat changes nothing.

    Raises:
        HomeserverUnavailable: a repeat continues.
    """
    for user in users:
        try:
            await homeserver.leave(room_id, "", user)
            await homeserver.forget(room_id, user)
        except HomeserverRefused as error:
            _log.info("a room is left already", room=room_id, user=user, error=str(error))
