"""Chats of a person with the bot in which nobody else is: the places for secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors import HomeserverRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.matrix.client import Homeserver

#: Rooms that are looked at.
_MOST_ROOMS = 10


async def private_room(homeserver: Homeserver, user: str, rooms: Iterable[str]) -> str | None:
    """Return the first of *rooms* in which *user* and the bot are alone; None if there is none."""
    for room_id in list(dict.fromkeys(rooms))[:_MOST_ROOMS]:
        try:
            members = await homeserver.members(room_id)
        except HomeserverRefused:
            # The bot is not in the room any more.
            continue
        present = {member for member, membership in members.items() if membership in {"join", "invite", "knock"}}
        if present == {user, homeserver.namespace.bot} and members[user] == "join":
            return room_id
    return None
