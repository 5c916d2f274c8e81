"""Rooms in which a person and the bot are alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.entry import create_or_replace
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.rooms import KindName
from agent_bridge.matrix.rooms import MODERATOR_POWER, RoomPlan, direct_content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.roles import RoleStore
    from agent_bridge.store.rooms import Rooms

_log = structlog.stdlib.get_logger(__name__)

#: Rooms that are looked at.
_MOST_ROOMS = 10
_PRESENT = frozenset({"join", "invite", "knock"})


async def private_room(
    homeserver: Homeserver, user: str, rooms: Iterable[str], *, memberships: frozenset[str] = frozenset({"join"})
) -> str | None:
    """Return the first of *rooms* in which *user*, with one of *memberships*, and the bot are alone; None without one.

    Raises:
        HomeserverUnavailable: the members of a room are not known.
    """
    for room_id in list(dict.fromkeys(rooms))[:_MOST_ROOMS]:
        try:
            members = await homeserver.members(room_id)
        except HomeserverRefused:
            # The bot is not in the room any more.
            continue
        present = {member for member, membership in members.items() if membership in _PRESENT}
        if present == {user, homeserver.namespace.bot} and members[user] in memberships:
            return room_id
    return None


class BotChats:
    """Finds the direct chat of a person with the bot, or makes one."""

    def __init__(
        self, homeserver: Homeserver, rooms: Rooms, role_store: RoleStore, roles: Roles, version: str | None
    ) -> None:
        self._homeserver = homeserver
        self._rooms = rooms
        self._role_store = role_store
        self._roles = roles
        #: Version of new rooms; None: the default of the homeserver.
        self._version = version

    async def find(self, user: str, known: str | None) -> str:
        """Return a room in which *user* and the bot are alone: *known*, one of the person, or a new one.

        Raises:
            HomeserverError, StoreError: there may be a new room; a repeat finds it by its alias.
        """
        rooms = [*([] if known is None else [known]), *await self._role_store.bot_rooms(user)]
        found = await private_room(self._homeserver, user, rooms, memberships=frozenset({"join", "invite"}))
        return found or await self._make(user)

    async def _make(self, user: str) -> str:
        """Make the room, or find it by its alias, and invite the person. A room with others loses the alias."""
        namespace = self._homeserver.namespace
        content = direct_content(await self._plan(user), person=user)
        made = await create_or_replace(self._homeserver, content, namespace.bot)
        members = await self._homeserver.members(made.room_id)
        if {each for each, membership in members.items() if membership in _PRESENT} - {user, namespace.bot}:
            _log.info("the direct chat with the bot has other members: making another one", room=made.room_id)
            await self._homeserver.remove_alias(namespace.alias(content["room_alias_name"]))
            made = await self._homeserver.create_room(content, namespace.bot)
            members = await self._homeserver.members(made.room_id)
        if members.get(user) not in {"join", "invite"}:
            await self._homeserver.invite_directly(made.room_id, user, namespace.bot)
        create = await self._homeserver.state(made.room_id, "m.room.create")
        # Every message in it is a command.
        seen, roles = str((create or {}).get("event_id", "")), self._roles.book.version or None
        await self._rooms.enter(made.room_id, KindName.BOT, seen, roles=roles if made.fresh else None)
        return made.room_id

    async def _plan(self, user: str) -> RoomPlan:
        namespace = self._homeserver.namespace
        return RoomPlan(
            alias=namespace.bot_chat_alias_localpart(user),
            name="",
            topic="",
            creator=namespace.bot,
            lists_creator=await self._homeserver.lists_creator(self._version),
            powers={user: MODERATOR_POWER},
            version=self._version,
        )
