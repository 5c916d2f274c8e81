"""Programs list, make, enter, leave, change and delete channels, and add agents to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.programs.place_access import check_confirmed, checked
from agent_bridge.bridge.programs.refusals import of_place
from agent_bridge.core.agents import AgentState
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.access import Arrival
from agent_bridge.core.results.servers import PlaceProblem, PlaceRefused
from agent_bridge.core.servers import Channel, PlaceStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.bridge.channels.changes import PlaceChanges
    from agent_bridge.bridge.channels.lookup import Found
    from agent_bridge.bridge.channels.maker import PlaceMaker
    from agent_bridge.bridge.channels.members import PlaceMembers
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.place_access import PlaceAccess
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.programs import Token
    from agent_bridge.core.servers import ChannelType, Server
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.program_requests import ProgramRequest
    from agent_bridge.store.servers import Servers


class ProgramChannels:
    """The functions, by the rules of the command ``channel``. An agent has the role *agent* in every server.

    Those that change something raise as :meth:`Requests.once` does.
    """

    def __init__(
        self,
        access: Access,
        places: PlaceAccess,
        requests: Requests,
        servers: Servers,
        changes: PlaceChanges,
        maker: PlaceMaker,
        members: PlaceMembers,
        namespace: Namespace,
    ) -> None:
        self._access = access
        self._places = places
        self._requests = requests
        self._servers = servers
        self._changes = changes
        self._maker = maker
        self._members = members
        self._namespace = namespace

    async def listed(self, token: Token, server: str | None) -> Sequence[Mapping[str, Any]]:
        """Return the channels that the token reaches, those of the main Space first; *server*: of this one alone."""
        known: list[Server | None] = [None, *await self._servers.servers()]
        if server is not None:
            known = [await self._places.server(token, server)]
        channels = await self._servers.by_server()
        return [
            _seen(channel, each, position)
            for each in known
            for position, channel in enumerate(channels.get(None if each is None else each.number, ()), 1)
            if self._places.reaches(token, channel)
        ]

    async def create(self, call: Call, server: str | None, name: str, type_: ChannelType, topic: str) -> Outcome:
        """Make a channel of a server (None: of the main Space), into which the person is invited."""

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            effect = request.effect or {}
            if not effect:
                self._places.require_unlimited(call.token)
                parent = None if server is None else await self._places.server(call.token, server)
                self._places.require(call.token, Permission.CHANNELS, parent)

                async def add(connection: Connection) -> Mapping[str, Any]:
                    made = await self._changes.new_channel(connection, call.name, parent, name, type_, topic)
                    return {"id": checked(made)}

                effect = await self._requests.step(request, add)
            channel = await self._present(effect["id"])
            room_id = await self._maker.make(channel)
            await self._members.invite(await self._present(channel.id), call.token.user_id)
            return {**await self._shown(channel), "room_id": room_id}

        return await self._requests.once(call, act, status=201)

    async def update(
        self, call: Call, channel: str, *, name: str | None, topic: str | None, position: int | None
    ) -> Outcome:
        """Give a channel another name, topic or place; None: it stays."""
        needed = Permission.SETTINGS if name is None and position is None else Permission.CHANNELS

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            effect = request.effect or {}
            if not effect:
                found = await self._permitted(call.token, channel, needed)

                async def change(connection: Connection) -> Mapping[str, Any]:
                    if name is not None:
                        checked(await self._changes.rename(connection, found.channel, name))
                    if topic is not None:
                        await self._changes.set_topic(connection, found.channel, topic)
                    if position is not None:
                        checked(await self._changes.move(connection, found.channel, position))
                    return {"id": found.channel.id}

                effect = await self._requests.step(request, change)
            changed = await self._present(effect["id"])
            return await self._shown(changed)

        return await self._requests.once(call, act)

    async def delete(self, call: Call, channel: str, confirm: str) -> Outcome:
        """Delete a channel for good. *confirm* is its name."""

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            if request.effect is not None:
                return request.effect
            found = await self._permitted(call.token, channel, Permission.CHANNELS)
            check_confirmed(found.channel.name, confirm)

            async def delete(connection: Connection) -> Mapping[str, Any]:
                await self._changes.delete(connection, found.channel, call.name, call.token.user_id)
                return _named(found)

            return await self._requests.step(request, delete)

        return await self._requests.once(call, act)

    async def join(self, call: Call, channel: str) -> Outcome:
        """Invite the person into a channel that the person may enter; the ghost of an agent enters it.

        Who may invite others may enter every channel of the server. An agent enters channels in which it can write, and
        that members may enter by themselves.
        """

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            found = await self._places.channel(call.token, channel)
            arrival = await self._enter(call.token, found)
            if isinstance(arrival, PlaceRefused):
                raise of_place(arrival)
            return {**_named(found), "arrival": str(arrival)}

        return await self._requests.once(call, act)

    async def leave(self, call: Call, channel: str) -> Outcome:
        """Let the identity out of a channel. An agent stays outside until it is added again."""

        async def act(request: ProgramRequest) -> dict[str, Any]:
            found = await self._permitted(call.token, channel, Permission.READ)
            token = call.token
            if token.agent is None:
                refusal = await self._members.leave(found.channel, token.user_id)
            else:
                refusal = await self._members.withdraw_agent(found.channel, token.agent, token.user_id)
            # An earlier run may have done it.
            if refusal is not None and (request.is_new or refusal.problem is not PlaceProblem.OUTSIDE):
                raise of_place(refusal)
            return _named(found)

        return await self._requests.once(call, act)

    async def add_agent(self, call: Call, channel: str, agent: str) -> Outcome:
        """Bring an agent into a channel, in which it answers those who address it."""

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            found = await self._permitted(call.token, channel, Permission.MEMBERS)
            added = (await self._access.agent(agent)).agent
            if added.state is not AgentState.ACTIVE:
                raise ProgramRefused(Problem.AGENT_AT_REST, f"{added.name} is gone or retired")
            ghost = self._namespace.user_id(added.ghost)
            refusal = await self._members.add_agent(found.channel, added.id, added.name, ghost)
            if refusal is not None:
                raise of_place(refusal)
            return {**_named(found), "agent": added.name, "user_id": ghost}

        return await self._requests.once(call, act)

    async def _enter(self, token: Token, found: Found) -> Arrival | PlaceRefused:
        channel = found.channel
        if token.agent is not None:
            self._places.require(token, Permission.SEND, found.server, channel)
            name = token.agent_name or token.user_id
            return await self._members.admit_agent(channel, token.agent, name, token.user_id) or Arrival.JOINED
        self._places.require(token, Permission.JOIN, found.server, channel)
        if self._changes.may(token.user_id, Permission.MEMBERS, found.server):
            return await self._members.invite(channel, token.user_id)
        return await self._members.enter(channel, token.user_id)

    async def _permitted(self, token: Token, name: str, permission: Permission) -> Found:
        found = await self._places.channel(token, name)
        self._places.require(token, permission, found.server, found.channel)
        return found

    async def _present(self, place: int) -> Channel:
        found = await self._servers.find(place)
        if not isinstance(found, Channel) or found.status is PlaceStatus.DELETING:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the channel was deleted meanwhile")
        return found

    async def _shown(self, channel: Channel) -> Mapping[str, Any]:
        server = None if channel.server is None else await self._servers.server(channel.server)
        # Channels between them were perhaps deleted.
        known = [each.id for each in await self._servers.channels(channel.server)]
        return _seen(channel, server, known.index(channel.id) + 1 if channel.id in known else len(known))


def _named(found: Found) -> dict[str, Any]:
    return {
        "name": found.channel.name,
        "server": None if found.server is None else found.server.name,
        "room_id": found.channel.room_id,
    }


def _seen(channel: Channel, server: Server | None, position: int) -> Mapping[str, Any]:
    return {
        "name": channel.name,
        "server": None if server is None else server.name,
        "type": str(channel.type),
        "topic": channel.topic,
        "position": position,
        "room_id": channel.room_id,
    }
