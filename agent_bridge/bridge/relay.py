"""Relay: one turn of talk. Receipt, typing, the upstream's deltas → ops → messages as the ghost."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.speaker import Speaker
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import AgentGone, BridgeError, HomeserverError, UpstreamError
from agent_bridge.core.model import AgentState, Said, TurnState
from agent_bridge.render import words
from agent_bridge.render.rendition import Op, Rendition, ops_for
from agent_bridge.upstream.base import Ask, TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agent_bridge.core.ids import Names
    from agent_bridge.core.model import Agent, Turn
    from agent_bridge.matrix.homeserver import Homeserver
    from agent_bridge.store.contacts import Contacts
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How asking ended."""

    text: str
    #: Why the answer is missing or not whole, in words; None when all is well.
    error: str | None = None

    @property
    def state(self) -> TurnState:
        """What becomes of the turn."""
        return TurnState.DONE if self.error is None else TurnState.FAILED

    def ops(self) -> list[Op]:
        """Return what shows it whole: the text, and where it is missing or broken a word about it."""
        text = self.text.strip()
        shown = ops_for(text) if text or self.error is None else []
        if self.error is None:
            return shown
        told = words.FAILED_MIDWAY if shown else words.FAILED
        return [*shown, Op(len(shown), told.format(cause=words.cause(self.error)), notice=True)]


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
        *,
        max_attempts: int,
    ) -> None:
        self._homeserver = homeserver
        self._names = names
        self._contacts = contacts
        self._turns = turns
        self._talks = talks
        self._max_attempts = max_attempts

    async def handle(self, turn: Turn) -> None:
        """Ask the agent, show the answer as it grows, commit it, show it whole; or tell why there is none.

        Raises:
            HomeserverError: the answer, or the word about its failure, could not be shown. What is committed stays.
        """
        started = time.monotonic()
        agent, speaker = await self._voice(turn)
        _log.info("message taken up", agent=agent.name, sender=turn.sender, room=turn.room_id, attempt=turn.attempts)
        await speaker.recall()
        async with self._reading(turn, agent):
            if turn.state is TurnState.ANSWERED:
                outcome = Outcome(turn.answer or "", turn.error)
            else:
                async with self._typing(turn, agent):
                    asked = await self._ask(turn, agent, speaker)
                if asked is None:
                    return
                outcome = asked
            await speaker.conclude(outcome.ops(), outcome.state)
        seconds = round(time.monotonic() - started, 3)
        if outcome.error is None:
            _log.info("answer sent", agent=agent.name, room=turn.room_id, seconds=seconds)
        else:
            _log.warning("answer failed", agent=agent.name, room=turn.room_id, error=outcome.error)

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Tell the room that the turn ends here because of *cause*, and close it."""
        _, speaker = await self._voice(turn)
        await speaker.give_up(words.FAILED.format(cause=words.cause(cause)))

    async def _voice(self, turn: Turn) -> tuple[Agent, Speaker]:
        if turn.portal is None:
            raise LookupError(f"turn {turn.key} is not in an agent's room")
        agent = (await self._contacts.by_portal(turn.portal)).agent
        return agent, Speaker(self._homeserver, self._turns, turn, self._names.user_id(agent.ghost))

    async def _ask(self, turn: Turn, agent: Agent, speaker: Speaker) -> Outcome | None:
        """Ask, and show what comes; return the committed outcome, None when the turn was put back."""
        rendition = Rendition()
        try:
            talk = self._talks.get(agent.upstream)
            if talk is None or agent.state is AgentState.GONE:
                raise AgentGone(f"{agent.name} is gone from its server")
            finish_reason = await self._stream(talk, await self._question(talk, turn, agent), rendition, speaker)
        except UpstreamError as error:
            if error.retryable and turn.failures + 1 < self._max_attempts:
                delay = max(_RETRY.delay(turn.failures + 1), error.retry_after or 0)
                _log.warning("asking again", agent=agent.name, error=str(error), seconds=delay)
                await self._turns.put_back(turn.id, delay=delay, failed=True)
                return None
            outcome = Outcome(rendition.text, error.says)
        else:
            note = f"\n\n*({words.TRUNCATED})*" if finish_reason == "length" else ""
            outcome = Outcome(rendition.text.strip() + note)
        await self._commit(turn, outcome)
        return outcome

    async def _question(self, talk: Talk, turn: Turn, agent: Agent) -> Ask:
        history: tuple[Said, ...] = ()
        if not talk.upstream.remembers:
            transcript = await self._turns.transcript(turn.conversation, _TRANSCRIPT)
            history = within_budget(transcript, talk.history_tokens)
        return Ask(
            model=agent.model,
            messages=(*history, Said("user", turn.body)),
            session=turn.room_id,
            idempotency_key=turn.key,
        )

    async def _stream(self, talk: Talk, ask: Ask, rendition: Rendition, speaker: Speaker) -> str:
        """Read the whole answer into *rendition*, show it on the way, return its finish reason."""
        news = asyncio.Event()

        async def read() -> str:
            reason = ""
            try:
                async with aclosing(talk.upstream.answer(ask)) as deltas:
                    async for delta in deltas:
                        if isinstance(delta, TextDelta):
                            rendition.feed(delta.text, time.monotonic())
                            news.set()
                        else:
                            reason = delta.finish_reason
            finally:
                news.set()
            return reason

        reader = asyncio.create_task(read())
        try:
            while not reader.done():
                await news.wait()
                news.clear()
                while rendition.due is not None and not reader.done():
                    await asyncio.wait({reader}, timeout=max(0.0, rendition.due - time.monotonic()))
                    if not reader.done():
                        await self._glimpse(speaker, rendition)
            return reader.result()
        finally:
            reader.cancel()
            await asyncio.wait({reader})

    @staticmethod
    async def _glimpse(speaker: Speaker, rendition: Rendition) -> None:
        for op in rendition.take(time.monotonic()):
            try:
                await speaker.show(op)
            except BridgeError as error:
                _log.info("a glimpse of the answer was not shown", error=str(error))

    async def _commit(self, turn: Turn, outcome: Outcome) -> None:
        whole = outcome.error is None
        transcript = [Said("user", turn.body), Said("assistant", outcome.text)] if whole else []
        await self._turns.answered(
            turn, outcome.text, error=outcome.error, parts=len(outcome.ops()), transcript=transcript
        )

    @asynccontextmanager
    async def _reading(self, turn: Turn, agent: Agent) -> AsyncIterator[None]:
        """Show that the question is read, beside what else is done."""
        reading = asyncio.create_task(self._show_read(turn, self._names.user_id(agent.ghost)))
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

    async def _show_read(self, turn: Turn, ghost: str) -> None:
        try:
            await self._homeserver.read(turn.room_id, turn.event_id, ghost)
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
