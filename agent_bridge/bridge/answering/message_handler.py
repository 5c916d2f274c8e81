"""Relay: one turn of talk. Receipt, typing, the upstream's deltas → ops → messages as the ghost."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.answering.batching import gather
from agent_bridge.bridge.answering.outcome import Outcome, as_extras, failure_notice
from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverError, UpstreamError
from agent_bridge.core.rooms import WhenBusy
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import AnswerExtras, StopReason, TurnState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.bridge.answering.answer_buffer import AnswerBuffer
    from agent_bridge.bridge.answering.generation import Generation
    from agent_bridge.bridge.delivery.status_reactions import StatusReactions
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.turns import QueuedMessage, Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=30)
#: Seconds for which an upstream can have itself left alone: a room must not fall silent without a word.
_LONGEST_WAIT = 900.0
#: Seconds that a typing notice is valid, and after which it is given again.
_TYPING, _TYPING_AGAIN = 30.0, 20.0
#: An answer that takes no longer than this many seconds needs no typing notice.
_TYPING_AFTER = 0.25
#: Seconds for which the same trouble is not told again: the message shows that it failed all the same.
_SAME_TROUBLE = 60.0
#: Seconds that receipt and typing get to settle after the answer.
_SIGNS = 5.0


@dataclass(frozen=True, slots=True)
class MessageSettings:
    """What the configuration says of messages, whoever they are for."""

    #: Tries of a message that fails in a way worth trying.
    max_attempts: int
    #: Seconds after which a message is too old to be answered.
    max_message_age: float
    #: What happens to messages that wait, unless the room says otherwise.
    when_busy: WhenBusy
    #: What starts a command in a bridged room.
    prefix: str
    #: Messages that one answer is split into.
    max_parts: int


class MessageHandler:
    """Carries out the turns of kind *message*."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        turns: Turns,
        asking: Generation,
        status_reactions: StatusReactions,
        settings: MessageSettings,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._turns = turns
        self._asking = asking
        self._status_reactions = status_reactions
        self._settings = settings
        self._texts = texts

    async def handle(self, turn: Turn) -> None:
        """Ask the agent, show the answer as it grows, commit it, show it whole; or tell why there is none.

        Raises:
            HomeserverError: the answer, or the word about its failure, could not be shown. What is committed stays.
        """
        started = time.monotonic()
        agent, outbox = self._voice(turn)
        _log.info("message taken up", agent=agent.name, sender=turn.sender, room=turn.room_id, attempt=turn.attempts)
        await outbox.recover()
        turn, last = await self._collect(turn, turn.when_busy or self._settings.when_busy)
        async with self._reading(turn, agent, last):
            outcome = await self._outcome(turn, agent, outbox)
            if outcome is None:
                return
            await self._status_reactions.show(turn, outcome.state, outbox.user_id)
            await outbox.publish(outcome.ops(self._texts, self._settings.max_parts), outcome.state)
        seconds = round(time.monotonic() - started, 3)
        if outcome.error is None:
            _log.info("answer sent", agent=agent.name, room=turn.room_id, seconds=seconds, stopped=outcome.stopped)
        else:
            _log.warning("answer failed", agent=agent.name, room=turn.room_id, error=outcome.error)

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Tell the room that the turn ends here because of *cause*, and close it."""
        _, outbox = self._voice(turn)
        await self._status_reactions.show(turn, TurnState.FAILED, outbox.user_id)
        await outbox.give_up(failure_notice(self._texts, cause, midway=False), cause)

    def _voice(self, turn: Turn) -> tuple[Agent, Outbox]:
        if turn.agent is None:
            raise LookupError(f"turn {turn.key} is for no agent")
        ghost = self._namespace.user_id(turn.agent.ghost)
        return turn.agent, Outbox(self._homeserver, self._turns, turn, ghost)

    def _is_too_old(self, turn: Turn) -> bool:
        return turn.age > self._settings.max_message_age and turn.stop is None

    async def _collect(self, turn: Turn, busy: WhenBusy) -> tuple[Turn, str]:
        """Add what waits and shall be answered together with *turn*; return the event that was said last of all."""
        if turn.state is TurnState.COMMITTED or turn.stop is not None:
            return turn, turn.event_id
        waits: list[QueuedMessage] = []
        if self._is_too_old(turn):
            waits = [each for each in await self._turns.behind(turn) if each.age > self._settings.max_message_age]
        elif turn.attempts == 1:
            waits = await gather(self._turns, turn)
            waits = await self._turns.behind(turn) if busy is WhenBusy.COLLECT else waits
        added = await self._turns.collect(turn, waits) if waits else []
        collected = (*turn.collected, *(each.payload for each in added))
        return replace(turn, collected=collected), added[-1].event_id if added else turn.event_id

    async def _outcome(self, turn: Turn, agent: Agent, outbox: Outbox) -> Outcome | None:
        """Return the committed outcome, None when the turn was put back."""
        if turn.state is TurnState.COMMITTED:
            return Outcome(turn.answer or "", turn.error, stopped=turn.stop, extras=turn.extras)
        if self._is_too_old(turn):
            cause = self._too_old(turn)
            outcome = Outcome("", cause, extras=AnswerExtras(notice=failure_notice(self._texts, cause, midway=False)))
        else:
            buffer = self._asking.buffer(turn, agent)
            try:
                async with self._typing(turn, agent):
                    outcome = await self._asking.ask(turn, agent, outbox, buffer, turn.streaming)
            except UpstreamError as error:
                if await self._put_back(turn, agent, error):
                    return None
                outcome = await self._failure(turn, buffer, error, outbox.user_id)
        if outcome.stopped is StopReason.REDACTED and await self._turns.ask_the_rest(turn):
            # It was collected from several messages, and the others want their answer.
            return None
        await self._commit(turn, outcome)
        return outcome

    async def _commit(self, turn: Turn, outcome: Outcome) -> None:
        # What people saw of an answer that was stopped is what they talk about next.
        kept = outcome.error is None and bool(outcome.text) and outcome.stopped in {None, StopReason.STOPPED}
        await self._turns.commit(
            turn,
            outcome.text,
            error=outcome.error,
            parts=[op.part for op in outcome.ops(self._texts, self._settings.max_parts)],
            extras=outcome.extras,
            stopped=outcome.stopped is not None,
            transcript=[ChatMessage("user", outcome.asked), ChatMessage("assistant", outcome.text)] if kept else [],
        )

    async def _failure(self, turn: Turn, buffer: AnswerBuffer, error: UpstreamError, owner: str) -> Outcome:
        """Return how an answer ended that the upstream failed; the same trouble is told once a minute."""
        cause, text = error.cause(self._texts), buffer.text
        activity = as_extras(buffer.activity.whole(time.monotonic())) if text else ()
        notice = failure_notice(
            self._texts, cause, midway=bool(text), remedy=error.remedy(self._texts), detail=error.detail
        )
        if not text and await self._turns.was_announced(turn, cause, _SAME_TROUBLE):
            notice = ""
        rest = await self._asking.rest(text, owner)
        return Outcome(text, cause, extras=AnswerExtras(notice=notice, activity=activity, files=rest, rest=bool(rest)))

    async def _put_back(self, turn: Turn, agent: Agent, error: UpstreamError) -> bool:
        """Have *turn* tried again later, if that may help; tell whether it is."""
        if not error.retryable or turn.failures + 1 >= self._settings.max_attempts:
            return False
        delay = max(_RETRY.delay(turn.failures + 1), min(error.retry_after or 0, _LONGEST_WAIT))
        _log.warning("asking again", agent=agent.name, error=str(error), seconds=delay)
        await self._turns.put_back(turn, delay=delay, failed=True, why=error.says(self._texts))
        return True

    def _too_old(self, turn: Turn) -> str:
        return self._texts.too_old.format(
            messages=self._texts.count(1 + len(turn.collected), self._texts.message),
            age=self._texts.duration(turn.age),
            command=f"{self._settings.prefix} retry {turn.key}",
        )

    @asynccontextmanager
    async def _reading(self, turn: Turn, agent: Agent, event_id: str) -> AsyncIterator[None]:
        """Show that all up to *event_id* is read, beside what else is done."""
        reading = asyncio.create_task(self._show_read(turn.room_id, event_id, self._namespace.user_id(agent.ghost)))
        try:
            yield
        finally:
            await asyncio.wait({reading}, timeout=_SIGNS)
            reading.cancel()

    @asynccontextmanager
    async def _typing(self, turn: Turn, agent: Agent) -> AsyncIterator[None]:
        """Show that the ghost types for as long as the upstream works, unless that is a moment only."""
        typing = asyncio.create_task(self._show_typing(turn.room_id, self._namespace.user_id(agent.ghost)))
        try:
            yield
        finally:
            typing.cancel()
            await asyncio.wait({typing}, timeout=_SIGNS)

    async def _show_read(self, room_id: str, event_id: str, ghost: str) -> None:
        try:
            await self._homeserver.read(room_id, event_id, ghost)
        except HomeserverError as error:
            _log.debug("the receipt was not shown", error=str(error))

    async def _show_typing(self, room_id: str, ghost: str) -> None:
        await asyncio.sleep(_TYPING_AFTER)
        try:
            while True:
                await self._homeserver.typing(room_id, ghost, _TYPING)
                await asyncio.sleep(_TYPING_AGAIN)
        except HomeserverError as error:
            _log.debug("typing was not shown", error=str(error))
        finally:
            with suppress(HomeserverError):
                await self._homeserver.typing(room_id, ghost, 0)
