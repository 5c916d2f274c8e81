"""Programs list, make, enter, leave, change and delete servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.programs.place_access import check_confirmed, checked
from agent_bridge.bridge.programs.refusals import of_place
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.servers import PlaceProblem, PlaceRefused, ServerField
from agent_bridge.core.roles import Role
from agent_bridge.core.servers import PlaceStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.bridge.channels.changes import PlaceChanges
    from agent_bridge.bridge.channels.maker import PlaceMaker
    from agent_bridge.bridge.channels.members import PlaceMembers
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.place_access import PlaceAccess
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.programs import Token
    from agent_bridge.core.servers import Server
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.program_requests import ProgramRequest
    from agent_bridge.store.servers import Servers


class ProgramServers:
    """The functions, by the rules of the command ``server``. An agent has the role *agent* in every server.

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
    ) -> None:
        self._access = access
        self._places = places
        self._requests = requests
        self._servers = servers
        self._changes = changes
        self._maker = maker
        self._members = members

    async def listed(self, token: Token) -> Sequence[Mapping[str, Any]]:
        """Return the servers that the token reaches, the oldest first."""
        channels = await self._servers.by_server()
        found = [each for each in await self._servers.servers() if self._places.reaches(token, each)]
        return [self._seen(token, each, len(channels.get(each.number, ()))) for each in found]

    async def create(self, call: Call, name: str, description: str) -> Outcome:
        """Make a server, which belongs to the person, who is invited into its Space."""

        async def add(connection: Connection) -> Mapping[str, Any]:
            made = await self._changes.new_server(connection, call.name, call.token.user_id, name, description)
            return {"number": checked(made)}

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            if request.effect is None:
                self._places.require_unlimited(call.token)
                self._access.require(call.token, Permission.CHANNELS)
            effect = await self._requests.step(request, add)
            server = await self._present(effect["number"])
            room_id = await self._maker.make(server)
            await self._members.invite(await self._present(server.number), call.token.user_id)
            return {**self._seen(call.token, server, 0), "room_id": room_id}

        return await self._requests.once(call, act, status=201)

    async def update(self, call: Call, server: str, changes: Mapping[ServerField, str]) -> Outcome:
        """Give a server other properties; an empty description or icon goes."""

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            effect = request.effect or {}
            if not effect:
                found = await self._places.server(call.token, server)
                self._places.require(call.token, Permission.CHANNELS, found)

                async def change(connection: Connection) -> Mapping[str, Any]:
                    for field, value in changes.items():
                        checked(await self._changes.update_server(connection, found, field, value))
                    return {"number": found.number}

                effect = await self._requests.step(request, change)
            changed = await self._present(effect["number"])
            return self._seen(call.token, changed, len(await self._servers.channels(changed.number)))

        return await self._requests.once(call, act)

    async def delete(self, call: Call, server: str, confirm: str) -> Outcome:
        """Delete a server with its channels for good. *confirm* is its name."""

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            if request.effect is not None:
                return request.effect
            found = await self._places.server(call.token, server)
            self._check_owner(call.token, found)
            channels = len(await self._servers.channels(found.number))
            check_confirmed(found.name, confirm, channels=channels)

            async def delete(connection: Connection) -> Mapping[str, Any]:
                await self._changes.delete(connection, found, call.name, call.token.user_id)
                return {"number": found.number, "name": found.name, "channels": channels}

            return await self._requests.step(request, delete)

        return await self._requests.once(call, act)

    async def join(self, call: Call, server: str) -> Outcome:
        """Invite the person into the Space of a server, from which its channels can be entered."""

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            found = await self._places.server(call.token, server)
            self._places.require(call.token, Permission.JOIN, found)
            arrival = await self._members.invite(found, call.token.user_id)
            if isinstance(arrival, PlaceRefused):
                raise of_place(arrival)
            return {"number": found.number, "name": found.name, "room_id": found.room_id, "arrival": str(arrival)}

        return await self._requests.once(call, act)

    async def leave(self, call: Call, server: str) -> Outcome:
        """Let the identity out of a server and its channels. An agent stays outside until it is added again."""

        async def act(request: ProgramRequest) -> dict[str, Any]:
            found = await self._places.server(call.token, server)
            self._places.require(call.token, Permission.READ, found)
            if call.token.agent is None:
                refusal = await self._members.leave_server(found, call.token.user_id, again=not request.is_new)
            else:
                refusal = await self._withdraw(found, call.token.agent, call.token.user_id, again=not request.is_new)
            if refusal is not None:
                raise of_place(refusal)
            return {"number": found.number, "name": found.name}

        return await self._requests.once(call, act)

    async def _withdraw(self, server: Server, agent: int, ghost: str, *, again: bool) -> PlaceRefused | None:
        """Have a ghost leave the channels of a server; return why not, or None."""
        results = [
            await self._members.withdraw_agent(each, agent, ghost)
            for each in await self._servers.channels(server.number)
        ]
        is_done = again or any(each is None for each in results)
        return None if is_done else PlaceRefused(PlaceProblem.OUTSIDE, server.name)

    async def _present(self, number: int) -> Server:
        found = await self._servers.server(number)
        if found is None or found.status is PlaceStatus.DELETING:
            raise ProgramRefused(Problem.SERVER_NOT_FOUND, "the server was deleted meanwhile")
        return found

    def _check_owner(self, token: Token, server: Server) -> None:
        if token.is_agent or not self._changes.may_delete(token.user_id, server):
            needed = lowest_role(Permission.OWN).name.lower()
            raise ProgramRefused(Problem.ROLE_MISSING, f"this needs the role {needed} in the server")
        # A muted owner deletes nothing.
        self._access.require(token, Permission.OWN, server.room_id or "", role=Role.OWNER)

    def _seen(self, token: Token, server: Server, channels: int) -> Mapping[str, Any]:
        role = self._access.role(token) if token.is_agent else self._changes.role(token.user_id, server)
        return {
            "number": server.number,
            "name": server.name,
            "description": server.topic,
            "icon": server.icon,
            "owner": server.owner,
            "role": role.name.lower(),
            "channels": channels,
            "room_id": server.room_id,
        }
