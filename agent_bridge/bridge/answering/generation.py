"""Asking: one question to one agent, its answer shown as it grows, within what the configuration allows."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.answering.answer_buffer import Draft
from agent_bridge.bridge.answering.outcome import Outcome, as_besides, beyond, told
from agent_bridge.bridge.answering.streaming import Showing
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import AgentGone, AnswerTooLong
from agent_bridge.core.rooms import Show, Streaming
from agent_bridge.core.turns import Besides, Stop
from agent_bridge.render.activity import Asides
from agent_bridge.render.rendition import Rendition
from agent_bridge.render.split import with_ending
from agent_bridge.upstream.base import Ask, TextDelta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL

    from agent_bridge.bridge.answering.cancellation import Stops
    from agent_bridge.bridge.answering.question import Question, Questions
    from agent_bridge.bridge.delivery.edit_budget import EditBudget
    from agent_bridge.bridge.delivery.outbox import Speaker
    from agent_bridge.bridge.delivery.uploads import Enclosures
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Words
    from agent_bridge.render.rendition import Pace
    from agent_bridge.upstream.base import Upstream


@dataclass(frozen=True, slots=True)
class Talk:
    """What the configuration says of talking to one upstream's agents."""

    upstream: Upstream
    #: Where it is: links to there may be followed.
    url: URL
    #: Budget of the history, in estimated tokens.
    history_tokens: int
    #: Seconds that one answer may take.
    turn_timeout: float
    #: Characters that one answer may have.
    max_answer_chars: int
    #: How answers are shown, unless the room says otherwise.
    stream: Streaming
    #: What is shown besides them.
    reasoning: Show
    tools: Show


@dataclass(frozen=True, slots=True)
class Answers:
    """What the configuration says of showing answers, whoever gives them."""

    pace: Pace
    #: Messages that one answer is split into.
    max_parts: int


class StoppedByPerson(Exception):
    """A person wants the answer to end."""

    def __init__(self, how: Stop) -> None:
        super().__init__(how)
        self.how = how


