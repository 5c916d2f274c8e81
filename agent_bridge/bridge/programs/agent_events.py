"""Programs post agent events into rooms, and read them there."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.programs.refusals import of_event, of_place
from agent_bridge.core.agent_events import MOST_TEXT, NewEvent, event_problem
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.names import member_name
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.programs import SeenEvent
from agent_bridge.core.results.servers import PlaceRefused
from agent_bridge.core.servers import Channel, ChannelType
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.channels.changes import PlaceChanges
    from agent_bridge.bridge.channels.maker import PlaceMaker
    from agent_bridge.bridge.collaboration.events import AgentEvents
    from agent_bridge.bridge.programs.access import Access, ReachedRoom
    from agent_bridge.bridge.programs.reading import Reading
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.core.programs import Token
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agent_events import AgentEventStore
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.program_requests import ProgramRequest
    from agent_bridge.store.servers import Servers

#: The name of the first channel of the type ``log``, and of the one that is made if there is none.
DEFAULT, LOGS = "-", "agent-logs"
#: Seconds between two looks at an event that is to appear, if no signal comes.
_LOOK = 0.5


class ProgramEvents:
    """The functions. :data:`DEFAULT` is the first log channel that the identity of the token reaches."""

    def __init__(
        self,
        access: Access,
        requests: Requests,
        events: AgentEvents,
        store: AgentEventStore,
        reading: Reading,
        servers: Servers,
        changes: PlaceChanges,
        maker: PlaceMaker,
        inviter: Inviter,
        agents: Agents,
        database: Database,
        signals: Signals,
        homeserver: Homeserver,
    ) -> None:
        self._access = access
        self._requests = requests
        self._events = events
        self._store = store
        self._reading = reading
        self._servers = servers
        self._changes = changes
        self._maker = maker
        self._inviter = inviter
        self._agents = agents
        self._database = database
        self._signals = signals
        self._homeserver = homeserver
        self._namespace = homeserver.namespace

    async def post(
        self, call: Call, room: str, kind: str, text: str, data: dict[str, Any], *, wait: float
    ) -> tuple[Outcome, str | None]:
        """Post an event, once; return also its event id, None if it does not appear within *wait* seconds.

        A repeat with the same key returns the event id as soon as there is one. In a channel of the type ``log`` the
        role of a person is enough, because the bot writes the event; elsewhere the person needs the power, too.

        Raises:
            ProgramRefused: also because the homeserver refuses the event.
            HomeserverError, StoreError: see :meth:`Requests.once`.
        """
        if (fault := event_problem(kind, data)) is not None:
            raise of_event(fault)

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            actor, (reached, is_log) = call.token.actor, await self._reached(call.token, room, Permission.SEND, call)
            refused = await self._events.refusal(
                actor,
                reached.room_id,
                needs_bot=not actor.is_agent,
                invited=reached.member.get("membership") == "invite",
                by_role=is_log,
            )
            if refused is not None:
                raise of_event(refused)
            new = NewEvent(
                key=call.name, room_id=reached.room_id, actor=actor, kind=kind, data=data, text=text[:MOST_TEXT]
            )
            async with self._database.transaction() as connection:
                name = call.token.agent_name or member_name(reached.member, call.token.user_id)
                await self._events.post(connection, new, name)
            return {"room_id": reached.room_id}

        outcome = await self._requests.once(call, act)
        return outcome, await self._appeared(call.name, wait)

    async def read(self, token: Token, room: str, *, limit: int) -> list[SeenEvent]:
        """Return up to *limit* of the newest events of a room, oldest first.

        Raises:
            ProgramRefused, HomeserverError, StoreError: they cannot be read.
        """
        reached, _ = await self._reached(token, room, Permission.READ)
        found = await self._reading.agent_events(token, reached, limit=limit)
        names = {self._namespace.user_id(each.agent.ghost): each.agent.name for each in await self._agents.all()}
        return [
            SeenEvent(
                event_id=each.event_id,
                room_id=reached.room_id,
                sender=(sender := each.agent or each.by or self._namespace.bot),
                sender_name=names.get(sender) or parse_user_id(sender)[0],
                sent_at=each.timestamp,
                kind=each.kind,
                turn=each.turn,
                text=each.text,
                data=each.data,
            )
            for each in found[::-1]
        ]

    async def _reached(
        self, token: Token, name: str, permission: Permission, call: Call | None = None
    ) -> tuple[ReachedRoom, bool]:
        """Return the room *name*, and whether it is a log channel. *call*: the default one is made if there is none.

        A person who may make channels is invited into the default one.
        """
        by_server = await self._servers.by_server()
        # Those of the main Space come first.
        channels = (each for found in (by_server.pop(None, []), *by_server.values()) for each in found)
        logs = [each.room_id for each in channels if _is_log(each) and each.room_id is not None]
        # The maker of a log channel need not have accepted the invitation.
        decides = not token.is_agent and self._changes.may(token.user_id, Permission.CHANNELS, None)
        invited = logs if decides else []
        if name != DEFAULT:
            reached = await self._access.reach(token, name, permission, invited=invited)
            return reached, reached.room_id in logs
        found = await self._access.first(token, logs, permission, invited=invited)
        if found is None and decides and token.rooms is None and call is not None:
            log = logs[0] if logs else await self._made(call)
            await self._welcome(token, log)
            found = await self._access.first(token, [log], permission, invited=[log])
        if found is None:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the token reaches no channel for logs of agents")
        return found, True

    async def _made(self, call: Call) -> str:
        """Return the room of the new default channel."""
        async with self._database.transaction() as connection:
            await self._servers.lock(connection)
            # Another program may have made it.
            present = [each for each in await self._servers.channels(None, connection) if _is_log(each)]
            made = (
                present[0].id
                if present
                else await self._changes.new_channel(connection, call.name, None, LOGS, ChannelType.LOG)
            )
            if isinstance(made, PlaceRefused):
                raise of_place(made)
        channel = await self._servers.find(made)
        if channel is None:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the channel was deleted meanwhile")
        return await self._maker.make(channel)

    async def _welcome(self, token: Token, room_id: str) -> None:
        """Invite a person into a log channel, unless the person has left it or was removed.

        The request that has made the channel may have been interrupted before its invitation.
        """
        state = await self._homeserver.room_state(room_id)
        if state is not None and state.membership(token.user_id) is None:
            await self._inviter.bring(room_id, token.user_id, [self._namespace.bot])

    async def _appeared(self, key: str, seconds: float) -> str | None:
        deadline = time.monotonic() + seconds
        with self._signals.subscription(Topic.EVENTS) as wake:
            while True:
                wake.clear()
                found = await self._store.find(key)
                if found is not None and found.is_closed:
                    if found.event_id is None:
                        raise ProgramRefused(Problem.REFUSED, "the homeserver refuses the event")
                    return found.event_id
                if (left := deadline - time.monotonic()) <= 0:
                    return None
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _LOOK)):
                        await wake.wait()


def _is_log(channel: Channel) -> bool:
    return channel.type is ChannelType.LOG
