"""Compares groups and lobbies with the homeserver when their members changed. A duty of the leader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, every
from agent_bridge.bridge.rooms.entry import leave_for_good
from agent_bridge.bridge.rooms.invitations import bring_in
from agent_bridge.bridge.rooms.successor import enter_successor, invite_members
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError
from agent_bridge.core.rooms import KindName, ParticipantState
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.groups.group_rooms import GroupRooms
    from agent_bridge.bridge.rooms.stranger_warning import StrangerWarning
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.groups import GroupRoom, Groups
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: Groups that one look takes.
_AT_ONCE = 20
_RETRY = Backoff(first=1, cap=300)


class GroupKeeper:
    """Counts the people of groups, notes the agents that were removed, follows upgrades, and leaves empty groups.

    Each step can be repeated. A group that changed meanwhile is compared again.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        groups: Groups,
        rooms: GroupRooms,
        intake_store: IntakeStore,
        warning: StrangerWarning,
        signals: Signals,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._database = database
        self._groups = groups
        self._rooms = rooms
        self._intake_store = intake_store
        self._warning = warning
        self._signals = signals
        self._texts = texts
        #: How often each group failed in a row, and when it may be tried again, by a monotonic clock.
        self._failures: dict[int, int] = {}
        self._later: dict[int, float] = {}

    async def run(self) -> None:
        """Compare the groups that changed, until cancelled."""
        with self._signals.subscription(Topic.GROUPS) as wake:
            await every(FALLBACK, self.keep, name="the groups", wake=wake, rest=LONG_REST)

    async def keep(self) -> float | None:
        """Compare the groups that changed; return the seconds until one that failed may be tried again."""
        while True:
            now = time.monotonic()
            self._later = {group: at for group, at in self._later.items() if at > now}
            due = await self._groups.due(_AT_ONCE, self._later)
            for group in due:
                await self._attempt(group)
            if not due:
                return min(self._later.values()) - now if self._later else None

    async def _attempt(self, group: GroupRoom) -> None:
        try:
            await self._compare(group)
        except BridgeError as error:
            failures = self._failures[group.id] = self._failures.get(group.id, 0) + 1
            self._later[group.id] = time.monotonic() + _RETRY.delay(failures)
            log = _log.warning if failures == 1 else _log.debug
            log("a group is not compared yet", room=group.room_id, error=str(error))
        else:
            self._failures.pop(group.id, None)

    async def _compare(self, group: GroupRoom) -> None:
        state = await self._state(group)
        if group.is_ended:
            await self._leave(group, state)
        elif state is None:
            # Nobody of the bridge is there any more. An invitation brings them back.
            await self._note(group, None)
        elif group.kind is KindName.LOBBY:
            await self._note(group, state)
        elif state.replacement is not None and await self._follow(group, state):
            return
        elif self._is_empty(group, state):
            await self._groups.end(group)
            await self._leave(group, state)
        else:
            await self._note(group, state)

    def _is_empty(self, group: GroupRoom, state: RoomState) -> bool:
        """Tell whether the room has nobody for whom it is: people; in the room of two agents, these, too."""
        if group.kind is KindName.PAIR:
            return state.members("join", "invite") <= {self._namespace.bot}
        return not self._rooms.people(state, "join", "invite")

    async def _state(self, group: GroupRoom) -> RoomState | None:
        """Return the state of the room, as one of the bridge's users that are there sees it."""
        for user in dict.fromkeys([*self._rooms.users(group), *self._known(group)]):
            state = await self._homeserver.room_state(group.room_id, user)
            if state is not None:
                return state
        return None

    async def _note(self, group: GroupRoom, state: RoomState | None) -> None:
        """Record who is in the room, and have the room warned once if it has people without a role."""
        back, left = [], []
        for each in group.agents:
            membership = None if state is None else state.membership(self._namespace.user_id(each.ghost))
            if each.state is ParticipantState.LEFT and membership == "join":
                back.append(each.agent)
            elif each.state is ParticipantState.JOINED and membership not in {"join", "invite"}:
                # A ghost with an invitation is about to join.
                left.append(each.agent)
        people = frozenset() if state is None else self._rooms.people(state)
        bot_joined = state is not None and state.membership(self._namespace.bot) == "join"
        async with self._database.transaction() as connection:
            # Under the lock of intake, which writes the turns of agents that are present.
            await self._intake_store.lock(connection, [group.room_id])
            if not await self._groups.lock(connection, group):
                return
            if group.kind is not KindName.LOBBY:
                why = self._texts.agent_removed
                await self._groups.take_part(connection, group, back=back, left=left, why=why)
            await self._groups.compared(connection, group, len(people), bot_joined=bot_joined)
            present = {each.agent for each in group.agents if each.state is ParticipantState.JOINED}
            if state is not None and not group.warned and present.union(back).difference(left):
                await self._warning.warn(connection, group.id, state)
        if left:
            _log.info("agents are not in a group any more", room=group.room_id, agents=left)

    async def _follow(self, group: GroupRoom, old: RoomState) -> bool:
        """Move to the room that replaces *old*, as far as the bridge's users can enter it; tell whether one could."""
        users = self._rooms.users(group)
        new = await enter_successor(self._homeserver, old, users)
        if new is None:
            return False
        present = [user for user in users if await self._is_there(new.room_id, user)]
        for user in users:
            if user not in present:
                await bring_in(self._homeserver, new.room_id, user, present[0])
        await invite_members(self._homeserver, old, new, present[0])
        await self._rooms.move(group, new.room_id)
        return True

    async def _is_there(self, room_id: str, user: str) -> bool:
        return await self._homeserver.room_state(room_id, user) is not None

    def _known(self, group: GroupRoom) -> list[str]:
        """Return the user ids of the bridge that are in the room, or were."""
        return [self._namespace.bot, *(self._namespace.user_id(each.ghost) for each in group.agents)]

    async def _leave(self, group: GroupRoom, state: RoomState | None) -> None:
        """Have the bridge's users leave a room without people, and forget it. They may have left it already."""
        _log.info("leaving an empty group", room=group.room_id)
        present = frozenset() if state is None else state.members("join", "invite")
        ours = {user for user in present if self._namespace.is_ours(user)}
        await leave_for_good(self._homeserver, group.room_id, sorted({*ours, *self._known(group)}))
        await self._groups.forget(group, self._texts.room_lost)
