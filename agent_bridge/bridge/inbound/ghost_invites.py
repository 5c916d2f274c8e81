"""Answers invitations of ghosts: to a direct chat, into a room that waits for an agent, into any other room.

The invitations of people without a role are declined.

A ghost that is to say why it declines has to enter the room: clients do not show the reason of a declined invitation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.bridge.rooms.invitations import invite_home, may_enter
from agent_bridge.core.agents import AgentState
from agent_bridge.core.answers import Op
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.bridge.chats.binding import Binding
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.groups.group_rooms import GroupRooms
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.payloads import InvitationPayload
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.kv import KeyValues
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.strangers import Strangers
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Members of a room that a person has with the bot and a ghost.
_WITH_GHOST = 3


class GhostInvites:
    """Has ghosts enter rooms, or decline. A repeat after a kill says nothing twice."""

    def __init__(
        self,
        homeserver: Homeserver,
        turns: Turns,
        rooms: Rooms,
        agents: Agents,
        kv: KeyValues,
        binding: Binding,
        direct: DirectChats,
        groups: GroupRooms,
        strangers: Strangers,
        rules: Rules,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._rooms = rooms
        self._agents = agents
        self._kv = kv
        self._binding = binding
        self._direct = direct
        self._groups = groups
        self._strangers = strangers
        self._namespace = rules.namespace
        self._roles = rules.roles
        self._texts = texts

    async def answer(self, turn: Turn, invitation: InvitationPayload) -> Mapping[int, str]:
        """Answer the *invitation* of a ghost; return the events that show what the ghost said, by their parts.

        Raises:
            HomeserverRefused: the invitation was withdrawn, or the room is out of reach: there is nothing to answer.
            HomeserverUnavailable, StoreError: a repeat continues.
        """
        ghost = invitation.invited
        agent = await self._agent(ghost)
        if agent is not None and self._is_member(turn) and await self._is_bound(turn, agent):
            return {}
        if agent is None:
            return await self._decline(turn, ghost)
        if not self._is_member(turn):
            return await (self._refuse(turn, ghost) if invitation.is_direct else self._decline(turn, ghost))
        return await self._accept(turn, agent, invitation)

    async def _accept(self, turn: Turn, agent: Agent, invitation: InvitationPayload) -> Mapping[int, str]:
        """Have *agent* answer in the room, into which a person with a role invites it, unless it cannot talk there."""
        ghost = invitation.invited
        await self._direct.make_way(turn.room_id)
        if agent.displayname_applied is None:
            # Its home is being made.
            await self._homeserver.register(agent.ghost)
        state = await self._entered(turn, ghost)
        if state is None:
            return {}
        if invitation.is_direct and _is_of_two(state, turn.sender, ghost):
            return await self._begin(turn, agent, ghost, state)
        return await self._take_part(turn, agent, ghost, state)

    async def _take_part(self, turn: Turn, agent: Agent, ghost: str, state: RoomState) -> Mapping[int, str]:
        """Have *agent* answer in a room of people; in an encrypted one its voice says that agents cannot read it."""
        if state.is_space or not await self._groups.admit(state, ghost, turn.event_id):
            return await self._decline(turn, ghost)
        await self._binding.ask_waiting(turn.room_id)
        _log.info("agent is in a room of people", agent=agent.name, sender=turn.sender, room=turn.room_id)
        if not (state.is_illegible and await self._groups.is_voice(turn.room_id, ghost)):
            return {}
        return await self._say(turn, ghost, self._texts.encrypted)

    async def _begin(self, turn: Turn, agent: Agent, ghost: str, state: RoomState) -> Mapping[int, str]:
        """Begin a direct chat in a room of two; or have *ghost* name the one that they have, and leave."""
        if state.is_illegible:
            plain = await self._direct.open(agent, turn.sender)
            return await self._say_and_leave(turn, ghost, self._direct.told_plain(plain))
        room_id = await self._direct.admit(turn.room_id, agent, turn.sender, turn.event_id)
        if room_id is None:
            return await self._take_part(turn, agent, ghost, state)
        if room_id == turn.room_id:
            _log.info("direct chat begun", agent=agent.name, sender=turn.sender, room=room_id)
            return {}
        text = self._texts.direct_known.format(link=self._direct.link(room_id))
        return await self._say_and_leave(turn, ghost, text)

    async def _agent(self, ghost: str) -> Agent | None:
        """Return the agent of *ghost*, if it is active."""
        found = await self._agents.by_ghost(parse_user_id(ghost)[0])
        return found.agent if found is not None and found.agent.state is AgentState.ACTIVE else None

    async def _is_bound(self, turn: Turn, agent: Agent) -> bool:
        """Have *agent* answer in a room of one person that waits for an agent; tell whether it does."""
        room = (await self._rooms.contexts([turn.room_id])).get(turn.room_id)
        if room is None or room.kind is not KindName.CHAT or not room.is_unbound:
            return False
        if await self._homeserver.count_members(turn.room_id) > _WITH_GHOST:
            return False
        return await self._binding.bind(turn.room_id, agent) == agent.id

    async def _entered(self, turn: Turn, ghost: str) -> RoomState | None:
        """Have *ghost* enter the room; return its state, None if the inviter is not there any more: the ghost left."""
        await self._homeserver.join(turn.room_id, ghost)
        state = await self._homeserver.room_state(turn.room_id, ghost)
        if state is not None and state.membership(turn.sender) != "join":
            await self._leave(turn.room_id, ghost)
            return None
        return state

    async def _refuse(self, turn: Turn, ghost: str) -> Mapping[int, str]:
        """Decline the invitation of a person without a role, who is told the reason once a day."""
        reason = self._texts.for_admins(self._texts.not_permitted)
        is_local = parse_user_id(turn.sender)[1] == self._namespace.domain
        if await self._strangers.may_tell(turn, ghost, is_local=is_local):
            state = await self._entered(turn, ghost)
            if state is None:
                return {}
            if _is_of_two(state, turn.sender, ghost):
                return await self._say_and_leave(turn, ghost, reason)
        await self._homeserver.leave(turn.room_id, reason, ghost)
        return {}

    async def _decline(self, turn: Turn, ghost: str) -> Mapping[int, str]:
        """Have *ghost* say where it answers, invite the person there, and leave.

        A user id that no agent ever had is no user: nobody can decline its invitation.
        """
        agent_room = await self._agents.by_ghost(parse_user_id(ghost)[0])
        if agent_room is None and not await self._homeserver.has_user(ghost):
            _log.info("an invitation of no agent", ghost=ghost, sender=turn.sender, room=turn.room_id)
            return {}
        if agent_room is None or agent_room.home.room_id is None:
            reason = self._texts.ghost_is_direct
        else:
            is_invited = self._is_member(turn) and await self._invites(turn, agent_room)
            way = self._texts.ghost_invites if is_invited else self._texts.for_admins(self._texts.ghost_is_closed)
            alias = self._namespace.home_aliases(agent_room.agent.ghost)[0]
            reason = f"{self._texts.ghost_declines.format(alias=alias)} {way}"
        if self._is_member(turn):
            await self._homeserver.join(turn.room_id, ghost)
            return await self._say_and_leave(turn, ghost, reason, reason=reason)
        await self._homeserver.leave(turn.room_id, reason, ghost)
        return {}

    async def _invites(self, turn: Turn, agent_room: AgentRoom) -> bool:
        """Have the ghost invite the person of *turn* into its room, if the person may enter; tell whether it did."""
        is_admin = self._roles.of(turn.sender) >= Role.ADMIN
        if not (is_admin or await may_enter(self._homeserver, self._kv, agent_room, turn.sender)):
            return False
        try:
            await invite_home(self._homeserver, agent_room, turn.sender)
        except HomeserverRefused as error:
            _log.info("a ghost leaves without an invitation", room=turn.room_id, error=str(error))
            return False
        return True

    async def _say_and_leave(self, turn: Turn, ghost: str, text: str, *, reason: str = "") -> Mapping[int, str]:
        """Have *ghost*, which is in the room, say *text* and leave for a *reason*; return the event of the text."""
        said = await self._say(turn, ghost, text)
        await self._leave(turn.room_id, ghost, reason)
        return said

    async def _say(self, turn: Turn, ghost: str, text: str) -> Mapping[int, str]:
        """Have *ghost*, which is in the room, say *text*; return its event."""
        outbox = Outbox(self._homeserver, self._turns, turn, ghost)
        try:
            await outbox.recover()
            await outbox.show(Op(0, text, notice=True))
        except HomeserverRefused as error:
            _log.info("a ghost cannot say a word", room=turn.room_id, error=str(error))
        return outbox.event_ids

    async def _leave(self, room_id: str, ghost: str, reason: str = "") -> None:
        await self._homeserver.leave(room_id, reason, ghost)
        await self._homeserver.forget(room_id, ghost)

    def _is_member(self, turn: Turn) -> bool:
        return self._roles.may_invite(turn.sender)


def _is_of_two(state: RoomState, person: str, ghost: str) -> bool:
    """Tell whether the room is one of *person* and *ghost* alone."""
    return state.members("join", "invite") == {person, ghost} and not state.is_space
