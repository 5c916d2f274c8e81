"""People and agents enter and leave servers and channels: for commands and for programs, by the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.invitations import bring_in
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.results.servers import PlaceProblem, PlaceRefused
from agent_bridge.core.servers import Channel, ChannelType, Server
from agent_bridge.matrix.rooms import JOIN_RULES

if TYPE_CHECKING:
    from agent_bridge.bridge.roles.moderation import Moderation
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.core.results.access import Arrival
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.servers import Servers

_log = structlog.stdlib.get_logger(__name__)

#: Types of channels in which agents cannot write.
SILENT = frozenset({ChannelType.ANNOUNCEMENT, ChannelType.VOICE})
_INSIDE = frozenset({"join", "invite", "knock"})


class PlaceMembers:
    """Brings people and ghosts in, and lets them out. The caller checks the permission.

    Every method may be repeated, and raises :class:`HomeserverError` or :class:`StoreError` if a repeat may succeed.
    """

    def __init__(
        self, homeserver: Homeserver, servers: Servers, inviter: Inviter, moderation: Moderation, texts: Texts
    ) -> None:
        self._homeserver = homeserver
        self._bot = homeserver.namespace.bot
        self._servers = servers
        self._inviter = inviter
        self._moderation = moderation
        self._texts = texts

    async def invite(self, place: Server | Channel, user: str) -> Arrival | PlaceRefused:
        """Invite a person into the room of *place*."""
        if place.room_id is None:
            return PlaceRefused(PlaceProblem.NOT_READY, place.name)
        arrival = await self._inviter.bring(place.room_id, user, [self._bot])
        return arrival if arrival.is_done else PlaceRefused(PlaceProblem.POWERLESS, place.name)

    async def enter(self, channel: Channel, user: str) -> Arrival | PlaceRefused:
        """Invite a person into a channel that the person may enter without another's invitation.

        Those are: channels that the members of their server, or of the main Space, may enter, unless a person has
        removed the user; and those that the user has left by the bridge.
        """
        state = await self._state(channel)
        if state is None:
            return PlaceRefused(PlaceProblem.NOT_READY, channel.name)
        if not await self._may_enter(channel, state, user):
            return PlaceRefused(PlaceProblem.CLOSED, channel.name)
        return await self.invite(channel, user)

    async def leave(self, place: Server | Channel, user: str) -> PlaceRefused | None:
        """Let a person out of the room of *place*; return why not, or None."""
        if place.room_id is None or not await self.is_inside(place.room_id, user):
            return PlaceRefused(PlaceProblem.OUTSIDE, place.name)
        if not await self._moderation.leave(place.room_id, [self._bot], user, user):
            return PlaceRefused(PlaceProblem.POWERLESS, place.name)
        return None

    async def leave_server(self, server: Server, user: str, *, again: bool = False) -> PlaceRefused | None:
        """Let a person out of a server and its channels; return why not, or None. *again*: it may be done already."""
        is_inside = server.room_id is not None and await self.is_inside(server.room_id, user)
        if not is_inside and not again:
            return PlaceRefused(PlaceProblem.OUTSIDE, server.name)
        for each in await self._servers.channels(server.number):
            if each.room_id is not None and await self.is_inside(each.room_id, user):
                await self._moderation.leave(each.room_id, [self._bot], user, user)
        return await self.leave(server, user) if is_inside else None

    async def add_agent(self, channel: Channel, agent: int, name: str, ghost: str) -> PlaceRefused | None:
        """Have the ghost (a user id) of an agent (a row id) enter a channel and stay there; return why not, or None."""
        if channel.type in SILENT:
            return PlaceRefused(PlaceProblem.SILENT, channel.name)
        if channel.room_id is None:
            return PlaceRefused(PlaceProblem.NOT_READY, channel.name)
        if not await bring_in(self._homeserver, channel.room_id, ghost, self._bot):
            return PlaceRefused(PlaceProblem.NOT_ENTERED, name)
        await self._servers.take_part(channel.id, agent)
        return None

    async def admit_agent(self, channel: Channel, agent: int, name: str, ghost: str) -> PlaceRefused | None:
        """Have an agent enter by its own wish a channel that people may enter so; return why not, or None.

        An agent that has left the channel, or was removed, stays outside until it is added again.
        """
        state = await self._state(channel)
        if state is None:
            return PlaceRefused(PlaceProblem.NOT_READY, channel.name)
        was_outside = state.membership(ghost) not in {None, *_INSIDE}
        is_inside = state.membership(ghost) == "join"
        if was_outside or not (is_inside or await self._space_that_lets_in(channel, state) is not None):
            return PlaceRefused(PlaceProblem.CLOSED, channel.name)
        return await self.add_agent(channel, agent, name, ghost)

    async def withdraw_agent(self, channel: Channel, agent: int, ghost: str) -> PlaceRefused | None:
        """Have the ghost of an agent leave a channel for good; return why not, or None.

        The bot removes the ghost: if the process dies here, the comparison of the channel finds an agent that was
        removed, and does not bring it back.
        """
        takes_part = any(each.agent == agent for each in await self._servers.ghosts(channel))
        room_id = channel.room_id
        if room_id is None or not (takes_part or await self.is_inside(room_id, ghost)):
            return PlaceRefused(PlaceProblem.OUTSIDE, channel.name)
        localpart, why = parse_user_id(ghost)[0], self._texts.agent_removed
        if await self.is_inside(room_id, ghost):
            try:
                await self._homeserver.kick(room_id, ghost, self._texts.commands.access.left_reason, self._bot)
            except HomeserverRefused as error:
                _log.info("the bot has no power over a ghost, which leaves", room=room_id, error=str(error))
                await self._servers.left(channel, [localpart], why)
                await self._homeserver.leave(room_id, "", ghost)
        await self._servers.left(channel, [localpart], why)
        return None

    async def is_inside(self, room_id: str, user: str) -> bool:
        """Tell whether *user* is in a room, or is invited."""
        return await self._homeserver.membership(room_id, user) in _INSIDE

    async def _state(self, channel: Channel) -> RoomState | None:
        return None if channel.room_id is None else await self._homeserver.room_state(channel.room_id)

    async def _may_enter(self, channel: Channel, state: RoomState, user: str) -> bool:
        if state.membership(user) == "ban" or state.is_removed(user):
            return False
        if state.membership(user) in _INSIDE or state.asked_to_leave(user):
            return True
        space = await self._space_that_lets_in(channel, state)
        if space is None:
            return False
        # Every member may be invited to the Space of a server.
        return channel.server is not None or space == "" or await self.is_inside(space, user)

    async def _space_that_lets_in(self, channel: Channel, state: RoomState) -> str | None:
        """Return the Space whose members may enter the channel; empty: everybody may; None: nobody without invitation.

        An administrator may have changed the rule.
        """
        if state.content(JOIN_RULES).get("join_rule") == "public":
            return ""
        space = channel.space
        if channel.server is not None:
            server = await self._servers.server(channel.server)
            space = None if server is None else server.room_id
        return space if space in state.rooms_that_let_in else None