class Asking:
    """Asks agents."""

    def __init__(
        self,
        questions: Questions,
        talks: Mapping[str, Talk],
        stops: Stops,
        enclosures: Enclosures,
        budget: EditBudget,
        answers: Answers,
        words: Words,
    ) -> None:
        self._questions = questions
        self._talks = talks
        self._stops = stops
        self._enclosures = enclosures
        self._budget = budget
        self._answers = answers
        self._words = words

    def draft(self, turn: Turn, agent: Agent) -> Draft:
        """Return an empty answer to *turn*."""
        talk = self._talks.get(agent.upstream)
        reasoning, tools = (talk.reasoning, talk.tools) if talk else (Show.HIDDEN, Show.HIDDEN)
        if turn.root is not None:
            # Threads do not nest.
            reasoning, tools = (Show.COLLAPSED if show is Show.THREAD else show for show in (reasoning, tools))
        rendition = Rendition(self._answers.pace, max_parts=self._answers.max_parts)
        return Draft(rendition, Asides(self._words, reasoning=reasoning, tools=tools))

    async def ask(self, turn: Turn, agent: Agent, speaker: Speaker, draft: Draft, stream: Streaming | None) -> Outcome:
        """Ask, and have *speaker* show *draft* as it grows; return how it ended.

        *stream* is how the room wants it shown, None: as configured.

        Raises:
            UpstreamError: there is no answer, or it is not whole; *draft* has what there is.
            HomeserverUnavailable: what the question refers to cannot be had now.
        """
        if turn.stop is not None:
            return await self._stopped(turn.stop, "", "", speaker.user_id)
        talk = self._talks.get(agent.upstream)
        if talk is None or agent.state is AgentState.GONE:
            raise AgentGone(lambda words: words.agent_gone.format(agent=agent.name))
        question = await self._questions.of(turn, agent, talk.upstream, history_tokens=talk.history_tokens)
        if question.empty:
            return self._nothing_to_ask(question)
        showing = Showing(speaker, draft, self._budget) if (stream or talk.stream) is Streaming.EDITS else None
        asked = question.kept
        with self._stops.watch(turn) as wish:
            try:
                answering = self._answer(talk, turn, agent, question, draft, showing, speaker.user_id)
                return await self._unless(wish, asyncio.create_task(answering), showing)
            except StoppedByPerson as stopped:
                return await self._stopped(stopped.how, draft.text, asked, speaker.user_id)

    @staticmethod
    def _ask(turn: Turn, agent: Agent, question: Question) -> Ask:
        return Ask(
            model=agent.model,
            messages=(*question.history, question.said),
            session=f"{turn.room_id}/{turn.thread}" if turn.thread else turn.room_id,
            # Who has it asked anew wants an answer, not the old one again.
            idempotency_key=f"{turn.key}.{turn.retries}" if turn.retries else turn.key,
        )

    async def _answer(
        self,
        talk: Talk,
        turn: Turn,
        agent: Agent,
        question: Question,
        draft: Draft,
        showing: Showing | None,
        owner: str,
    ) -> Outcome:
        """Read the whole answer into *draft*, and fetch what belongs to it.

        Raises:
            UpstreamError: there is no whole answer.
        """
        await self._read(talk, self._ask(turn, agent, question), draft, showing)
        text = draft.text
        if draft.finish_reason == "length":
            text = with_ending(text, f"*({self._words.truncated})*")
        besides = await self._besides(talk, draft, text, owner, question)
        return Outcome(text, besides=besides, asked=question.kept)

    @staticmethod
    async def _unless(wish: asyncio.Future[Stop], reader: asyncio.Task[Outcome], showing: Showing | None) -> Outcome:
        """Return what *reader* gives, and show what it reads on the way.

        Raises:
            StoppedByPerson: *wish* came true.
        """
        either: set[asyncio.Future[Any]] = {reader, wish}
        over = asyncio.create_task(asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED))
        try:
            if showing is not None:
                await showing.until(over)
            await over
            if not reader.done():
                raise StoppedByPerson(wish.result())
            return reader.result()
        finally:
            over.cancel()
            reader.cancel()
            await asyncio.wait([reader, over])

    @staticmethod
    async def _read(talk: Talk, ask: Ask, draft: Draft, showing: Showing | None) -> None:
        room = talk.max_answer_chars
        try:
            async with asyncio.timeout(talk.turn_timeout), aclosing(talk.upstream.answer(ask)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        draft.feed(TextDelta(delta.text[:room]), time.monotonic())
                        room -= len(delta.text)
                    else:
                        draft.feed(delta, time.monotonic())
                    if showing is not None:
                        showing.tell()
                    if room < 0:
                        raise AnswerTooLong(lambda words: words.too_long.format(limit=talk.max_answer_chars))
        except TimeoutError:
            raise AnswerTooLong(lambda words: words.too_slow.format(seconds=talk.turn_timeout)) from None

    async def _besides(self, talk: Talk, draft: Draft, text: str, owner: str, question: Question) -> Besides:
        files, notes = await self._enclosures.of(draft.files, own=talk.url, owner=owner)
        rest = await self.rest(text, owner)
        return Besides(
            notice="\n\n".join(f"{note[:1].upper()}{note[1:]}." for note in (*question.notes, *notes)),
            asides=as_besides(draft.asides.whole(time.monotonic())),
            files=(*rest, *files),
            rest=bool(rest),
        )

    async def rest(self, text: str, owner: str) -> tuple[dict[str, Any], ...]:
        """Return the file that shows what of the answer *text* its messages do not, if they do not show all of it."""
        rest = beyond(text, self._answers.max_parts)
        file = await self._enclosures.rest(rest, owner) if rest else None
        return () if file is None else (file,)

    def _nothing_to_ask(self, question: Question) -> Outcome:
        cause = "; ".join(question.notes)
        return Outcome("", cause, besides=Besides(notice=told(self._words, cause, midway=False)))

    async def _stopped(self, how: Stop, text: str, asked: str, owner: str) -> Outcome:
        rest = await self.rest(text, owner)
        besides = Besides(files=rest, rest=bool(rest))
        if how is Stop.DROPPED:
            notice = told(self._words, self._words.dropped, midway=bool(text))
            return Outcome(text, self._words.dropped, besides=replace(besides, notice=notice), asked=asked)
        return Outcome(text, stopped=how, besides=besides, asked=asked)
