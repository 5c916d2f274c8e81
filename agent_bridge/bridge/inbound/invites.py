"""Answers invitations: the bridge bot joins rooms of people with a role, ghosts decline."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.payloads import InvitationPayload
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName
from agent_bridge.core.turns import TurnState

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.backfill import Backfill
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.turns import Turns

#: Members of a room in which a person talks to the bot alone.
_DIRECT_MEMBERS = 2


class InviteHandler:
    """Carries out the turns of the kind *invitation*."""

    def __init__(
        self, homeserver: Homeserver, turns: Turns, rooms: Rooms, backfill: Backfill, rules: Rules, texts: Texts
    ) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._rooms = rooms
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

    async def _answer(self, turn: Turn) -> str | None:
        """Answer the invitation and return the greeting; None if the bot is not in the room."""
        if not isinstance(turn.payload, InvitationPayload):
            raise TypeError(f"turn {turn.key} is not an invitation")
        invited = turn.payload.invited
        if (upgraded := await self._upgraded(turn.room_id)) is not None:
            # The comparison of the upgraded room enters the new one.
            await self._rooms.request_checks([upgraded])
            return None
        try:
            if invited != self._namespace.bot:
                localpart = invited[1:].partition(":")[0]
                reason = self._texts.ghost_declines.format(bot=self._namespace.bot, name=localpart)
                await self._homeserver.leave(turn.room_id, reason, invited)
                return None
            if role_of(turn.sender, self._permissions) < Role.MEMBER:
                await self._homeserver.leave(turn.room_id, self._texts.not_permitted.format(sender=turn.sender))
                return None
            await self._homeserver.join(turn.room_id)
            if await self._is_space(turn.room_id):
                # Clients show no messages of a Space.
                await self._homeserver.leave(turn.room_id, self._texts.no_spaces)
                return None
        except HomeserverRefused:
            # The invitation was withdrawn, or the room is out of reach: there is nothing left to answer.
            return None
        is_direct = await self._homeserver.count_members(turn.room_id) <= _DIRECT_MEMBERS
        room = await self._rooms.enter(turn.room_id, KindName.BOT if is_direct else KindName.GROUP, turn.event_id)
        # The homeserver never hands over the messages from before the bot joined.
        await self._backfill.backfill(room)
        return self._texts.hello if is_direct else self._texts.hello_all.format(prefix=self._prefix)

    async def _upgraded(self, room_id: str) -> str | None:
        """Return the agent's room that *room_id* replaces; None if it replaces none."""
        for upgraded, ghost in await self._rooms.awaiting_successor():
            for user in (self._namespace.bot, self._namespace.user_id(ghost)):
                state = await self._homeserver.room_state(upgraded, user)
                if state is not None and state.replacement == room_id:
                    return upgraded
        return None

    async def _is_space(self, room_id: str) -> bool:
        state = await self._homeserver.room_state(room_id)
        return state is not None and state.is_space
