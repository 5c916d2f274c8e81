"""The rooms that a token reaches, and the permissions that its identity has in them now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.programs.names import LOBBY
from agent_bridge.bridge.rooms.kinds import is_made
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.permissions import CAN, Permission, lowest_role
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.roles import EVERYWHERE, Role
from agent_bridge.core.rooms import KindName, ParticipantState
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import MODERATOR_POWER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from agent_bridge.bridge.programs.names import Names
    from agent_bridge.core.programs import Token
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.rooms import Room
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.direct_chats import DirectChatStore
    from agent_bridge.store.rooms import Rooms

#: Seconds for which levels and encryption of a room are not asked again, and state events that are remembered.
_RECENT, _REMEMBERED = 10.0, 2_000
#: Ghosts that are tried as readers of a room.
_READERS = 3


@dataclass(frozen=True, slots=True)
class ReachedRoom:
    """A room in which the identity of a token is."""

    room: Room
    #: User id of the bridge's user that acts there: the ghost of the agent; for a person the bot, or a ghost.
    voice: str
    #: Content of the person's membership; empty for agents.
    member: Mapping[str, Any]

    @property
    def room_id(self) -> str:
        """The room id."""
        return self.room.room_id


class Access:
    """Decides about rooms. A room that a token does not reach looks like one that does not exist."""

    def __init__(
        self, names: Names, rooms: Rooms, direct_chats: DirectChatStore, roles: Roles, homeserver: Homeserver
    ) -> None:
        self._names = names
        self._rooms = rooms
        self._direct_chats = direct_chats
        self._roles = roles
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        #: State events of rooms, by room id and type, with the times at which they were read.
        self._states: dict[tuple[str, str], tuple[float, dict[str, Any] | None]] = {}

    def role(self, token: Token, room_id: str = EVERYWHERE) -> Role:
        """Return the role of the identity in a room: an agent never has a higher one than *agent*."""
        return Role.AGENT if token.is_agent else self._roles.of(token.user_id, room_id)

    def require(
        self, token: Token, permission: Permission, room_id: str = EVERYWHERE, *, role: Role | None = None
    ) -> None:
        """Return if the identity has *permission* in a room now. *role*: the one of a person there, if it is known.

        Raises:
            ProgramRefused: it lacks the role, or is muted, or is an agent at rest.
        """
        if token.is_at_rest:
            raise ProgramRefused(Problem.AGENT_AT_REST, "the agent of the token is gone or retired")
        present = self.role(token, room_id) if role is None or token.is_agent else role
        if permission not in CAN[present]:
            needed = lowest_role(permission).name.lower()
            raise ProgramRefused(Problem.ROLE_MISSING, f"this needs the role {needed}")
        if permission is not Permission.READ and self._roles.is_muted(token.user_id, room_id):
            raise ProgramRefused(Problem.MUTED)

    async def agent(self, name: str) -> AgentRoom:
        """Return the agent called *name*.

        Raises:
            ProgramRefused: there is none, or more than one.
        """
        return self._only(name, await self._names.agents(name))

    async def addressee(self, name: str) -> AgentRoom | None:
        """Return the agent called *name*; None: it is a room, by its id, an alias, the name of a channel, or the lobby.

        Raises:
            ProgramRefused: there is neither, or more than one agent.
        """
        if name.startswith(("!", "#")):
            return None
        found = await self._names.agents(name)
        if not found and (name.lower() == LOBBY or await self._names.place(name) is not None):
            return None
        return self._only(name, found)

    def _only(self, name: str, found: Sequence[AgentRoom]) -> AgentRoom:
        if len(found) > 1:
            ids = sorted(self._namespace.user_id(each.agent.ghost) for each in found)
            raise ProgramRefused(Problem.AGENT_AMBIGUOUS, f"several agents are called {name}", more={"agents": ids})
        if not found:
            raise ProgramRefused(Problem.AGENT_NOT_FOUND, f"no agent or channel is called {name}")
        return found[0]

    async def reach(
        self, token: Token, name: str, permission: Permission, *, invited: Collection[str] = ()
    ) -> ReachedRoom:
        """Return the room *name* (a room id, an alias, the name of an agent or a channel), see :meth:`first`.

        The name of an agent means, for a person, the home of the agent if the person is there, else their direct chat,
        to which an invitation is enough.

        Raises:
            ProgramRefused: the token does not reach such a room, or the identity lacks the permission.
            HomeserverUnavailable, StoreError: it cannot be told.
        """
        candidates = await self._candidates(token, name)
        found = await self.first(token, candidates, permission, invited=invited)
        if found is None:
            if await self._invites(token, candidates):
                raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the person is invited, and has not entered the room yet")
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, f"the token reaches no room {name}")
        if found.room.kind is KindName.SERVER and permission is Permission.SEND:
            raise ProgramRefused(Problem.NOT_PERMITTED, "nobody reads messages in a Space: name one of its channels")
        return found

    async def _invites(self, token: Token, room_ids: Sequence[str]) -> bool:
        """Tell whether the person of *token* is invited into one of *room_ids*."""
        if token.is_agent:
            return False
        for room in (await self._rooms.contexts(room_ids)).values():
            found = (
                await self._membership(token, room.room_id, self._readers(room))
                if token.reaches(room.room_id)
                else None
            )
            if found is not None and found[1].get("membership") == "invite":
                return True
        return False

    async def first(
        self, token: Token, room_ids: Sequence[str], permission: Permission, *, invited: Collection[str] = ()
    ) -> ReachedRoom | None:
        """Return the first of *room_ids* that the token reaches, in which the identity has *permission*; None: none.

        *invited*: rooms that are also reached by a person who is invited into them.

        Raises:
            ProgramRefused: the identity lacks the permission there.
        """
        known = await self._rooms.contexts(room_ids)
        for room_id in room_ids:
            room = known.get(room_id)
            found = (
                None
                if room is None or not token.reaches(room_id)
                else await self._entered(token, room, invited=room_id in invited)
            )
            if found is not None:
                self.require(token, permission, room_id)
                return found
        return None

    async def may_send(self, token: Token, reached: ReachedRoom, kind: str = "m.room.message") -> None:
        """Return if a person has the power to send events of type *kind* in a room; the homeserver checks ghosts.

        Raises:
            ProgramRefused: the person lacks it.
        """
        if not token.is_agent and not await self._has_power(token, reached, lambda state: state.level(kind)):
            raise ProgramRefused(Problem.NOT_PERMITTED, "the room lets others write alone")

    async def may_write(self, token: Token, reached: ReachedRoom) -> None:
        """Return if the identity has the power to send messages in a room, where the bridge writes for it.

        Raises:
            ProgramRefused: it lacks the power.
        """
        if not await self._has_power(token, reached, lambda state: state.level("m.room.message")):
            raise ProgramRefused(Problem.NOT_PERMITTED, "the room lets others write alone")

    async def moderates(self, token: Token, reached: ReachedRoom) -> bool:
        """Tell whether a person moderates a room: by the role, or by the power in a room that people made."""
        if token.is_agent or Permission.SETTINGS in CAN[self.role(token, reached.room_id)]:
            return not token.is_agent
        return not is_made(reached.room) and await self._has_power(token, reached, lambda _: MODERATOR_POWER)

    async def is_illegible(self, reached: ReachedRoom) -> bool:
        """Tell whether the bridge cannot read and write the messages of a room, because they are encrypted."""
        return not self._homeserver.has_keys and await self._recent_state(reached, "m.room.encryption") is not None

    async def _has_power(self, token: Token, reached: ReachedRoom, needed: Callable[[RoomState], int]) -> bool:
        """Tell whether the identity has the power in a room that *needed* returns for its state."""
        levels = await self._recent_state(reached, "m.room.power_levels")
        state = RoomState.of(reached.room_id, [] if levels is None else [levels])
        if levels is not None and state.power(token.user_id) >= needed(state):
            return True
        create = await self._recent_state(reached, "m.room.create")
        state = RoomState.of(reached.room_id, [each for each in (levels, create) if each is not None])
        return state.power(token.user_id) >= needed(state)

    async def _recent_state(self, reached: ReachedRoom, kind: str) -> dict[str, Any] | None:
        """Return a state event of a room, as it was within the last :data:`_RECENT` seconds; None: there is none."""
        now, key = time.monotonic(), (reached.room_id, kind)
        found = self._states.get(key)
        if found is None or now - found[0] > _RECENT:
            event = await self._homeserver.state(reached.room_id, kind, as_user=reached.voice)
            if len(self._states) >= _REMEMBERED:
                self._states.clear()
            found = self._states[key] = (now, event)
        return found[1]

    async def entered(self, token: Token, room: Room) -> ReachedRoom | None:
        """Return *room*, which the token reaches, as the identity acts in it; None if the identity is not in it."""
        return await self._entered(token, room)

    async def has_left(self, token: Token, room_id: str, asked: Iterable[str]) -> bool:
        """Tell whether the identity has left the room in which it asked the users *asked*.

        False: the bridge has no such room now, or a person was asked: that question may be in the chat of the person
        with the bot, where the identity never was.

        Raises:
            ProgramRefused: the identity may not read there.
        """
        if not all(map(self._namespace.is_ours, asked)):
            return False
        self.require(token, Permission.READ, room_id)
        room = (await self._rooms.contexts([room_id])).get(room_id)
        return room is not None and await self._entered(token, room) is None

    async def _candidates(self, token: Token, name: str) -> list[str]:
        if name.startswith(("!", "#")):
            found = await self._names.room(name)
            return [] if found is None else [found]
        if not await self._names.agents(name):
            place = await self._names.place(name)
            if place is None and name.lower() == LOBBY:
                raise ProgramRefused(Problem.NO_LOBBY, "set rooms.lobby in config.yaml")
            if place is not None:
                return [place]
        contact = await self.agent(name)
        rooms = [] if contact.home.room_id is None else [contact.home.room_id]
        if not token.is_agent:
            direct = (await self._direct_chats.rooms_of(token.user_id)).get(contact.agent.id)
            rooms += [] if direct is None else [direct]
        return rooms

    async def _entered(self, token: Token, room: Room, *, invited: bool = False) -> ReachedRoom | None:
        if token.is_agent:
            return ReachedRoom(room, token.user_id, {}) if _takes_part(token, room) else None
        found = await self._membership(token, room.room_id, self._readers(room))
        if found is None:
            return None
        reader, content = found
        # Nobody else is in a direct chat: the program of the person may talk there before a client enters it.
        takes_invitation = invited or (room.kind is KindName.DM and room.person == token.user_id)
        is_in = content.get("membership") in {"join", *(["invite"] if takes_invitation else [])}
        return ReachedRoom(room, reader, content) if is_in else None

    async def _membership(
        self, token: Token, room_id: str, readers: Iterable[str]
    ) -> tuple[str, Mapping[str, Any]] | None:
        """Return the reader that sees a room, and the content of the person's membership; None: none sees it."""
        for reader in readers:
            try:
                event = await self._homeserver.state(room_id, "m.room.member", token.user_id, reader)
            except HomeserverRefused:
                # This one is not in the room.
                continue
            return reader, {} if event is None else event.get("content", {})
        return None

    def _readers(self, room: Room) -> Iterator[str]:
        ghosts = [each.ghost for each in room.participants if each.state is ParticipantState.JOINED][:_READERS]
        # The bot is in no direct chat.
        if room.kind is not KindName.DM:
            yield self._namespace.bot
        yield from map(self._namespace.user_id, ghosts)
        if room.kind is KindName.DM:
            yield self._namespace.bot

    async def lists(self, token: Token, server: int | None) -> bool:
        """Tell whether the identity is shown the channels of a server (a row id; None: of the main Space).

        People are who have a role there. Agents are that are in one of its channels; all are in the main Space.

        Raises:
            StoreError: it cannot be told.
        """
        if token.is_at_rest:
            return False
        if token.agent is not None:
            return server is None or await self._names.takes_part(token.agent, server)
        return Permission.READ in CAN[self._roles.book.in_server(server).role_of(token.user_id)]

    def for_feed(self, token: Token) -> FeedAccess:
        """Return the rooms that a subscription with *token* may read."""
        return FeedAccess(self, token)

    async def is_member(self, token: Token, room_id: str) -> bool | None:
        """Tell whether the identity is in a room; None: it cannot be told, for the bridge enters the room only now."""
        room = (await self._rooms.contexts([room_id])).get(room_id)
        if token.is_agent:
            return None if room is None else _takes_part(token, room)
        readers = [self._namespace.bot] if room is None else self._readers(room)
        found = await self._membership(token, room_id, readers)
        return None if found is None else found[1].get("membership") == "join"


def _takes_part(token: Token, room: Room) -> bool:
    """Tell whether the agent of *token* is in a room."""
    return any(each.agent == token.agent and each.state is ParticipantState.JOINED for each in room.participants)


@dataclass(frozen=True, slots=True)
class FeedAccess:
    """See :class:`agent_bridge.bridge.feed.subscription.Access`."""

    access: Access
    token: Token

    def permits(self, room_id: str) -> bool:
        """Tell whether the token, and the role of its identity, permit to read in a room now."""
        try:
            self.access.require(self.token, Permission.READ, room_id)
        except ProgramRefused:
            return False
        return self.token.reaches(room_id)

    async def is_member(self, room_id: str) -> bool | None:
        """Tell whether the identity is in a room now; None: it cannot be told yet."""
        return await self.access.is_member(self.token, room_id)

    def reaches(self, room_id: str) -> bool:
        """Tell whether the token may be used for a room, as far as its own limits go."""
        return self.token.reaches(room_id)

    async def lists(self, server: int | None) -> bool:
        """Tell whether the identity is shown the channels of a server (a row id; None: of the main Space) now."""
        return await self.access.lists(self.token, server)
