"""The lobby: one room in which all agents answer those who address them. A duty of the leader."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, LOOK, every
from agent_bridge.bridge.rooms.entry import leave_for_good
from agent_bridge.bridge.rooms.invitations import bring_in
from agent_bridge.core.rooms import ParticipantState
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.groups.lobby_room import LobbyRoom
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.lobbies import Lobbies, Lobby, LobbyAgent
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two comparisons with the homeserver. New agents join at once.
_COMPARED_EVERY = 300.0
#: Ghosts that join at the same time.
_TOGETHER = 4


class LobbyKeeper:
    """Sees that the lobby exists, and that the ghosts of all active agents are in it.

    A ghost joins, then its row is written: after a kill in between, the join is repeated and changes nothing. An agent
    that people removed stays outside, one that is gone stays inside, and one that is retired leaves.
    """

    def __init__(self, homeserver: Homeserver, room: LobbyRoom, lobbies: Lobbies, signals: Signals) -> None:
        self._homeserver = homeserver
        self._room = room
        self._lobbies = lobbies
        self._signals = signals
        #: The lobby, as of its last comparison; None: not compared yet.
        self._lobby: Lobby | None = None
        self._next = 0.0
        #: Row ids of agents that could not join since the last comparison.
        self._outside: set[int] = set()
        #: Whether the bot had the power to invite them then.
        self._may_invite = True

    async def run(self) -> None:
        """Keep the lobby, until cancelled."""
        self._lobby = None
        # The configuration may name other people to invite.
        changes = (Topic.LOBBY, Topic.ENTERED, Topic.CONFIGURATION)
        with (
            self._signals.subscription(Topic.AGENTS, Topic.ROOMS, *changes) as wake,
            self._signals.subscription(*changes) as changed,
        ):

            async def keep() -> float:
                if changed.is_set():
                    changed.clear()
                    self._next = 0.0
                return await self.keep()

            await every(FALLBACK, keep, name="the lobby", wake=wake, rest=LONG_REST)

    async def keep(self) -> float:
        """Compare the lobby if that is due, and bring missing agents in; return the seconds until the next look.

        Raises:
            HomeserverError, StoreError: the next call goes on.
        """
        now = time.monotonic()
        if self._lobby is None or now >= self._next:
            found = await self._room.enter()
            if found is None:
                self._lobby = None
                return LOOK
            lobby, state = found
            await self._compare(lobby, state)
            self._lobby, self._next = lobby, now + _COMPARED_EVERY
        while missing := await self._lobbies.missing(self._lobby.id, self._outside, _TOGETHER):
            await self._bring(self._lobby, missing)
        for each in await self._lobbies.retired(self._lobby.id):
            await leave_for_good(
                self._homeserver, self._lobby.room_id, [self._homeserver.namespace.user_id(each.ghost)]
            )
            await self._lobbies.forget(self._lobby.id, each.agent)
        if self._outside:
            # People may let them in at any time.
            self._next = min(self._next, time.monotonic() + LOOK)
        return self._next - time.monotonic()

    async def _compare(self, lobby: Lobby, state: RoomState) -> None:
        """Record the agents that entered or were removed, and bring the others back."""
        self._outside.clear()
        self._may_invite = state.power(self._homeserver.namespace.bot) >= state.invite_level
        absent: list[LobbyAgent] = []
        for each in await self._lobbies.agents(lobby.id):
            user_id = self._homeserver.namespace.user_id(each.ghost)
            if state.membership(user_id) == "join":
                await self._note(lobby, each, ParticipantState.JOINED)
            elif state.is_removed(user_id):
                await self._note(lobby, each, ParticipantState.LEFT)
            elif each.state is ParticipantState.JOINED:
                absent.append(each)
        for start in range(0, len(absent), _TOGETHER):
            await self._bring(lobby, absent[start : start + _TOGETHER])

    async def _note(self, lobby: Lobby, agent: LobbyAgent, state: ParticipantState) -> None:
        if agent.state is not state:
            await self._lobbies.take_part(lobby.id, agent.agent, state)

    async def _bring(self, lobby: Lobby, agents: Sequence[LobbyAgent]) -> None:
        """Have the ghosts of *agents* join, and record it."""
        namespace = self._homeserver.namespace
        users = [namespace.user_id(each.ghost) for each in agents]
        joins = [bring_in(self._homeserver, lobby.room_id, user, namespace.bot) for user in users]
        results = await asyncio.gather(*joins, return_exceptions=True)
        for each, joined in zip(agents, results, strict=True):
            if joined is True:
                await self._lobbies.take_part(lobby.id, each.agent, ParticipantState.JOINED)
                _log.info("an agent is in the lobby", ghost=each.ghost)
            elif joined is False:
                self._outside.add(each.agent)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        if self._outside and not self._may_invite:
            await self._room.tell("lobby_powerless", lobby.room_id)
