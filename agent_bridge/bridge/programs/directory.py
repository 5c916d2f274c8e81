"""The agents, people and rooms that a token may see."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import HomeserverError
from agent_bridge.core.names import member_name
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.programs import RoomSeen, Who

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.bridge.programs.access import Access, ReachedRoom
    from agent_bridge.bridge.programs.reading import Reading
    from agent_bridge.core.programs import Token
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.own_profiles import OwnProfiles
    from agent_bridge.store.program_requests import ProgramRequests
    from agent_bridge.store.program_rooms import KnownRoom, ProgramRooms
    from agent_bridge.store.rooms import Rooms

#: Rooms of a person that are looked at, and requests at a time.
_ROOMS, _TOGETHER = 200, 8
#: Rooms whose members are listed, and users in one answer.
_WHO_ROOMS, _MOST = 20, 500
#: Unread messages that are counted.
_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Presence:
    """The presence of a user."""

    online: bool | None = None
    text: str | None = None
    seen: datetime | None = None


class Directory:
    """Lists them."""

    def __init__(
        self,
        access: Access,
        agents: Agents,
        rooms: Rooms,
        known: ProgramRooms,
        store: ProgramRequests,
        reading: Reading,
        profiles: OwnProfiles,
        roles: Roles,
        homeserver: Homeserver,
    ) -> None:
        self._access = access
        self._agents = agents
        self._rooms = rooms
        self._known = known
        self._store = store
        self._reading = reading
        self._profiles = profiles
        self._roles = roles
        self._homeserver = homeserver
        self._namespace = homeserver.namespace

    async def rooms(self, token: Token) -> list[tuple[KnownRoom, ReachedRoom]]:
        """Return the rooms that the token reaches, those with the newest messages first.

        Raises:
            ProgramRefused, HomeserverError, StoreError: they cannot be read.
        """
        self._access.require(token, Permission.READ)
        known = await self._candidates(token)
        contexts = await self._rooms.contexts([each.room_id for each in known])
        limit = asyncio.Semaphore(_TOGETHER)

        async def reached(each: KnownRoom) -> tuple[KnownRoom, ReachedRoom] | None:
            room = contexts.get(each.room_id)
            if room is None or not token.reaches(each.room_id):
                return None
            async with limit:
                found = await self._access.entered(token, room)
            return None if found is None else (each, found)

        found = await asyncio.gather(*(reached(each) for each in known))
        return [each for each in found if each is not None]

    async def listed(self, token: Token, *, unread: bool) -> tuple[RoomSeen, ...]:
        """Return the rooms of the token; *unread*: with the numbers of messages behind those that were read."""
        found = await self.rooms(token)
        markers = await self._store.markers(token.user_id, [each.room_id for each, _ in found]) if unread else {}
        rooms = []
        for known, reached in found:
            number, is_more = None, False
            if unread:
                marker = markers.get(known.room_id)
                number, is_more = await self._unread(token, reached, "" if marker is None else marker.event_id)
            agents = [self._namespace.user_id(each) for each in known.ghosts]
            rooms.append(
                RoomSeen(
                    room_id=known.room_id,
                    name=known.name,
                    kind=known.kind,
                    agents=tuple(agents),
                    unread=number,
                    unread_more=is_more,
                )
            )
        return tuple(rooms)

    async def mark_read(self, token: Token, room: str, event_id: str) -> str:
        """Note that the identity has read a room up to an event, and return the room id. A repeat changes nothing.

        Raises:
            ProgramRefused, HomeserverError, StoreError: nothing was noted.
        """
        reached = await self._access.reach(token, room, Permission.READ)
        event = await self._homeserver.event(reached.room_id, event_id, reached.voice)
        if event is None:
            raise ProgramRefused(Problem.MESSAGE_NOT_FOUND, f"there is no message {event_id} in the room")
        said_at = event.get("origin_server_ts")
        await self._store.mark_read(
            token.user_id, reached.room_id, event_id, said_at if isinstance(said_at, int) else 0
        )
        if token.is_agent:
            await self._homeserver.read(reached.room_id, event_id, token.user_id)
        return reached.room_id

    async def who(self, token: Token, room: str = "") -> tuple[Who, ...]:
        """Return the agents, and the people in rooms of the token; *room*: those in one room alone.

        A token that is limited to rooms gets the agents in these alone.

        Raises:
            ProgramRefused, HomeserverError, StoreError: they cannot be read.
        """
        if room:
            reached = [await self._access.reach(token, room, Permission.READ)]
        else:
            reached = [each for _, each in (await self.rooms(token))[:_WHO_ROOMS]]
        members = await self._members(reached)
        contacts = {
            self._namespace.user_id(each.agent.ghost): each
            for each in await self._agents.all()
            if each.agent.state is AgentState.ACTIVE
        }
        is_limited = bool(room) or token.rooms is not None
        agents = [user for user in contacts if not is_limited or user in members]
        people = sorted(user for user in members if not self._namespace.is_ours(user))
        mine = {each.room_id for each in reached}
        users = [*agents, *people][:_MOST]
        limit = asyncio.Semaphore(_TOGETHER)
        own = await self._profiles.of(people)

        async def one(user: str) -> Who:
            async with limit:
                presence = await self._presence(user)
            seen = self._who(user, contacts.get(user), members.get(user, {}), presence, mine)
            bio, status_text = own.get(user, (None, None))
            return replace(seen, bio=seen.bio or bio, status_text=status_text or seen.status_text)

        return tuple(await asyncio.gather(*(one(user) for user in users)))

    async def users(self, token: Token) -> frozenset[str]:
        """Return the user ids of the agents, and of the people in rooms of the token.

        Raises:
            ProgramRefused, HomeserverError, StoreError: they cannot be read.
        """
        members = await self._members([each for _, each in (await self.rooms(token))[:_WHO_ROOMS]])
        ghosts = [self._namespace.user_id(each.agent.ghost) for each in await self._agents.all()]
        return frozenset([*members, *ghosts])

    def _who(
        self, user: str, contact: AgentRoom | None, member: Mapping[str, Any], presence: Presence, mine: set[str]
    ) -> Who:
        if contact is not None:
            agent, home = contact.agent, contact.home.room_id
            return Who(
                user_id=user,
                name=agent.name,
                role="agent",
                is_agent=True,
                bio=agent.settings.description or agent.description or None,
                online=presence.online,
                status_text=agent.status_text or presence.text,
                last_seen=presence.seen,
                room_id=home if home in mine else None,
            )
        return Who(
            user_id=user,
            name=member_name(member, user),
            role=self._roles.of(user).name.lower(),
            is_agent=False,
            online=presence.online,
            status_text=presence.text,
            last_seen=presence.seen,
        )

    async def _candidates(self, token: Token) -> Sequence[KnownRoom]:
        if token.is_agent and token.agent is not None:
            return await self._known.of_agent(token.agent)
        if token.rooms is not None:
            return await self._known.named(token.rooms)
        # No request tells the rooms of a person: each one is looked at.
        return await self._known.possible(token.user_id, _ROOMS)

    async def _members(self, rooms: Iterable[ReachedRoom]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for each in rooms:
            for event in await self._homeserver.member_events(each.room_id, each.voice):
                content = event.get("content", {})
                if content.get("membership") == "join":
                    found.setdefault(str(event.get("state_key")), content)
        return found

    async def _presence(self, user: str) -> Presence:
        try:
            answer = await self._homeserver.presence_of(user)
        except HomeserverError:
            # It is switched off, or the bot may not know.
            return Presence()
        state, text, ago = answer.get("presence"), answer.get("status_msg"), answer.get("last_active_ago")
        seen = datetime.now(UTC) - timedelta(milliseconds=ago) if isinstance(ago, int) else None
        return Presence(state == "online" or answer.get("currently_active") is True, text or None, seen)

    async def _unread(self, token: Token, reached: ReachedRoom, marker: str) -> tuple[int, bool]:
        page = await self._reading.page(token, reached, limit=_COUNTED, after=marker or "$")
        others = [each for each in page.messages if each.sender != token.user_id]
        return len(others), len(page.messages) >= _COUNTED
