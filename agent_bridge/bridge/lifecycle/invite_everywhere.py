"""The operation ``invite``: brings a person into the Space, and into the rooms that cannot be entered from there.

The rooms are looked at one after the other: the homeserver limits the invitations of one person, of whatever room. A
limit ends a run, and the operation goes on when the limit is over. A person who declined an invitation of the operation
gets no other one from it. If the admin who asked loses the right to invite, the rest is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.inviter import belongs_to
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import HomeserverRefused, RateLimited, ServerOutOfReach
from agent_bridge.core.operations import Progress
from agent_bridge.core.permissions import CAN, Permission
from agent_bridge.core.results.access import Arrival, InviteReport
from agent_bridge.core.roles import Role
from agent_bridge.matrix.pacing import background
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import JOIN_RULES
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from typing import Any

    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.operations import Operation
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom, Agents

    #: Returns the room of the direct chat of an agent and a person, to which the ghost invites if there was none.
    OpenDirect = Callable[[Agent, str], Awaitable[str]]

_log = structlog.stdlib.get_logger(__name__)

#: The kind of the operation.
INVITE = "invite"
#: Outcomes for a room besides those of :class:`Arrival`.
_OPEN, _REMOVED, _REVOKED = "open", "removed", "revoked"
#: Key of the outcome for the Space among the results.
_SPACE = "space"
#: Rooms, or seconds, after which the position is stored.
_STORED_EVERY, _STORED_AFTER = 10, 2.0


class _Stage(IntEnum):
    """The kinds of rooms, in their order."""

    SPACE = 0
    HOME = 1
    LOBBY = 2


@dataclass(frozen=True, slots=True)
class _Target:
    stage: _Stage
    #: Row id of the agent; 0 for Space and lobby.
    id: int
    #: None: the person gets an own room with the agent.
    room_id: str | None
    #: Users of the bridge that may invite.
    senders: tuple[str, ...]
    agent: Agent | None = None

    @property
    def position(self) -> list[int]:
        return [self.stage, self.id]


class InviteEverywhere:
    """Runs the operation. Its parameters are user ids, ``user`` and ``by``, and ``key``, which marks its invitations.

    Operations of earlier versions have no ``by``.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        agents: Agents,
        kv: KeyValues,
        inviter: Inviter,
        roles: Roles,
        open_direct: OpenDirect,
        *,
        private: bool,
        has_space: bool,
        makes_lobby: bool,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._agents = agents
        self._kv = kv
        self._inviter = inviter
        self._roles = roles
        self._open_direct = open_direct
        self._private = private
        self._has_space = has_space
        self._makes_lobby = makes_lobby

    async def run(self, operation: Operation) -> AsyncGenerator[Progress, None]:
        """Bring the person into the rooms behind the position of *operation*, one after the other.

        Raises:
            HomeserverUnavailable, StoreError: the rooms behind the last progress are to be looked at again.
        """
        user, key, by = str(operation.params["user"]), str(operation.params["key"]), operation.params.get("by")
        space = await self._kv.get(KeyValues.SPACE) if self._has_space else None
        targets = await self._targets(space)
        left = [target for target in targets if target.position > (operation.cursor or [-1, 0])]
        is_inside = False
        if space is not None and not (left and left[0].stage is _Stage.SPACE):
            is_inside = await self._is_inside(space, user)
        found: Counter[str] = Counter()
        space_result: str | None = None
        stored, last = time.monotonic(), operation.cursor
        for target in left:
            try:
                if by is not None and not self._may_invite(by):
                    outcome = _REVOKED
                else:
                    outcome = await self._one(target, user, key, space if is_inside else None)
            except RateLimited:
                if last != operation.cursor:
                    yield _progress(targets, last, found, space_result)
                raise
            last = target.position
            if target.stage is _Stage.SPACE:
                space_result = outcome
                is_inside = outcome in set(Arrival) and Arrival(outcome).is_done
            else:
                found[outcome] += 1
            is_due = sum(found.values()) >= _STORED_EVERY or time.monotonic() - stored >= _STORED_AFTER
            if is_due or target is left[-1]:
                yield _progress(targets, last, found, space_result)
                found, space_result, stored = Counter(), None, time.monotonic()

    async def _targets(self, space: str | None) -> list[_Target]:
        bot = self._namespace.bot
        targets = [] if space is None else [_Target(_Stage.SPACE, 0, space, (bot,))]
        for each in sorted(await self._agents.all(), key=lambda each: each.agent.id):
            if self._is_meant(each):
                senders = (self._namespace.user_id(each.agent.ghost), bot)
                targets.append(_Target(_Stage.HOME, each.agent.id, each.home.room_id, senders, each.agent))
        lobby = (await self._kv.get(KeyValues.LOBBY) or {}).get("room") if self._makes_lobby else None
        return targets if lobby is None else [*targets, _Target(_Stage.LOBBY, 0, str(lobby), (bot,))]

    def _may_invite(self, user: str) -> bool:
        return Permission.MEMBERS in CAN[self._roles.of(user)]

    def _is_meant(self, each: AgentRoom) -> bool:
        has_room = each.home.room_id is not None or self._private
        return each.agent.state is AgentState.ACTIVE and has_room and not each.home.is_deleting

    async def _is_inside(self, space: str, user: str) -> bool:
        try:
            return await self._homeserver.membership(space, user) in {"join", "invite"}
        except HomeserverRefused:
            return False

    async def _one(self, target: _Target, user: str, key: str, space: str | None) -> str:
        """Bring *user* into one room, unless *space* lets it in, in which *user* is; return the outcome."""
        if self._roles.of(user) is Role.NONE:
            return Arrival.NO_ROLE
        try:
            with background():
                if target.room_id is None and target.agent is not None:
                    return await self._own_room(target.agent, user)
                return await self._bring(target, target.room_id or "", user, key, space)
        except HomeserverRefused as error:
            _log.warning("a person is not invited", user=user, room=target.room_id, error=str(error))
            return Arrival.POWERLESS

    async def _bring(self, target: _Target, room_id: str, user: str, key: str, space: str | None) -> str:
        rule, member = await asyncio.gather(
            self._join_rule(room_id, target.senders), self._inviter.member(room_id, user, target.senders)
        )
        state = RoomState(room_id, {("m.room.member", user): member or {"content": {}}} | rule)
        if belongs_to(member, key):
            await self._note(target, user)
            return Arrival.INVITED
        if state.membership(user) == "ban":
            return Arrival.BANNED
        is_invited = state.membership(user) == "invite" and not self._inviter.joins(user)
        if state.membership(user) == "join" or is_invited:
            return Arrival.INSIDE
        if state.is_removed(user) and target.stage is not _Stage.SPACE:
            return _REMOVED
        if target.stage is not _Stage.SPACE and space is not None and space in state.rooms_that_let_in:
            return _OPEN
        is_direct = target.stage is _Stage.HOME
        arrival = await self._inviter.bring(room_id, user, target.senders, is_direct=is_direct, request=key)
        if arrival.is_done:
            await self._note(target, user)
        return arrival

    async def _note(self, target: _Target, user: str) -> None:
        """Record that the bridge invited *user* into the home of an agent, who may come back there."""
        if target.agent is None:
            return
        home = (await self._agents.by_agent(target.agent.id)).home
        if user not in home.invited:
            await self._agents.invited(home.id, user)

    async def _join_rule(self, room_id: str, readers: Sequence[str]) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        for reader in readers:
            try:
                event = await self._homeserver.state(room_id, JOIN_RULES, as_user=reader)
            except HomeserverRefused:
                continue
            return {} if event is None else {(JOIN_RULES, ""): event}
        return {}

    async def _own_room(self, agent: Agent, user: str) -> str:
        try:
            room_id = await self._open_direct(agent, user)
        except ServerOutOfReach as error:
            _log.info("the server of a user does not answer", user=user, error=str(error))
            return Arrival.AWAY
        membership = await self._homeserver.membership(room_id, user, self._namespace.user_id(agent.ghost))
        return Arrival.INSIDE if membership == "join" else Arrival.INVITED


def _progress(targets: Sequence[_Target], last: Any, found: Counter[str], space: str | None) -> Progress:
    done = sum(target.position <= last for target in targets)
    result: dict[str, object] = {"rooms": dict(found)} | ({} if space is None else {_SPACE: space})
    return Progress(done, len(targets), last, (result,))


def report_of(operation: Operation) -> InviteReport:
    """Return the progress or the result of an invitation into all rooms."""
    counts: Counter[str] = Counter()
    space: str | None = None
    for each in operation.found:
        counts.update(each["rooms"])
        space = each.get(_SPACE, space)
    return InviteReport(
        user=str(operation.params["user"]),
        done=operation.done,
        total=operation.total or 0,
        space=space,
        counts=counts,
        is_finished=operation.is_finished,
        error=operation.error or "",
    )
