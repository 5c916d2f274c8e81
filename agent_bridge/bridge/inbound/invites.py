"""Answers invitations: the bridge bot joins rooms of people with a role; ghosts have a module of their own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.bridge.inbound.rules_messages import told_once
from agent_bridge.bridge.rooms.entry import home_by_alias
from agent_bridge.core.answers import Reply
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.payloads import InvitationPayload, RefusalReason
from agent_bridge.core.rooms import KindName, ParticipantState
from agent_bridge.core.turns import TurnState
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import SPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.bridge.chats.unbound_rooms import UnboundRooms
    from agent_bridge.bridge.groups.group_rooms import GroupRooms
    from agent_bridge.bridge.inbound.backfill import Backfill
    from agent_bridge.bridge.inbound.ghost_invites import GhostInvites
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Seconds for which another homeserver is tried.
_PATIENCE = 3600.0
#: Members of a room that a person has with the bot alone.
_ALONE = 2


class InviteHandler:
    """Carries out the turns of the kind *invitation*."""

    def __init__(
        self,
        homeserver: Homeserver,
        turns: Turns,
        rooms: Rooms,
        ghosts: GhostInvites,
        groups: GroupRooms,
        unbound: UnboundRooms,
        backfill: Backfill,
        rules: Rules,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._rooms = rooms
        self._ghosts = ghosts
        self._groups = groups
        self._unbound = unbound
        self._backfill = backfill
        self._namespace = rules.namespace
        self._roles = rules.roles
        self._prefix = rules.prefix
        self._texts = texts

    async def handle(self, turn: Turn) -> None:
        """Accept or decline the invitation; after joining, the bot greets the room."""
        invitation = turn.payload
        if not isinstance(invitation, InvitationPayload):
            raise TypeError(f"turn {turn.key} is not an invitation")
        if (room_id := await self._room_to_compare(turn.room_id, invitation.invited)) is not None:
            await self._rooms.request_checks([room_id])
            await self._turns.finish(turn, TurnState.DONE, {})
        elif invitation.invited != self._namespace.bot:
            await self._turns.finish(turn, TurnState.DONE, await self._answer_as_ghost(turn, invitation))
        else:
            outbox = Outbox(self._homeserver, self._turns, turn, self._namespace.bot)
            if not await outbox.reply_once(partial(self._answer_as_bot, turn, invitation)):
                await self._turns.finish(turn, TurnState.DONE, {})

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: the person sees that the invitation is not answered."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _answer_as_ghost(self, turn: Turn, invitation: InvitationPayload) -> Mapping[int, str]:
        try:
            return await self._ghosts.answer(turn, invitation)
        except HomeserverRefused:
            return {}
        except HomeserverUnavailable as error:
            if turn.age < _PATIENCE or parse_user_id(turn.sender)[1] == self._namespace.domain:
                raise
            # The homeserver of the person is out of reach, perhaps for ever.
            _log.warning("an invitation from another homeserver stays without an answer", error=str(error))
            return {}

    async def _answer_as_bot(self, turn: Turn, invitation: InvitationPayload) -> Reply | None:
        """Enter the room and return the greeting; None if the bot is not in the room."""
        try:
            if not await self._enter(turn):
                return None
        except HomeserverRefused:
            # The invitation was withdrawn, or the room is out of reach: there is nothing left to answer.
            return None
        create = await self._homeserver.state(turn.room_id, "m.room.create")
        state = RoomState.of(turn.room_id, [create])
        await self._groups.follow_into(state)
        kind = await self._kind_of(turn.room_id, invitation)
        is_illegible = await self._homeserver.is_illegible(turn.room_id)
        if is_illegible:
            # Before a message is taken in that would be refused in the same words.
            await self._turns.claim_day(turn, told_once(RefusalReason.ENCRYPTED, turn.room_id, turn.sender))
        room = await self._unbound.enter(state, kind, turn.event_id)
        # The homeserver never hands over the messages from before the bot joined.
        await self._backfill.backfill(room)
        if is_illegible:
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

    async def _room_to_compare(self, room_id: str, invited: str) -> str | None:
        """Return the agent's room whose comparison brings *invited* back into *room_id*, or enters it as its successor.

        None if *room_id* is another room.
        """
        # In this order: the room may become that of the agent in between.
        upgraded = await self._upgraded(room_id, invited)
        return room_id if upgraded is None and await self._belongs_there(room_id, invited) else upgraded

    async def _belongs_there(self, room_id: str, invited: str) -> bool:
        """Tell whether *room_id* is an agent's own room, and *invited* a member that it lacks."""
        room = (await self._rooms.contexts([room_id])).get(room_id)
        if room is None or room.owner is None or room.kind not in {KindName.HOME, KindName.CHAT, KindName.DM}:
            return False
        present = (each for each in room.participants if each.state is ParticipantState.JOINED)
        ghosts = {self._namespace.user_id(each.ghost) for each in present if each.agent == room.owner}
        return invited in (ghosts if room.kind is KindName.DM else {self._namespace.bot, *ghosts})

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

    def _is_member(self, turn: Turn) -> bool:
        return self._roles.may_invite(turn.sender)

    async def _upgraded(self, room_id: str, invited: str) -> str | None:
        """Return the agent's room that *room_id* replaces, perhaps past others; None if it replaces none."""
        for upgraded, ghost in await self._rooms.awaiting_successor(invited[1:].partition(":")[0]):
            # The homeserver moves the alias along with each upgrade.
            if room_id == await home_by_alias(self._homeserver, ghost):
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
