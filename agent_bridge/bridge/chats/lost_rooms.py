"""Rooms of people that a restored backup lacks: direct chats with agents and with the bot, and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.entry import newest_by_people
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName
from agent_bridge.i18n.catalogue import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.direct_chats import DirectChatStore
    from agent_bridge.store.groups import Groups
    from agent_bridge.store.rooms import Rooms

_log = structlog.stdlib.get_logger(__name__)


class LostRooms:
    """Recognizes rooms of people by their members."""

    def __init__(
        self,
        homeserver: Homeserver,
        direct_chats: DirectChatStore,
        groups: Groups,
        rooms: Rooms,
        roles: Roles,
        adopt_place: Callable[[RoomState], Awaitable[bool]],
        adopt_pair: Callable[[RoomState], Awaitable[bool]],
    ) -> None:
        """Create it.

        *adopt_place* writes a room that is a server or a channel, and tells whether it is one; *adopt_pair* does so
        with the direct room of two agents or two people.
        """
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._direct_chats = direct_chats
        self._groups = groups
        self._rooms = rooms
        self._roles = roles
        self._adopt_place = adopt_place
        self._adopt_pair = adopt_pair

    async def adopt(self, state: RoomState, reader: str) -> None:
        """Write the room of *state*, which the database lacks: a room of the bot, a direct chat, or a group.

        Of the rooms that people made, those that have people with a role count.

        *reader* is a user of the bridge in the room. The messages that people have sent so far were for an earlier
        bridge, and are not answered. A chat with the bot that waited for the choice of an agent takes commands then.

        Raises:
            HomeserverError, StoreError: a repeat continues.
        """
        if await self._is_of_bot(state, reader):
            return
        if state.is_space or state.replacement is not None:
            return
        ours = {user for user in state.members("join") if self._namespace.is_ours(user)}
        people = state.members("join", "invite") - ours
        if not any(self._roles.of(user) >= Role.MEMBER for user in people):
            return
        bot, room_id = self._namespace.bot, state.room_id
        if ours == {bot}:
            if len(people) == 1 and self._is_of_people(state):
                await self._rooms.enter(room_id, KindName.BOT, await self._newest(room_id, reader))
                _log.warning("a chat with the bot is found again", room=room_id)
        elif reader == bot:
            # A ghost in it knows whether it is the only one.
            return
        elif ours == {reader} and len(people) == 1:
            if not state.is_illegible:
                ghost, (person,) = parse_user_id(reader)[0], people
                await self._direct_chats.adopt(room_id, ghost, person, await self._newest(room_id, reader))
                _log.warning("a direct chat is found again", room=room_id)
        elif self._is_of_people(state):
            ghosts = sorted(parse_user_id(user)[0] for user in ours - {bot})
            await self._groups.admit(
                room_id, ghosts, len(people & state.members("join")), await self._newest(room_id, reader)
            )
            _log.warning("a group is found again", room=room_id)

    async def _is_of_bot(self, state: RoomState, reader: str) -> bool:
        """Write a room that the bot has made for others; tell whether it is one."""
        if reader == self._namespace.bot and await self._adopt_place(state):
            return True
        # Both agents have to be known: the ghost that is found last tells.
        return await self._adopt_pair(state)

    def _is_of_people(self, state: RoomState) -> bool:
        """Tell whether a person has made the room: the bridge finds its own rooms by their aliases."""
        return not self._namespace.is_ours(state.sender("m.room.create", "") or "")

    async def _newest(self, room_id: str, reader: str) -> str:
        """Return the newest event of a person in the room: at least, people have entered it."""
        newest = await newest_by_people(self._homeserver, room_id, reader, reader)
        if newest is None:
            raise HomeserverUnavailable(Text("homeserver_invalid"))
        return newest
