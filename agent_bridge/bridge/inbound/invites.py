"""Doorman: answers invitations, and tells people why a message is not taken."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.backfill import Backfill
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.history import Histories
    from agent_bridge.store.turns import Turns

_DIRECT_MEMBERS = 2
#: Messages that were not taken, and are told in one answer.
_EXCERPTS = 20


class InviteHandler:
    """Carries out the turns of the kinds *invitation* and *refusal*."""

    def __init__(
        self, homeserver: Homeserver, turns: Turns, rooms: Histories, backfill: Backfill, rules: Rules, texts: Texts
    ) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._histories = rooms
        self._backfill = backfill
        self._namespace = rules.namespace
        self._permissions = rules.permissions
        self._prefix = rules.prefix
        self._texts = texts

    async def handle(self, turn: Turn) -> None:
        """Accept or decline the invitation; or tell the person, if anybody is to be told."""
        make = self._answer_invitation if turn.kind is TurnKind.INVITATION else self._refusal
        outbox = Outbox(self._homeserver, self._turns, turn, self._namespace.bot)
        if await outbox.reply_once(partial(make, turn), to=turn.payload.get("event_id")):
            return
        if turn.kind is TurnKind.REFUSAL:
            # Nobody was told: the next message may find that somebody invited its sender meanwhile.
            await self._turns.remove(turn.id)
        else:
            await self._turns.finish(turn, TurnState.DONE, {})

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: nobody waits for an answer to it."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _answer_invitation(self, turn: Turn) -> str | None:
        invited = str(turn.payload["invited"])
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
        except HomeserverRefused:
            # The invitation was taken back meanwhile, or the room is out of reach: nothing is left to answer.
            return None
        direct = await self._homeserver.count_members(turn.room_id) <= _DIRECT_MEMBERS
        if direct:
            await self._turns.set_direct(turn.conversation)
        # What was said before the bot had joined is never pushed.
        await self._backfill.backfill(await self._histories.watch(turn.room_id, turn.event_id))
        return self._texts.hello if direct else self._texts.hello_all.format(prefix=self._prefix)

    async def _refusal(self, turn: Turn) -> str | None:
        match turn.payload["reason"]:
            case "encrypted":
                return self._texts.encrypted
            case "full":
                return await self._full(turn)
            case _:
                return self._texts.not_permitted.format(sender=turn.sender) if await self._was_invited(turn) else None

    async def _full(self, turn: Turn) -> str:
        """Tell which messages were not taken; of many at once in one answer."""
        more = await self._turns.collect(turn, await self._turns.behind(turn))
        excerpts = [str(payload["body"]) for payload in (*turn.payloads, *(each.payload for each in more))]
        limit = turn.payload["limit"]
        if len(excerpts) == 1:
            return self._texts.full.format(limit=limit)
        # One that was taken back meanwhile says nothing any more.
        lines = [f"- {escape(text) or '…'}" for text in excerpts[:_EXCERPTS]]
        if len(excerpts) > _EXCERPTS:
            lines.append(self._texts.full_more.format(messages=len(excerpts) - _EXCERPTS))
        return "\n".join([self._texts.full_all.format(limit=limit), "", *lines])

    async def _was_invited(self, turn: Turn) -> bool:
        """Tell whether somebody who may invite had invited the turn's sender."""
        event = await self._homeserver.state(turn.room_id, "m.room.member", turn.sender)
        inviter = (event or {}).get("unsigned", {}).get("prev_sender", "")
        return inviter == self._namespace.bot or role_of(inviter, self._permissions) >= Role.ADMIN
