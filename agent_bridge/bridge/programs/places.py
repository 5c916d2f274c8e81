"""Programs make rooms: chats with agents, and direct rooms with agents and people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.agents import AgentState
from agent_bridge.core.chats import NewChat
from agent_bridge.core.ids import checked_user_id
from agent_bridge.core.names import one_line
from agent_bridge.core.pairs import Pair
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import Capability
from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.chats.maker import ChatMaker
    from agent_bridge.bridge.groups.pairs import PairRooms
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.names import Names
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.pairs import PairMember
    from agent_bridge.core.programs import Token
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.program_requests import ProgramRequest

#: Characters of a title.
_LONGEST = 200


class Places:
    """Makes rooms for people. The ghost of the agent invites the person, whose client has to accept that."""

    def __init__(
        self,
        access: Access,
        requests: Requests,
        database: Database,
        chats: Chats,
        maker: ChatMaker,
        direct: DirectChats,
        pairs: PairRooms,
        names: Names,
        roles: Roles,
        homeserver: Homeserver,
    ) -> None:
        self._access = access
        self._requests = requests
        self._database = database
        self._chats = chats
        self._maker = maker
        self._direct = direct
        self._pairs = pairs
        self._names = names
        self._roles = roles
        self._homeserver = homeserver
        self._namespace = homeserver.namespace

    async def new_chat(self, call: Call, agent: str, title: str) -> Outcome:
        """Make a chat with an agent, once.

        Raises:
            ProgramRefused, HomeserverError, StoreError: see :meth:`Requests.once`.
        """

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            self._access.require(call.token, Permission.JOIN)
            found = await self._permitted(call.token, agent)
            key = call.name
            chat, number = await self._written(call.token, found, one_line(title)[:_LONGEST], key)
            made = await self._chats.find(chat)
            if made is None:
                raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the chat was deleted meanwhile")
            room_id = await self._maker.make(made)
            return {"room_id": room_id, "number": number, "agent": found.name}

        return await self._requests.once(call, act, status=201)

    async def direct_chat(self, call: Call, to: str) -> Outcome:
        """Return the direct room of the identity and *to*, an agent or a person; it is made if there is none.

        Raises:
            ProgramRefused, HomeserverError, StoreError: see :meth:`Requests.once`.
        """

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            other = await self._other(call.token, to)
            return {"room_id": await self._direct_room(call.token, other), "user_id": other.user_id, "name": other.name}

        return await self._requests.once(call, act)

    def may_begin(self, token: Token) -> bool:
        """Tell whether the token may open direct chats with agents."""
        if token.is_agent or token.rooms is not None or Capability.CREATE not in token.capabilities:
            return False
        try:
            self._access.require(token, Permission.JOIN)
        except ProgramRefused:
            return False
        return True

    async def first_contact(self, token: Token, agent: str) -> str:
        """Return the room of the direct chat of the person and *agent*, which is made if there is none.

        Raises:
            ProgramRefused: the token may not open direct chats, see :meth:`may_begin`.
            HomeserverError, StoreError: a repeat goes on.
        """
        found = await self._permitted(token, agent)
        return await self._direct.open(found, token.user_id)

    async def addressed(self, token: Token, to: str) -> str:
        """Return the room in which a message of the token to *to* is said: a room, or the name of an agent as it is.

        A person, and for an agent another agent in whose home it is not, means their direct room, which is made if
        there is none.

        Raises:
            ProgramRefused: the identity cannot talk with the user.
            HomeserverError, StoreError: a repeat goes on.
        """
        is_user = to.startswith("@") and ":" in to
        if is_user and not self._namespace.is_ours(to):
            return await self._direct_room(token, await self._other(token, to))
        if token.agent is None or to.startswith(("!", "#")):
            return to
        found = await self._names.agents(to)
        homes = [each.home.room_id for each in found if each.home.room_id is not None]
        if len(found) != 1 or found[0].agent.id == token.agent:
            return to
        if await self._access.first(token, homes, Permission.SEND) is not None:
            return to
        return await self._direct_room(token, await self._other(token, to))

    async def _other(self, token: Token, name: str) -> PairMember:
        """Return the agent or the person *name*, with whom the identity may have a direct room."""
        if token.rooms is not None:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the token is limited to rooms that exist")
        if name == token.user_id:
            raise ProgramRefused(Problem.INVALID_REQUEST, "that is the identity of the token itself")
        if not (name.startswith("@") and ":" in name) or self._namespace.is_ours(name):
            return self._pairs.agent(await self._permitted(token, name))
        self._access.require(token, Permission.SEND if token.is_agent else Permission.JOIN)
        if not _is_user_id(name) or self._roles.of(name) < Role.MEMBER:
            raise ProgramRefused(Problem.USER_NOT_FOUND, f"{name} has no role here")
        if not self._namespace.is_foreign(name) and not await self._homeserver.has_user(name):
            raise ProgramRefused(Problem.USER_NOT_FOUND, f"there is no user {name}")
        return await self._pairs.person(name)

    async def _direct_room(self, token: Token, other: PairMember) -> str:
        """Return the room of the identity and *other*: one for both orders, however they begin."""
        if token.agent is None:
            if other.agent is not None:
                return await self._direct.open(other.agent, token.user_id)
            return await self._pairs.open(Pair.of(await self._pairs.person(token.user_id), other))
        own = (await self._access.agent(token.user_id)).agent
        if other.agent is None:
            return await self._direct.open(own, other.user_id)
        return await self._pairs.open(Pair.of(self._pairs.agent(own), other))

    async def _permitted(self, token: Token, name: str) -> Agent:
        if token.rooms is not None:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the token is limited to rooms that exist")
        self._access.require(token, Permission.SEND if token.is_agent else Permission.JOIN)
        agent = (await self._access.agent(name)).agent
        if agent.id == token.agent:
            raise ProgramRefused(Problem.INVALID_REQUEST, "that is the identity of the token itself")
        if agent.state is not AgentState.ACTIVE:
            raise ProgramRefused(Problem.AGENT_AT_REST, f"{agent.name} is gone or retired")
        return agent

    async def _written(self, token: Token, agent: Agent, title: str, key: str) -> tuple[int, int]:
        """Write the chat with *key*, unless it is written; return its row id and its number."""
        async with self._database.transaction() as connection:
            # Also the lock under which a repeat finds the chat.
            count = await self._chats.count(connection, token.user_id)
            if (known := await self._chats.requested(connection, key)) is not None:
                return known
            await self._maker.check_numbers(connection)
            if count >= self._maker.most:
                raise ProgramRefused(Problem.TOO_MANY_CHATS, f"there are {self._maker.most} chats")
            new = NewChat(
                person=token.user_id,
                agent=agent.id,
                request_key=key,
                name=self._maker.name_of(agent, title or None),
                is_titled=bool(title),
            )
            return await self._chats.add(connection, new)


def _is_user_id(text: str) -> bool:
    try:
        checked_user_id(text)
    except ValueError:
        return False
    return True
