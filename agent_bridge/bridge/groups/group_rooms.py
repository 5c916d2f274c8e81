"""Groups: rooms of people into which they invite the ghosts of agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.rooms import ParticipantState

if TYPE_CHECKING:
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.groups import GroupRoom, Groups

_log = structlog.stdlib.get_logger(__name__)


class GroupRooms:
    """Has agents take part in rooms, and groups continue in the rooms that replace them."""

    def __init__(self, homeserver: Homeserver, groups: Groups, agents: Agents, roles: Roles) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._groups = groups
        self._agents = agents
        self._roles = roles

    async def admit(self, state: RoomState, ghost: str, invitation: str) -> bool:
        """Have the agent of *ghost*, a member of the room, take part in it, and those that are invited, too.

        A message that a person writes at once behind several invitations is for all of them. The messages behind the
        event *invitation* are taken in, then the agents answer. False: the room is a chat with the bot.

        Raises:
            HomeserverError, StoreError: a repeat continues.
        """
        await self.follow_into(state)
        ghosts = [ghost, *sorted(self._invited(state) - {ghost})]
        for user in ghosts[1:]:
            # The invitation of its own finds it there.
            if not await self._homeserver.can_join(state.room_id, user):
                ghosts.remove(user)
        people = self.people(state)
        localparts = [parse_user_id(user)[0] for user in ghosts]
        return await self._groups.admit(state.room_id, localparts, len(people), invitation)

    async def is_voice(self, room_id: str, ghost: str) -> bool:
        """Tell whether *ghost* speaks for the bridge in a room. In an agent's own room each guest does."""
        group = await self._groups.find(room_id)
        return group is None or self.users(group)[:1] == [ghost]

    async def follow_into(self, state: RoomState) -> None:
        """Have a group continue in the room of *state*, which a user of the bridge has entered, if that replaces it."""
        group = None if state.predecessor is None else await self._groups.find(state.predecessor)
        if group is None:
            return
        for user in self.users(group):
            old = await self._homeserver.room_state(group.room_id, user)
            if old is not None and old.replacement == state.room_id:
                await self.move(group, state.room_id)
                return

    async def move(self, group: GroupRoom, new: str) -> None:
        """Have *group* continue in the room *new*, which replaces its room."""
        await self._groups.unite(group, new)
        await self._agents.room_moved(group.id, group.room_id, new)
        _log.info("a group was upgraded", room=new, replaces=group.room_id)

    def users(self, group: GroupRoom) -> list[str]:
        """Return the user ids of the bridge that are in *group*: the bot, then the ghosts as they came."""
        present = [each for each in group.agents if each.state is ParticipantState.JOINED]
        ghosts = [self._namespace.user_id(each.ghost) for each in present]
        return [self._namespace.bot, *ghosts] if group.bot_joined else ghosts

    def people(self, state: RoomState, *memberships: str) -> frozenset[str]:
        """Return the people that are in the room; with *memberships*, those that have one of them."""
        members = state.members(*(memberships or ("join",)))
        return frozenset(user for user in members if not self._namespace.is_ours(user))

    def _invited(self, state: RoomState) -> set[str]:
        """Return the ghosts that members have invited."""
        found = {user for user in state.members("invite") if self._namespace.is_ours(user)} - {self._namespace.bot}
        inviters = {user: state.sender("m.room.member", user) or "" for user in found}
        return {user for user in found if self._roles.may_invite(inviters[user])}
