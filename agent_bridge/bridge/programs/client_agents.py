"""Agents that connect themselves: programs register them, take their questions, and reply."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agent_bridge.core.actors import Actor
from agent_bridge.core.agents import AgentState
from agent_bridge.core.client_agents import (
    CLIENTS,
    EPHEMERAL_CLIENTS,
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    upstream_of_client,
)
from agent_bridge.core.errors import StoreError
from agent_bridge.core.ids import short_hash
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import ALL_CAPABILITIES, Capability, derived_token, token_hash
from agent_bridge.store.client_agents import NewClientAgent
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.store.tokens import NewToken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.connected import ConnectedAgents
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.client_agents import ClientQuestion
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.programs import Token
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.client_agents import ClientAgents
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.program_requests import ProgramRequest
    from agent_bridge.store.tokens import Tokens

#: Hexadecimal digits of an agent's id, seconds until the agent is listed, and seconds until it has a room.
_DIGITS, _LISTED, _ROOM = 12, 20.0, 10.0
#: Seconds between two looks without a signal.
_LOOK = 5.0
#: Name of the token that an agent gets when it is registered.
_TOKEN = "registration"  # noqa: S105 - no secret
_UPSTREAMS = frozenset({CLIENTS, EPHEMERAL_CLIENTS})


class ClientAgentDesk:
    """The functions. *key*: the secret from which the tokens of agents derive. *most*: agents at most."""

    def __init__(
        self,
        store: ClientAgents,
        agents: Agents,
        tokens: Tokens,
        access: Access,
        requests: Requests,
        status: UpstreamStatus,
        connected: ConnectedAgents,
        database: Database,
        signals: Signals,
        namespace: Namespace,
        *,
        key: str,
        most: int,
    ) -> None:
        self._store = store
        self._agents = agents
        self._tokens = tokens
        self._access = access
        self._requests = requests
        self._status = status
        self._connected = connected
        self._database = database
        self._signals = signals
        self._namespace = namespace
        self._key = key
        self._most = most
        self._is_ending = False
        #: The waits of calls, which the end of the process ends.
        self._waits: set[asyncio.Event] = set()

    async def register(self, call: Call, name: str, description: str, *, ephemeral: bool) -> tuple[Outcome, str]:
        """Register an agent once, and return it with its token: the same one for a repeat of the request.

        Raises:
            ProgramRefused: the identity may not, or the name is taken.
            HomeserverError, StoreError: a repeat goes on.
        """
        self._require_admin(call.token)
        if call.token.rooms is not None:
            # The token of the new agent is not limited.
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "a token that is limited to rooms registers no agents")
        shown = one_line(name)[:LONGEST_NAME]
        if not shown:
            raise ProgramRefused(Problem.INVALID_REQUEST, "name: has no character that shows something")

        async def act(request: ProgramRequest) -> dict[str, Any]:
            new = NewClientAgent(
                model=f"client-{short_hash(call.name, _DIGITS)}",
                name=shown,
                description=one_line(description)[:LONGEST_DESCRIPTION],
                ephemeral=ephemeral,
                owner=call.token.user_id,
                request_key=call.name,
            )
            await self._write(new)
            contact = await self._listed(new)
            await self._give_token(contact, request.handle, call.token.user_id)
            user_id = self._namespace.user_id(contact.agent.ghost)
            room_id = await self._room(contact)
            return {"name": shown, "user_id": user_id, "room_id": room_id, "ephemeral": ephemeral}

        outcome = await self._requests.once(call, act, status=201)
        return outcome, derived_token(self._key, outcome.handle)

    async def change(self, token: Token, name: str, *, new_name: str | None, description: str | None) -> str:
        """Give an agent another name or description (None: as before); return its user id. An agent changes its own.

        Raises:
            ProgramRefused: the identity may not, there is no such agent, or another one has the new name.
        """
        contact = await self._managed(token, name)
        shown = None if new_name is None else one_line(new_name)[:LONGEST_NAME]
        if shown == "":
            raise ProgramRefused(Problem.INVALID_REQUEST, "name: has no character that shows something")
        about = None if description is None else one_line(description)[:LONGEST_DESCRIPTION]
        model = contact.agent.model
        async with self._database.transaction() as connection:
            if shown is not None and shown != contact.agent.name:
                await self._require_free(connection, shown, model)
            await self._store.change(connection, model, name=shown, description=about)
        await self._status.ask_one(contact.agent.upstream, within=_LISTED)
        return self._namespace.user_id(contact.agent.ghost)

    async def remove(self, token: Token, name: str) -> str:
        """Remove an agent, and return its user id. Its tokens count no more, and rooms are told that it is gone."""
        contact = await self._managed(token, name)
        await self._store.remove(contact.agent.model)
        await self._status.ask_one(contact.agent.upstream, within=_LISTED)
        return self._namespace.user_id(contact.agent.ghost)

    async def questions(self, token: Token, *, after: int, most: int, wait: float) -> Sequence[ClientQuestion]:
        """Return the questions that wait for the agent of *token*, as soon as there are any behind *after*.

        A token that is limited to rooms gets those from its rooms. The agent counts as online meanwhile. Empty after
        *wait* seconds.
        """
        model = await self._model(token)
        deadline = asyncio.get_running_loop().time() + wait
        async with self._connected.connected(token):
            with self._signals.subscription(Topic.QUESTIONS) as news:
                self._waits.add(news)
                try:
                    while True:
                        news.clear()
                        found = await self._store.open(model, after=after, most=most, rooms=token.rooms)
                        left = deadline - asyncio.get_running_loop().time()
                        if found or left <= 0 or self._is_ending:
                            return found
                        with suppress(TimeoutError):
                            async with asyncio.timeout(min(left, _LOOK)):
                                await news.wait()
                finally:
                    self._waits.discard(news)

    async def end_waits(self) -> None:
        """Return all calls that wait: the process stops."""
        self._is_ending = True
        for news in self._waits:
            news.set()

    async def reply(self, token: Token, question: int, text: str) -> bool:
        """Reply to a question, and tell whether the reply is new. The agent's ghost says it in the room.

        Raises:
            ProgramRefused: there was no such question, it does not wait any more, or the agent may not.
        """
        self._access.require(token, Permission.SEND)
        model = await self._model(token)
        is_new = await self._store.reply(question, model, text, rooms=token.rooms)
        if is_new is None and not await self._store.was_asked(question):
            raise ProgramRefused(Problem.QUESTION_NOT_FOUND, f"there was no question {question}")
        if is_new is None:
            raise ProgramRefused(Problem.QUESTION_OVER, "the question was replied to, ended, or waited too long")
        return is_new

    def _require_admin(self, token: Token) -> None:
        if token.is_agent:
            raise ProgramRefused(Problem.ROLE_MISSING, "agents are registered with the token of an admin")
        self._access.require(token, Permission.CHANNELS)

    async def _managed(self, token: Token, name: str) -> AgentRoom:
        """Return the agent *name* that connects itself, which the identity may change."""
        contact = await self._access.agent(name)
        if contact.agent.upstream not in _UPSTREAMS:
            raise ProgramRefused(Problem.AGENT_NOT_FOUND, f"{contact.agent.name} does not connect itself")
        if token.rooms is not None and contact.home.room_id not in token.rooms:
            raise ProgramRefused(Problem.AGENT_NOT_FOUND, f"the token reaches no agent {name}")
        if token.agent != contact.agent.id:
            self._require_admin(token)
        return contact

    async def _model(self, token: Token) -> str:
        if token.agent is None:
            raise ProgramRefused(Problem.AGENTS_ONLY, "questions are for tokens of agents")
        agent = (await self._agents.by_agent(token.agent)).agent
        if agent.upstream not in _UPSTREAMS:
            raise ProgramRefused(Problem.AGENTS_ONLY, f"{agent.name} does not connect itself: its server is asked")
        return agent.model

    async def _write(self, new: NewClientAgent) -> None:
        async with self._database.transaction() as connection:
            await self._require_free(connection, new.name, new.model)
            if await self._store.register(connection, new, most=self._most) is None:
                raise ProgramRefused(Problem.TOO_MANY_AGENTS, f"there are {self._most}: clients.max_agents")

    async def _require_free(self, connection: Connection, name: str, model: str) -> None:
        """Return if no other agent than *model* is called *name*, in upper or lower case: it could not be addressed.

        Nobody else registers or renames agents until the transaction of *connection* ends.
        """
        await self._store.lock(connection)
        clients = [each.model for each in await self._store.by_name(connection, name)]
        # Those of servers, which may get the same name later.
        listed = [each.agent.model for each in await self._agents.all() if _is_called(each.agent, name)]
        if {*clients, *listed} - {model}:
            raise ProgramRefused(Problem.NAME_TAKEN, f"another agent is called {name}")

    async def _listed(self, new: NewClientAgent) -> AgentRoom:
        """Return the agent once the leader has read the table."""
        upstream = upstream_of_client(ephemeral=new.ephemeral)
        await self._status.ask_one(upstream, within=_LISTED)
        for each in await self._agents.of_upstream(upstream):
            if each.agent.model == new.model:
                return each
        raise StoreError("no process leads, so the agent is not listed yet")

    async def _give_token(self, contact: AgentRoom, nonce: str, maker: str) -> None:
        actor = Actor(self._namespace.user_id(contact.agent.ghost), contact.agent.id)
        hashed = token_hash(derived_token(self._key, nonce))
        async with self._database.transaction() as connection:
            await self._add_token(connection, actor, hashed, maker)

    async def _add_token(self, connection: Connection, actor: Actor, hashed: str, maker: str) -> None:
        if any(each.name == _TOKEN for each in await self._tokens.owned(actor, connection)):
            # A repeat: it is the same token.
            return
        new = NewToken(
            name=_TOKEN,
            identity=actor,
            hash=hashed,
            nonce=None,
            capabilities=ALL_CAPABILITIES - {Capability.REGISTER},
            rooms=None,
            made_by=maker,
            seconds=None,
        )
        await self._tokens.add(connection, new)

    async def _room(self, contact: AgentRoom) -> str | None:
        """Return the room of an agent as soon as there is one; None if that takes long."""
        with self._signals.subscription(Topic.ROOMS) as news, suppress(TimeoutError):
            async with asyncio.timeout(_ROOM):
                while True:
                    news.clear()
                    room_id = (await self._agents.by_agent(contact.agent.id)).home.room_id
                    if room_id is not None:
                        return room_id
                    with suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            await news.wait()
        return None


def _is_called(agent: Agent, name: str) -> bool:
    return agent.state is AgentState.ACTIVE and agent.name.lower() == name.lower()
