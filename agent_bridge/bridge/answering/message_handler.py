"""Relay: one turn of talk. Receipt, typing, the upstream's deltas → ops → messages as the ghost."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.answering.batching import gather
from agent_bridge.bridge.answering.outcome import Outcome, as_besides, told
from agent_bridge.bridge.delivery.outbox import Speaker
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverError, UpstreamError
from agent_bridge.core.rooms import Busy
from agent_bridge.core.transcript import Said
from agent_bridge.core.turns import Besides, Stop, TurnState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.bridge.answering.answer_buffer import Draft
    from agent_bridge.bridge.answering.generation import Asking
    from agent_bridge.bridge.delivery.status_reactions import Signs
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Names
    from agent_bridge.core.turns import Turn, Waits
    from agent_bridge.i18n.catalogue import Words
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Contact, Contacts
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
class Manners:
    """What the configuration says of messages, whoever they are for."""

    #: Tries of a message that fails in a way worth trying.
    max_attempts: int
    #: Seconds after which a message is too old to be answered.
    max_message_age: float
    #: What happens to messages that wait, unless the room says otherwise.
    busy: Busy
    #: What starts a command in a bridged room.
    prefix: str
    #: Messages that one answer is split into.
    max_parts: int


class Relay:
    """Carries out the turns of kind *message*."""

    def __init__(
        self,
        homeserver: Homeserver,
        names: Names,
        contacts: Contacts,
        turns: Turns,
        asking: Asking,
        signs: Signs,
        manners: Manners,
        words: Words,
    ) -> None:
        self._homeserver = homeserver
        self._names = names
        self._contacts = contacts
        self._turns = turns
        self._asking = asking
        self._signs = signs
        self._manners = manners
        self._words = words

    async def handle(self, turn: Turn) -> None:
        """Ask the agent, show the answer as it grows, commit it, show it whole; or tell why there is none.

        Raises:
            HomeserverError: the answer, or the word about its failure, could not be shown. What is committed stays.
        """
        started = time.monotonic()
        contact, speaker = await self._voice(turn)
        agent = contact.agent
        _log.info("message taken up", agent=agent.name, sender=turn.sender, room=turn.room_id, attempt=turn.attempts)
        await speaker.recall()
        turn, last = await self._collect(turn, contact.portal.busy or self._manners.busy)
        async with self._reading(turn, agent, last):
            outcome = await self._outcome(turn, contact, speaker)
            if outcome is None:
                return
            await self._signs.show(turn, outcome.state, speaker.user_id)
            await speaker.conclude(outcome.ops(self._words, self._manners.max_parts), outcome.state)
        seconds = round(time.monotonic() - started, 3)
        if outcome.error is None:
            _log.info("answer sent", agent=agent.name, room=turn.room_id, seconds=seconds, stopped=outcome.stopped)
        else:
            _log.warning("answer failed", agent=agent.name, room=turn.room_id, error=outcome.error)

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Tell the room that the turn ends here because of *cause*, and close it."""
        _, speaker = await self._voice(turn)
        await self._signs.show(turn, TurnState.FAILED, speaker.user_id)
        await speaker.give_up(told(self._words, cause, midway=False), cause)

    async def _voice(self, turn: Turn) -> tuple[Contact, Speaker]:
        if turn.portal is None:
            raise LookupError(f"turn {turn.key} is not in an agent's room")
        contact = await self._contacts.by_portal(turn.portal)
        return contact, Speaker(self._homeserver, self._turns, turn, self._names.user_id(contact.agent.ghost))

    def _is_too_old(self, turn: Turn) -> bool:
        return turn.age > self._manners.max_message_age and turn.stop is None

    async def _collect(self, turn: Turn, busy: Busy) -> tuple[Turn, str]:
        """Add what waits and shall be answered together with *turn*; return the event that was said last of all."""
        if turn.state is TurnState.ANSWERED or turn.stop is not None:
            return turn, turn.event_id
        waits: list[Waits] = []
        if self._is_too_old(turn):
            waits = [each for each in await self._turns.behind(turn) if each.age > self._manners.max_message_age]
        elif turn.attempts == 1:
            waits = await gather(self._turns, turn)
            waits = await self._turns.behind(turn) if busy is Busy.COLLECT else waits
        added = await self._turns.collect(turn, waits) if waits else []
        collected = (*turn.collected, *(each.payload for each in added))
        return replace(turn, collected=collected), added[-1].event_id if added else turn.event_id

    async def _outcome(self, turn: Turn, contact: Contact, speaker: Speaker) -> Outcome | None:
        """Return the committed outcome, None when the turn was put back."""
        agent = contact.agent
        if turn.state is TurnState.ANSWERED:
            return Outcome(turn.answer or "", turn.error, stopped=turn.stop, besides=turn.besides)
        if self._is_too_old(turn):
            cause = self._too_old(turn)
            outcome = Outcome("", cause, besides=Besides(notice=told(self._words, cause, midway=False)))
        else:
            draft = self._asking.draft(turn, agent)
            try:
                async with self._typing(turn, agent):
                    outcome = await self._asking.ask(turn, agent, speaker, draft, contact.portal.stream)
            except UpstreamError as error:
                if await self._put_back(turn, agent, error):
                    return None
                outcome = await self._failure(turn, draft, error, speaker.user_id)
        if outcome.stopped is Stop.REDACTED and await self._turns.ask_the_rest(turn):
            # It was collected from several messages, and the others want their answer.
            return None
        await self._commit(turn, outcome)
        return outcome

    async def _commit(self, turn: Turn, outcome: Outcome) -> None:
        # What people saw of an answer that was stopped is what they talk about next.
        kept = outcome.error is None and bool(outcome.text) and outcome.stopped in {None, Stop.STOPPED}
        await self._turns.answered(
            turn,
            outcome.text,
            error=outcome.error,
            parts=[op.part for op in outcome.ops(self._words, self._manners.max_parts)],
            besides=outcome.besides,
            stopped=outcome.stopped is not None,
            transcript=[Said("user", outcome.asked), Said("assistant", outcome.text)] if kept else [],
        )

    async def _failure(self, turn: Turn, draft: Draft, error: UpstreamError, owner: str) -> Outcome:
        """Return how an answer ended that the upstream failed; the same trouble is told once a minute."""
        cause, text = error.cause(self._words), draft.text
        asides = as_besides(draft.asides.whole(time.monotonic())) if text else ()
        notice = told(self._words, cause, midway=bool(text), remedy=error.remedy(self._words), detail=error.detail)
        if not text and await self._turns.told(turn, cause, _SAME_TROUBLE):
            notice = ""
        rest = await self._asking.rest(text, owner)
        return Outcome(text, cause, besides=Besides(notice=notice, asides=asides, files=rest, rest=bool(rest)))

    async def _put_back(self, turn: Turn, agent: Agent, error: UpstreamError) -> bool:
        """Have *turn* tried again later, if that may help; tell whether it is."""
        if not error.retryable or turn.failures + 1 >= self._manners.max_attempts:
            return False
        delay = max(_RETRY.delay(turn.failures + 1), min(error.retry_after or 0, _LONGEST_WAIT))
        _log.warning("asking again", agent=agent.name, error=str(error), seconds=delay)
        await self._turns.put_back(turn, delay=delay, failed=True, why=error.says(self._words))
        return True

    def _too_old(self, turn: Turn) -> str:
        return self._words.too_old.format(
            messages=self._words.count(1 + len(turn.collected), self._words.message),
            age=self._words.duration(turn.age),
            command=f"{self._manners.prefix} retry {turn.key}",
        )

    @asynccontextmanager
    async def _reading(self, turn: Turn, agent: Agent, event_id: str) -> AsyncIterator[None]:
        """Show that all up to *event_id* is read, beside what else is done."""
        reading = asyncio.create_task(self._show_read(turn.room_id, event_id, self._names.user_id(agent.ghost)))
        try:
            yield
        finally:
            await asyncio.wait({reading}, timeout=_SIGNS)
            reading.cancel()

    @asynccontextmanager
    async def _typing(self, turn: Turn, agent: Agent) -> AsyncIterator[None]:
        """Show that the ghost types for as long as the upstream works, unless that is a moment only."""
        typing = asyncio.create_task(self._show_typing(turn.room_id, self._names.user_id(agent.ghost)))
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
