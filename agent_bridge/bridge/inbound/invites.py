"""Answers invitations: the bridge bot joins rooms of people with a role, ghosts only those that wait for an agent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.bridge.rooms.invitations import invite_home, may_enter
from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.core.agents import AgentState
from agent_bridge.core.answers import Reply
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.core.payloads import InvitationPayload
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName
from agent_bridge.core.turns import TurnState
from agent_bridge.matrix.rooms import SPACE
from agent_bridge.render.content import message

if TYPE_CHECKING:
    from agent_bridge.bridge.chats.binding import Binding
    from agent_bridge.bridge.inbound.backfill import Backfill
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.kv import KeyValues
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Members of a room that a person has with the bot alone, and with the bot and a ghost.
_ALONE, _WITH_GHOST = 2, 3


class InviteHandler:
    """Carries out the turns of the kind *invitation*."""

    def __init__(
        self,
        homeserver: Homeserver,
        turns: Turns,
        rooms: Rooms,
        agents: Agents,
        kv: KeyValues,
        binding: Binding,
        backfill: Backfill,
        rules: Rules,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._rooms = rooms
        self._agents = agents
        self._kv = kv
        self._binding = binding
        self._backfill = backfill
        self._namespace = rules.namespace
        self._permissions = rules.permissions
        self._prefix = rules.prefix
        self._texts = texts

    async def handle(self, turn: Turn) -> None:
        """Accept or decline the invitation; after joining, greet the room."""
        outbox = Outbox(self._homeserver, self._turns, turn, self._namespace.bot)
        if not await outbox.reply_once(partial(self._answer, turn)):
            await self._turns.finish(turn, TurnState.DONE, {})

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: the person sees that the invitation is not answered."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _answer(self, turn: Turn) -> Reply | None:
        """Answer the invitation and return the greeting; None if the bot is not in the room."""
        if not isinstance(turn.payload, InvitationPayload):
            raise TypeError(f"turn {turn.key} is not an invitation")
        invited = turn.payload.invited
        if (room_id := await self._room_to_compare(turn.room_id, invited)) is not None:
            await self._rooms.request_checks([room_id])
            return None
        try:
            if invited != self._namespace.bot:
                if not await self._answers_there(turn, invited):
                    await self._decline(turn, invited)
                return None
            if not await self._enter(turn):
                return None
        except HomeserverRefused:
            # The invitation was withdrawn, or the room is out of reach: there is nothing left to answer.
            return None
        kind = await self._kind_of(turn.room_id, turn.payload)
        room = await self._rooms.enter(turn.room_id, kind, turn.event_id)
        # The homeserver never hands over the messages from before the bot joined.
        await self._backfill.backfill(room)
        if await self._homeserver.state(turn.room_id, "m.room.encryption") is not None:
            return Reply(self._texts.encrypted)
        greetings = {
            KindName.BOT: self._texts.hello,
            KindName.CHAT: self._texts.hello_chat,
            KindName.GROUP: self._texts.hello_all.format(prefix=self._prefix),
        }
        return Reply(greetings[kind])

    async def _kind_of(self, room_id: str, invitation: InvitationPayload) -> KindName:
        """Return the kind of a room of people that the bot has joined.

        A person who means no direct conversation with the bot wants to talk with an agent, and chooses it there.
        """
        if await self._homeserver.count_members(room_id) > _ALONE:
            return KindName.GROUP
        return KindName.BOT if invitation.is_direct else KindName.CHAT

    async def _answers_there(self, turn: Turn, ghost: str) -> bool:
        """Have *ghost* enter a room of one person that waits for an agent; tell whether it does."""
        room = (await self._rooms.contexts([turn.room_id])).get(turn.room_id)
        if room is None or room.kind is not KindName.CHAT or not self._is_member(turn):
            return False
        agents = {self._namespace.user_id(each.agent.ghost): each.agent for each in await self._agents.all()}
        agent = agents.get(ghost)
        if agent is None or agent.state is not AgentState.ACTIVE or not room.is_unbound:
            return False
        if await self._homeserver.count_members(turn.room_id) > _WITH_GHOST:
            return False
        return await self._binding.bind(turn.room_id, agent) == agent.id

    async def _room_to_compare(self, room_id: str, invited: str) -> str | None:
        """Return the agent's room whose comparison brings *invited* back into *room_id*, or enters it as its successor.

        None if *room_id* is another room.
        """
        return room_id if await self._belongs_there(room_id, invited) else await self._upgraded(room_id, invited)

    async def _belongs_there(self, room_id: str, invited: str) -> bool:
        """Tell whether *room_id* is the home or a chat of an agent, and *invited* its ghost or the bot."""
        room = (await self._rooms.contexts([room_id])).get(room_id)
        if room is None or room.owner is None or room.kind not in {KindName.HOME, KindName.CHAT}:
            return False
        ghosts = (each.ghost for each in room.participants if each.agent == room.owner)
        return invited in {self._namespace.bot, *map(self._namespace.user_id, ghosts)}

    async def _enter(self, turn: Turn) -> bool:
        """Have the bot join the room, and stay if it can talk with the person there; tell whether it can."""
        space = self._namespace.alias(self._namespace.space_alias_localpart)
        if turn.room_id == await self._homeserver.resolve_alias(space):
            # The Space was upgraded: the next comparison follows it.
            await self._homeserver.join(turn.room_id)
            return False
        if not self._is_member(turn):
            await self._homeserver.leave(turn.room_id, self._texts.for_admins(self._texts.not_permitted))
            return False
        await self._homeserver.join(turn.room_id)
        if await self._is_space(turn.room_id):
            # Clients show no messages of a Space.
            await self._homeserver.leave(turn.room_id, self._texts.no_spaces)
            return False
        return True

    async def _decline(self, turn: Turn, ghost: str) -> None:
        """Have *ghost* say where it answers, invite the person there, and leave.

        Clients do not show the reason of a declined invitation, so the ghost enters the room first.
        """
        localpart = ghost[1:].partition(":")[0]
        is_invited = self._is_member(turn) and await self._invites(turn, localpart)
        way = self._texts.ghost_invites if is_invited else self._texts.for_admins(self._texts.ghost_is_closed)
        reason = f"{self._texts.ghost_declines.format(alias=self._namespace.alias(localpart))} {way}"
        if self._is_member(turn):
            await self._homeserver.join(turn.room_id, ghost)
            content = message(reason, mark=mark(turn.key, 0), notice=True)
            try:
                await self._homeserver.send(turn.room_id, content, txn_id=f"ab.{turn.key}.0", as_user=ghost)
            except HomeserverRefused as error:
                _log.info("a ghost leaves without a word", room=turn.room_id, error=str(error))
        await self._homeserver.leave(turn.room_id, reason, ghost)

    async def _invites(self, turn: Turn, localpart: str) -> bool:
        """Have the ghost invite the person of *turn* into its room, if the person may enter; tell whether it did."""
        for agent_room in await self._agents.all():
            if agent_room.agent.ghost != localpart or agent_room.home.room_id is None:
                continue
            is_admin = role_of(turn.sender, self._permissions) >= Role.ADMIN
            if not (is_admin or await may_enter(self._homeserver, self._kv, agent_room, turn.sender)):
                return False
            try:
                await invite_home(self._homeserver, agent_room, turn.sender)
            except HomeserverRefused as error:
                _log.info("a ghost leaves without an invitation", room=turn.room_id, error=str(error))
                return False
            return True
        return False

    def _is_member(self, turn: Turn) -> bool:
        return role_of(turn.sender, self._permissions) >= Role.MEMBER

    async def _upgraded(self, room_id: str, invited: str) -> str | None:
        """Return the agent's room that *room_id* replaces, perhaps past others; None if it replaces none."""
        for upgraded, ghost in await self._rooms.awaiting_successor(invited[1:].partition(":")[0]):
            # The homeserver moves the alias along with each upgrade.
            if room_id == await self._homeserver.resolve_alias(self._namespace.alias(ghost)):
                return upgraded
            for user in (self._namespace.bot, self._namespace.user_id(ghost)):
                state = await self._homeserver.room_state(upgraded, user)
                if state is not None and state.replacement == room_id:
                    return upgraded
        return None

    async def _is_space(self, room_id: str) -> bool:
        # The whole state of a public room may be very large.
        create = await self._homeserver.state(room_id, "m.room.create")
        return create is not None and create["content"].get("type") == SPACE
