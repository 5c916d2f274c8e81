"""Programs make rooms: chats with agents, and direct chats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.agents import AgentState
from agent_bridge.core.chats import NewChat
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import Capability
from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.chats.maker import ChatMaker
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.programs import Token
    from agent_bridge.core.roles import Roles
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
        roles: Roles,
        namespace: Namespace,
    ) -> None:
        self._access = access
        self._requests = requests
        self._database = database
        self._chats = chats
        self._maker = maker
        self._direct = direct
        self._roles = roles
        self._namespace = namespace

    async def new_chat(self, call: Call, agent: str, title: str) -> Outcome:
        """Make a chat with an agent, once.

        Raises:
            ProgramRefused, HomeserverError, StoreError: see :meth:`Requests.once`.
        """

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            found = await self._permitted(call.token, agent)
            key = call.name
            chat, number = await self._written(call.token, found, one_line(title)[:_LONGEST], key)
            made = await self._chats.find(chat)
            if made is None:
                raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the chat was deleted meanwhile")
            room_id = await self._maker.make(made)
            return {"room_id": room_id, "number": number, "agent": found.name}

        return await self._requests.once(call, act, status=201)

    async def direct_chat(self, call: Call, agent: str) -> Outcome:
        """Return the direct chat of the person and an agent, which is made if there is none."""

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            found = await self._permitted(call.token, agent)
            return {"room_id": await self._direct.open(found, call.token.user_id), "agent": found.name}

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

        Raises:
            ProgramRefused: it is a person with whom the identity cannot talk.
            HomeserverError, StoreError: a repeat goes on.
        """
        if not (to.startswith("@") and ":" in to) or self._namespace.is_ours(to):
            return to
        if token.agent is None:
            raise ProgramRefused(Problem.AGENTS_ONLY, "only agents send messages to people: name a room")
        if token.rooms is not None:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the token is limited to rooms that exist")
        self._access.require(token, Permission.SEND)
        if self._roles.of(to) < Role.MEMBER:
            raise ProgramRefused(Problem.USER_NOT_FOUND, f"{to} has no role here")
        return await self._direct.open((await self._access.agent(token.user_id)).agent, to)

    async def _permitted(self, token: Token, name: str) -> Agent:
        if token.rooms is not None:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the token is limited to rooms that exist")
        self._access.require(token, Permission.JOIN)
        agent = (await self._access.agent(name)).agent
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
