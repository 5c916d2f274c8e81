"""Tells people why a message is refused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outboxes import Outboxes
from agent_bridge.bridge.delivery.status_reactions import WARNING
from agent_bridge.core.answers import Reply
from agent_bridge.core.approvals import DecisionResult
from agent_bridge.core.chains import Bound
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import MARK
from agent_bridge.core.payloads import RefusalPayload, RefusalReason
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import IgnoreReason, TurnState
from agent_bridge.render.content import escape, reaction

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.chains import ChainBudget
    from agent_bridge.core.live import Live
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.chains import Chains
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.selections import Selections
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Refused messages that one answer lists.
_EXCERPTS = 20


class RefusalHandler:
    """Carries out the turns of the kind *refusal*."""

    def __init__(
        self,
        homeserver: Homeserver,
        turns: Turns,
        rooms: Rooms,
        agents: Agents,
        selections: Selections,
        chains: Chains,
        rules: Rules,
        budget: Live[ChainBudget],
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._outboxes = Outboxes(homeserver, turns)
        self._turns = turns
        self._rooms = rooms
        self._agents = agents
        self._selections = selections
        self._chains = chains
        self._budget = budget
        self._namespace = rules.namespace
        self._roles = rules.roles
        self._texts = texts

    async def handle(self, turn: Turn) -> None:
        """Tell the sender why the message is refused. The bridge writes nothing to a person that it never invited."""
        refusal = turn.payload
        if not isinstance(refusal, RefusalPayload):
            raise TypeError(f"turn {turn.key} is not a refusal")
        if refusal.is_told:
            await self._mark(turn, refusal)
            return
        outbox = self._outboxes.for_bridge(turn)
        # Clients show no reply to the entry of a person.
        to = None if refusal.reason is RefusalReason.STRANGERS else refusal.target or turn.event_id
        if not await outbox.reply_once(partial(self._reply, turn, refusal), to=to):
            if refusal.reason is RefusalReason.CHAIN_LIMIT:
                await self._turns.finish(turn, TurnState.DONE, {})
                return
            # The sender's next message is decided again: an administrator may have invited the sender by then.
            await self._turns.dismiss(turn, IgnoreReason.PERMISSION)

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: the sender is not told."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _mark(self, turn: Turn, refusal: RefusalPayload) -> None:
        """Mark the message: its sender was told the reason a short time ago."""
        content = reaction(refusal.target or turn.event_id, WARNING) | {MARK: f"{turn.key}.warning"}
        try:
            await self._homeserver.send(
                turn.room_id,
                content,
                kind="m.reaction",
                txn_id=f"ab.{turn.key}.warning",
                as_user=self._namespace.voice_id(turn.voice),
            )
        except HomeserverRefused as error:
            # The message was redacted, or has the reaction already.
            _log.info("a message was not marked", room=turn.room_id, error=str(error))
        await self._turns.finish(turn, TurnState.DONE, {})

    async def _reply(self, turn: Turn, refusal: RefusalPayload) -> Reply | None:
        text = await self._text(turn, refusal)
        return None if text is None else Reply(text)

    async def _text(self, turn: Turn, refusal: RefusalPayload) -> str | None:
        texts = self._texts
        match refusal.reason:
            case RefusalReason.FULL:
                return await self._full(turn, refusal)
            case RefusalReason.OTHER_AGENT:
                return await self._other_agent(turn)
            case RefusalReason.CHAIN_LIMIT:
                return await self._chain_limit(turn)
            case RefusalReason.PERMISSION:
                return texts.for_admins(texts.not_permitted) if await self._was_invited(turn) else None
            case reason:
                return {
                    RefusalReason.ENCRYPTED: texts.encrypted,
                    RefusalReason.NOT_ENCRYPTED: texts.not_encrypted,
                    RefusalReason.UNREADABLE: texts.unreadable,
                    RefusalReason.NO_COMMAND: texts.no_command,
                    RefusalReason.UNKNOWN_TARGET: texts.unknown_target,
                    RefusalReason.STRANGERS: texts.strangers,
                    RefusalReason.NO_DECIDER: texts.commands.decided[DecisionResult.FORBIDDEN],
                }[reason]

    async def _other_agent(self, turn: Turn) -> str:
        """Name the agent of the room, and the one that the sender has selected."""
        room = (await self._rooms.contexts([turn.room_id])).get(turn.room_id)
        names = {each.agent.id: escape(each.agent.name) for each in await self._agents.all()}
        agent = "" if room is None or room.owner is None else names[room.owner]
        selected = (await self._selections.selected([turn.sender])).get(turn.sender)
        if selected is None:
            return self._texts.with_commands(self._texts.select_first, agent=agent)
        return self._texts.with_commands(self._texts.other_agent, agent=agent, selected=names[selected])

    async def _chain_limit(self, turn: Turn) -> str | None:
        """Ask people whether agents go on; None: nothing waits for that any more."""
        reached = await self._chains.reached(turn, self._budget.value.pair)
        if reached is None:
            return None
        bound, budget = reached
        limits = {
            Bound.HOPS: budget.hops,
            Bound.PAIR: budget.pair,
            Bound.TURNS: budget.turns,
            Bound.TOKENS: budget.tokens,
        }
        return f"{self._texts.chain_limits[bound].format(limit=limits[bound])} {self._texts.chain_resume}"

    async def _full(self, turn: Turn, refusal: RefusalPayload) -> str:
        """List the messages that found the room full, all that wait to be told at once."""
        more = await self._turns.collect(turn, await self._turns.behind(turn))
        payloads = (refusal, *turn.collected, *(each.payload for each in more))
        excerpts = [each.excerpt for each in payloads if isinstance(each, RefusalPayload)]
        if len(excerpts) == 1:
            return self._texts.full.format(limit=refusal.limit)
        # The excerpt of a message that was redacted is empty.
        lines = [f"- {escape(text) or '…'}" for text in excerpts[:_EXCERPTS]]
        if len(excerpts) > _EXCERPTS:
            lines.append(self._texts.full_more.format(messages=len(excerpts) - _EXCERPTS))
        return "\n".join([self._texts.full_all.format(limit=refusal.limit), "", *lines])

    async def _was_invited(self, turn: Turn) -> bool:
        """Tell whether the bot or an administrator had invited the sender, or the sender the agent."""
        if turn.in_own_chat:
            return True
        voice = self._namespace.voice_id(turn.voice)
        event = await self._homeserver.state(turn.room_id, "m.room.member", turn.sender, voice)
        inviter = (event or {}).get("unsigned", {}).get("prev_sender", "")
        return inviter == self._namespace.bot or self._roles.of(inviter) >= Role.ADMIN
