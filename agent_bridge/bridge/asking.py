"""Asking: one question to one agent, its answer shown as it grows, within what the configuration allows."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.outcome import Outcome
from agent_bridge.core.errors import AgentGone, AnswerTooLong, BridgeError
from agent_bridge.core.model import AgentState, Said, Stop
from agent_bridge.render import words
from agent_bridge.render.split import with_ending
from agent_bridge.upstream.base import Ask, TextDelta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.bridge.speaker import Speaker
    from agent_bridge.bridge.stops import Stops
    from agent_bridge.core.model import Agent, Turn
    from agent_bridge.render.rendition import Rendition
    from agent_bridge.store.turns import Turns
    from agent_bridge.upstream.base import Upstream

_log = structlog.stdlib.get_logger(__name__)

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


class Asking:
    """Asks agents."""

    def __init__(self, turns: Turns, talks: Mapping[str, Talk], stops: Stops) -> None:
        self._turns = turns
        self._talks = talks
        self._stops = stops

    async def ask(self, turn: Turn, agent: Agent, speaker: Speaker, rendition: Rendition) -> Outcome:
        """Ask, and have *speaker* show what *rendition* makes of the answer; return how it ended.

        Raises:
            UpstreamError: there is no answer, or it is not whole; *rendition* has what there is.
        """
        if turn.stop is not None:
            return _stopped(turn.stop, "")
        talk = self._talks.get(agent.upstream)
        if talk is None or agent.state is AgentState.GONE:
            raise AgentGone(f"{agent.name} is gone from its server")
        question = await self._question(talk, turn, agent)
        with self._stops.watch(turn) as wish:
            try:
                finish_reason = await self._stream(talk, question, rendition, speaker, wish)
            except StoppedByPerson as stopped:
                return _stopped(stopped.how, rendition.text.strip())
        text = rendition.text.strip()
        return Outcome(with_ending(text, f"*({words.TRUNCATED})*") if finish_reason == "length" else text)

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
                    await asyncio.wait([over], timeout=max(0.0, rendition.due - time.monotonic()))
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


def _stopped(how: Stop, text: str) -> Outcome:
    return Outcome(text, words.DROPPED) if how is Stop.DROPPED else Outcome(text, stopped=True)
