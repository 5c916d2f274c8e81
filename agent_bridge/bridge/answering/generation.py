"""Asking: one question to one agent, its answer shown as it grows, within what the configuration allows."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.answering.answer_buffer import AnswerBuffer
from agent_bridge.bridge.answering.outcome import Outcome, as_extras, beyond, failure_notice
from agent_bridge.bridge.answering.streaming import AnswerStreamer
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import AgentGone, AnswerTooLong
from agent_bridge.core.rooms import Show, Streaming
from agent_bridge.core.turns import AnswerExtras, StopReason
from agent_bridge.i18n.catalogue import Text
from agent_bridge.render.activity import Activity
from agent_bridge.render.rendition import Rendition
from agent_bridge.render.split import with_ending
from agent_bridge.upstream.base import AnswerRequest, TextDelta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL

    from agent_bridge.bridge.answering.cancellation import Cancellations
    from agent_bridge.bridge.answering.question import Question, Questions
    from agent_bridge.bridge.delivery.edit_budget import EditBudget
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.bridge.delivery.uploads import Uploads
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.render.rendition import Pace
    from agent_bridge.upstream.base import Upstream


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
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
    streaming: Streaming
    #: What is shown besides them.
    reasoning: Show
    tools: Show


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """What the configuration says of showing answers, whoever gives them."""

    pace: Pace
    #: Messages that one answer is split into.
    max_parts: int


class AnswerStopped(Exception):
    """A person wants the answer to end."""

    def __init__(self, how: StopReason) -> None:
        super().__init__(how)
        self.how = how


class Generation:
    """Asks agents."""

    def __init__(
        self,
        questions: Questions,
        upstreams: Mapping[str, UpstreamSettings],
        stops: Cancellations,
        uploads: Uploads,
        budget: EditBudget,
        answers: AnswerSettings,
        texts: Texts,
    ) -> None:
        self._questions = questions
        self._upstreams = upstreams
        self._stops = stops
        self._uploads = uploads
        self._budget = budget
        self._answers = answers
        self._texts = texts

    def buffer(self, turn: Turn, agent: Agent) -> AnswerBuffer:
        """Return an empty answer to *turn*."""
        settings = self._upstreams.get(agent.upstream)
        reasoning, tools = (settings.reasoning, settings.tools) if settings else (Show.HIDDEN, Show.HIDDEN)
        if turn.root is not None:
            # Threads do not nest.
            reasoning, tools = (Show.COLLAPSED if show is Show.THREAD else show for show in (reasoning, tools))
        rendition = Rendition(self._answers.pace, max_parts=self._answers.max_parts)
        return AnswerBuffer(rendition, Activity(self._texts, reasoning=reasoning, tools=tools))

    async def ask(
        self, turn: Turn, agent: Agent, outbox: Outbox, buffer: AnswerBuffer, streaming: Streaming | None
    ) -> Outcome:
        """Ask, and have *speaker* show *draft* as it grows; return how it ended.

        *streaming* is how the room wants it shown, None: as configured.

        Raises:
            UpstreamError: there is no answer, or it is not whole; *draft* has what there is.
            HomeserverUnavailable: what the question refers to cannot be had now.
        """
        if turn.stop is not None:
            return await self._stopped(turn.stop, "", "", outbox.user_id)
        settings = self._upstreams.get(agent.upstream)
        if settings is None or agent.state is AgentState.GONE:
            raise AgentGone(Text("agent_gone", agent=agent.name))
        question = await self._questions.of(turn, agent, settings.upstream, history_tokens=settings.history_tokens)
        if question.empty:
            return self._nothing_to_ask(question)
        streamer = (
            AnswerStreamer(outbox, buffer, self._budget)
            if (streaming or settings.streaming) is Streaming.EDITS
            else None
        )
        asked = question.kept
        with self._stops.watch(turn) as wish:
            try:
                answering = self._answer(settings, turn, agent, question, buffer, streamer, outbox.user_id)
                return await self._unless(wish, asyncio.create_task(answering), streamer)
            except AnswerStopped as stopped:
                return await self._stopped(stopped.how, buffer.text, asked, outbox.user_id)

    @staticmethod
    def _ask(turn: Turn, agent: Agent, question: Question) -> AnswerRequest:
        return AnswerRequest(
            model=agent.model,
            messages=(*question.history, question.said),
            session=turn.session,
            # Who has it asked anew wants an answer, not the old one again.
            idempotency_key=f"{turn.key}.{turn.retries}" if turn.retries else turn.key,
        )

    async def _answer(
        self,
        settings: UpstreamSettings,
        turn: Turn,
        agent: Agent,
        question: Question,
        buffer: AnswerBuffer,
        streamer: AnswerStreamer | None,
        owner: str,
    ) -> Outcome:
        """Read the whole answer into *draft*, and fetch what belongs to it.

        Raises:
            UpstreamError: there is no whole answer.
        """
        await self._read(settings, self._ask(turn, agent, question), buffer, streamer)
        text = buffer.text
        if buffer.finish_reason == "length":
            text = with_ending(text, f"*({self._texts.truncated})*")
        extras = await self._extras(settings, buffer, text, owner, question)
        return Outcome(text, extras=extras, asked=question.kept)

    @staticmethod
    async def _unless(
        wish: asyncio.Future[StopReason], reader: asyncio.Task[Outcome], streamer: AnswerStreamer | None
    ) -> Outcome:
        """Return what *reader* gives, and show what it reads on the way.

        Raises:
            StoppedByPerson: *wish* came true.
        """
        either: set[asyncio.Future[Any]] = {reader, wish}
        over = asyncio.create_task(asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED))
        try:
            if streamer is not None:
                await streamer.until(over)
            await over
            if not reader.done():
                raise AnswerStopped(wish.result())
            return reader.result()
        finally:
            over.cancel()
            reader.cancel()
            await asyncio.wait([reader, over])

    @staticmethod
    async def _read(
        settings: UpstreamSettings, ask: AnswerRequest, buffer: AnswerBuffer, streamer: AnswerStreamer | None
    ) -> None:
        room = settings.max_answer_chars
        try:
            async with asyncio.timeout(settings.turn_timeout), aclosing(settings.upstream.answer(ask)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        buffer.feed(TextDelta(delta.text[:room]), time.monotonic())
                        room -= len(delta.text)
                    else:
                        buffer.feed(delta, time.monotonic())
                    if streamer is not None:
                        streamer.tell()
                    if room < 0:
                        raise AnswerTooLong(Text("too_long", limit=settings.max_answer_chars))
        except TimeoutError:
            raise AnswerTooLong(Text("too_slow", seconds=settings.turn_timeout)) from None

    async def _extras(
        self, settings: UpstreamSettings, buffer: AnswerBuffer, text: str, owner: str, question: Question
    ) -> AnswerExtras:
        files, notes = await self._uploads.of(buffer.files, own=settings.url, owner=owner)
        rest = await self.rest(text, owner)
        return AnswerExtras(
            notice="\n\n".join(f"{note[:1].upper()}{note[1:]}." for note in (*question.notes, *notes)),
            activity=as_extras(buffer.activity.whole(time.monotonic())),
            files=(*rest, *files),
            rest=bool(rest),
        )

    async def rest(self, text: str, owner: str) -> tuple[dict[str, Any], ...]:
        """Return the file that shows what of the answer *text* its messages do not, if they do not show all of it."""
        rest = beyond(text, self._answers.max_parts)
        file = await self._uploads.rest(rest, owner) if rest else None
        return () if file is None else (file,)

    def _nothing_to_ask(self, question: Question) -> Outcome:
        cause = "; ".join(question.notes)
        return Outcome("", cause, extras=AnswerExtras(notice=failure_notice(self._texts, cause, midway=False)))

    async def _stopped(self, how: StopReason, text: str, asked: str, owner: str) -> Outcome:
        rest = await self.rest(text, owner)
        extras = AnswerExtras(files=rest, rest=bool(rest))
        if how is StopReason.DROPPED:
            notice = failure_notice(self._texts, self._texts.dropped, midway=bool(text))
            return Outcome(text, self._texts.dropped, extras=replace(extras, notice=notice), asked=asked)
        return Outcome(text, stopped=how, extras=extras, asked=asked)
