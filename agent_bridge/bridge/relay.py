"""Relay: one turn of talk. Receipt, typing, the upstream's deltas → ops → messages as the ghost."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.speaker import Speaker
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import AgentGone, AnswerTooLong, BridgeError, HomeserverError, UpstreamError
from agent_bridge.core.model import AgentState, Busy, Said, Stop, TurnState
from agent_bridge.render import words
from agent_bridge.render.rendition import Op, Rendition, ops_for
from agent_bridge.upstream.base import Ask, TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agent_bridge.bridge.stops import Stops
    from agent_bridge.core.ids import Names
    from agent_bridge.core.model import Agent, Turn
    from agent_bridge.matrix.homeserver import Homeserver
    from agent_bridge.store.contacts import Contact, Contacts
    from agent_bridge.store.turns import Turns
    from agent_bridge.upstream.base import Upstream

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=30)
#: Seconds that a typing notice is valid, and after which it is given again.
_TYPING, _TYPING_AGAIN = 30.0, 20.0
#: An answer that takes no longer than this many seconds needs no typing notice.
_TYPING_AFTER = 0.25
#: Seconds that receipt and typing get to settle after the answer.
_SIGNS = 5.0
#: Messages of a transcript that are looked at, at most; the token budget usually ends earlier.
_TRANSCRIPT = 200
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Talk:
    """What the configuration says of talking to one upstream's agents."""

    upstream: Upstream
    #: Budget of the history, in estimated tokens.
    history_tokens: int
    #: Seconds that one answer may take.
    turn_timeout: float
    #: Characters that one answer may have.
    max_answer_chars: int


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How asking ended."""

    text: str
    #: Why the answer is missing or not whole, in words; None when all is well.
    error: str | None = None
    #: Whether a person ended it.
    stopped: bool = False

    @property
    def state(self) -> TurnState:
        """What becomes of the turn."""
        if self.error is not None:
            return TurnState.FAILED
        return TurnState.STOPPED if self.stopped else TurnState.DONE

    def ops(self) -> list[Op]:
        """Return what shows it whole: the text, and where it is missing or broken a word about it."""
        text = self.text.strip()
        if self.stopped and self.error is None:
            return ops_for(f"{text}\n\n*{words.STOPPED}*") if text else [Op(0, words.STOPPED, notice=True)]
        shown = ops_for(text) if text or self.error is None else []
        if self.error is None:
            return shown
        told = words.FAILED_MIDWAY if shown else words.FAILED
        return [*shown, Op(len(shown), told.format(cause=words.cause(self.error)), notice=True)]


class StoppedByPerson(Exception):
    """A person wants the answer to end."""

    def __init__(self, how: Stop) -> None:
        super().__init__(how)
        self.how = how


def within_budget(history: list[Said], tokens: int) -> tuple[Said, ...]:
    """Return the newest messages of *history* that fit *tokens*, beginning with a person's.

    A token is taken for four bytes, and a message costs one more.
    """
    kept: list[Said] = []
    for said in reversed(history):
        tokens -= len(said.content.encode()) // _BYTES_PER_TOKEN + 1
        if tokens < 0:
            break
        kept.append(said)
    while kept and kept[-1].role != "user":
        kept.pop()
    return tuple(reversed(kept))


class Relay:
    """Carries out the turns of kind *message*."""

    def __init__(
        self,
        homeserver: Homeserver,
        names: Names,
        contacts: Contacts,
        turns: Turns,
        talks: Mapping[str, Talk],
        stops: Stops,
        manners: Manners,
    ) -> None:
        self._homeserver = homeserver
        self._names = names
        self._contacts = contacts
        self._turns = turns
        self._talks = talks
        self._stops = stops
        self._manners = manners

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
        if turn.state is TurnState.ANSWERED:
            async with self._reading(turn, agent, turn.event_id):
                outcome = Outcome(turn.answer or "", turn.error, stopped=turn.stop is Stop.STOPPED)
                await speaker.conclude(outcome.ops(), outcome.state)
        else:
            turn, last = await self._collect(turn, contact.portal.busy or self._manners.busy)
            async with self._reading(turn, agent, last):
                async with self._typing(turn, agent):
                    asked = await self._ask(turn, agent, speaker)
                if asked is None:
                    return
                outcome = asked
                await speaker.conclude(outcome.ops(), outcome.state)
        seconds = round(time.monotonic() - started, 3)
        if outcome.error is None:
            _log.info("answer sent", agent=agent.name, room=turn.room_id, seconds=seconds, stopped=outcome.stopped)
        else:
            _log.warning("answer failed", agent=agent.name, room=turn.room_id, error=outcome.error)

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Tell the room that the turn ends here because of *cause*, and close it."""
        _, speaker = await self._voice(turn)
        await speaker.give_up(words.FAILED.format(cause=words.cause(cause)))

    async def _voice(self, turn: Turn) -> tuple[Contact, Speaker]:
        if turn.portal is None:
            raise LookupError(f"turn {turn.key} is not in an agent's room")
        contact = await self._contacts.by_portal(turn.portal)
        return contact, Speaker(self._homeserver, self._turns, turn, self._names.user_id(contact.agent.ghost))

    async def _collect(self, turn: Turn, busy: Busy) -> tuple[Turn, str]:
        """Add what waits and shall be answered together with *turn*; return the event that was said last of all."""
        older_than = self._manners.max_message_age
        too_old = turn.age > older_than
        if turn.stop is not None or not (too_old or (busy is Busy.COLLECT and turn.attempts == 1)):
            return turn, turn.event_id
        added = await self._turns.collect(turn, older_than=older_than if too_old else None)
        collected = (*turn.collected, *(text for _, text in added))
        return replace(turn, collected=collected), added[-1][0] if added else turn.event_id

    async def _ask(self, turn: Turn, agent: Agent, speaker: Speaker) -> Outcome | None:
        """Ask, and show what comes; return the committed outcome, None when the turn was put back."""
        rendition = Rendition()
        try:
            if turn.stop is not None:
                raise StoppedByPerson(turn.stop)
            if turn.age > self._manners.max_message_age:
                raise AnswerTooLong(self._too_old(turn))
            talk = self._talks.get(agent.upstream)
            if talk is None or agent.state is AgentState.GONE:
                raise AgentGone(f"{agent.name} is gone from its server")
            with self._stops.watch(turn) as wish:
                finish_reason = await self._stream(
                    talk, await self._question(talk, turn, agent), rendition, speaker, wish
                )
        except StoppedByPerson as stopped:
            dropped = stopped.how is Stop.DROPPED
            outcome = Outcome(rendition.text.strip(), words.DROPPED if dropped else None, stopped=not dropped)
        except UpstreamError as error:
            if error.retryable and turn.failures + 1 < self._manners.max_attempts:
                delay = max(_RETRY.delay(turn.failures + 1), error.retry_after or 0)
                _log.warning("asking again", agent=agent.name, error=str(error), seconds=delay)
                await self._turns.put_back(turn, delay=delay, failed=True, why=error.says)
                return None
            outcome = Outcome(rendition.text, error.says)
        else:
            note = f"\n\n*({words.TRUNCATED})*" if finish_reason == "length" else ""
            outcome = Outcome(rendition.text.strip() + note)
        await self._commit(turn, outcome)
        return outcome

    def _too_old(self, turn: Turn) -> str:
        return words.TOO_OLD.format(
            messages=words.count(1 + len(turn.collected), "message"),
            age=words.duration(turn.age),
            command=f"{self._manners.prefix} retry {turn.key}",
        )

    async def _question(self, talk: Talk, turn: Turn, agent: Agent) -> Ask:
        history: tuple[Said, ...] = ()
        if not talk.upstream.remembers:
            transcript = await self._turns.transcript(turn.conversation, _TRANSCRIPT)
            history = within_budget(transcript, talk.history_tokens)
        return Ask(
            model=agent.model,
            messages=(*history, Said("user", turn.body)),
            session=turn.room_id,
            # An administrator who has it asked anew wants an answer, not the old one again.
            idempotency_key=f"{turn.key}.{turn.retries}" if turn.retries else turn.key,
        )

    async def _stream(
        self, talk: Talk, ask: Ask, rendition: Rendition, speaker: Speaker, wish: asyncio.Future[Stop]
    ) -> str:
        """Read the whole answer into *rendition*, show it on the way, return its finish reason.

        Raises:
            UpstreamError: there is no whole answer.
            StoppedByPerson: *wish* came true.
        """
        news = asyncio.Event()
        reader = asyncio.create_task(self._read(talk, ask, rendition, news))
        either: set[asyncio.Future[Any]] = {reader, wish}
        over = asyncio.create_task(asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED))
        over.add_done_callback(lambda _: news.set())
        try:
            while not over.done():
                await news.wait()
                news.clear()
                while rendition.due is not None and not over.done():
                    await asyncio.wait({over}, timeout=max(0.0, rendition.due - time.monotonic()))
                    if not over.done():
                        await self._glimpse(speaker, rendition)
            if not reader.done():
                raise StoppedByPerson(wish.result())
            return reader.result()
        finally:
            over.cancel()
            reader.cancel()
            await asyncio.wait([reader, over])

    @staticmethod
    async def _read(talk: Talk, ask: Ask, rendition: Rendition, news: asyncio.Event) -> str:
        reason, room = "", talk.max_answer_chars
        try:
            async with asyncio.timeout(talk.turn_timeout), aclosing(talk.upstream.answer(ask)) as deltas:
                async for delta in deltas:
                    if not isinstance(delta, TextDelta):
                        reason = delta.finish_reason
                        continue
                    rendition.feed(delta.text[:room], time.monotonic())
                    news.set()
                    room -= len(delta.text)
                    if room < 0:
                        raise AnswerTooLong(words.TOO_LONG.format(characters=talk.max_answer_chars))
        except TimeoutError:
            raise AnswerTooLong(words.TOO_SLOW.format(seconds=f"{talk.turn_timeout:g}")) from None
        return reason

    @staticmethod
    async def _glimpse(speaker: Speaker, rendition: Rendition) -> None:
        for op in rendition.take(time.monotonic()):
            try:
                await speaker.show(op)
            except BridgeError as error:
                _log.info("a glimpse of the answer was not shown", error=str(error))

    async def _commit(self, turn: Turn, outcome: Outcome) -> None:
        # What people saw of an answer that was stopped is what they talk about next.
        told = outcome.error is None and bool(outcome.text)
        transcript = [Said("user", turn.body), Said("assistant", outcome.text)] if told else []
        await self._turns.answered(
            turn, outcome.text, error=outcome.error, parts=len(outcome.ops()), transcript=transcript
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
