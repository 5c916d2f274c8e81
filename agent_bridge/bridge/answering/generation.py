"""Generation: asks an agent once, streams the answer, and returns how the attempt ended."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog
from yarl import URL

from agent_bridge.bridge.answering.answer_buffer import AnswerBuffer
from agent_bridge.bridge.answering.outcome import Attempt, Failure, beyond
from agent_bridge.bridge.answering.streaming import AnswerStreamer
from agent_bridge.bridge.answering.unasked import UnaskedTurns
from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.core.errors import (
    AnswerEmpty,
    AnswerInterrupted,
    AnswerTooLong,
    ConversationTooLong,
    HomeserverError,
    MessageTooLong,
    StoreError,
    UpstreamError,
)
from agent_bridge.core.names import one_line
from agent_bridge.core.rooms import Show, Streaming
from agent_bridge.core.turns import StopReason
from agent_bridge.i18n.catalogue import Text
from agent_bridge.render.activity import Activity
from agent_bridge.render.rendition import Pace, Rendition
from agent_bridge.store.postgres.locks import LANE
from agent_bridge.upstream.answer import (
    AnswerRequest,
    ApprovalAsked,
    ApprovalClosed,
    End,
    RunStarted,
    TextDelta,
    TextWithdrawn,
)
from agent_bridge.upstream.transport.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.bridge.answering.cancellation import Cancellations
    from agent_bridge.bridge.answering.matrix_tools import MatrixTools
    from agent_bridge.bridge.answering.question import Question, Questions
    from agent_bridge.bridge.answering.tool_approvals import OpenApprovals, ToolApprovals
    from agent_bridge.bridge.delivery.edit_budget import EditBudget
    from agent_bridge.bridge.delivery.event_streams import EventStreams
    from agent_bridge.bridge.delivery.live_messaging import LiveMessaging
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.bridge.delivery.uploads import Uploads
    from agent_bridge.bridge.feed.growth import AnswerGrowth
    from agent_bridge.bridge.metering.gate import Gate
    from agent_bridge.bridge.metering.recorder import UsageRecorder
    from agent_bridge.config.conversations import AnswersConfig
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.answers import AnswerFile
    from agent_bridge.core.observer import Observer
    from agent_bridge.core.turns import Turn
    from agent_bridge.core.usage import UsageEntry
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.postgres.locks import Locks
    from agent_bridge.store.turns import Turns
    from agent_bridge.upstream.base import Upstream

_log = structlog.stdlib.get_logger(__name__)

#: Tokens by which a history may be longer than the last one that was not too long.
_GROWTH = 100
_PARAGRAPH = "\n\n"
#: Characters of the title of a conversation.
_MAX_TITLE = 60


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of an upstream, and the buffer of its answer."""

    turn: Turn
    agent: Agent
    upstream: Upstream
    config: UpstreamConfig
    request: AnswerRequest
    question: Question
    buffer: AnswerBuffer
    outbox: Outbox

    @property
    def user_id(self) -> str:
        """User id of the ghost that answers."""
        return self.outbox.user_id


class Generation:
    """Asks the agents of *upstreams*, each with its section of the configuration."""

    def __init__(
        self,
        questions: Questions,
        turns: Turns,
        upstreams: Iterable[tuple[Upstream, UpstreamConfig]],
        cancellations: Cancellations,
        uploads: Uploads,
        budget: EditBudget,
        live_messaging: LiveMessaging,
        event_streams: EventStreams | None,
        locks: Locks,
        answers: AnswersConfig,
        approvals: ToolApprovals,
        tools: MatrixTools,
        recorder: UsageRecorder,
        gate: Gate,
        growth: AnswerGrowth,
        observer: Observer,
        texts: Texts,
    ) -> None:
        self._live_messaging = live_messaging
        self._event_streams = event_streams
        self._growth = growth
        self._observer = observer
        self._approvals = approvals
        self._recorder = recorder
        self._tools = tools
        self._questions = questions
        self._turns = turns
        self._upstreams = {config.name: (upstream, config) for upstream, config in upstreams}
        self._cancellations = cancellations
        self._uploads = uploads
        self._budget = budget
        self._locks = locks
        self._pace = Pace(max_events=answers.max_events)
        self._max_parts = answers.max_parts
        self._texts = texts
        self._unasked = UnaskedTurns(questions, self._upstreams, self.budget, approvals, recorder, gate, texts)
        #: The longest histories that fit, in tokens, by the agents' row ids and the models that people chose.
        self._history_limits: dict[tuple[int, str | None], int] = {}

    async def run(self, turn: Turn, agent: Agent, outbox: Outbox) -> Attempt:
        """Ask *agent* the question of *turn*, and show the answer in *outbox* while it grows.

        All ends of an attempt are results: a whole answer, a failure of the upstream, a stop.

        Raises:
            HomeserverUnavailable: a file or a message that the question refers to cannot be fetched now.
            StoreError: the transcript cannot be read.
        """
        if (ended := await self._unasked.end(turn, agent, outbox)) is not None:
            return ended
        upstream, _ = self._upstreams[agent.upstream]
        question = await self._questions.build(turn, agent, upstream, self.budget(agent, turn.chosen_model))
        if question.empty:
            return Attempt(ended_by=Failure("; ".join(question.notes)))
        used: list[UsageEntry] = []
        try:
            attempt = await self._ask(turn, agent, question, outbox, used)
        except HomeserverError:
            # The turn is put back, and no outcome keeps the tokens.
            await self._recorder.record(used)
            raise
        return replace(attempt, used=tuple(used))

    async def _ask(
        self, turn: Turn, agent: Agent, question: Question, outbox: Outbox, used: list[UsageEntry]
    ) -> Attempt:
        """Ask *question*, with less history if that is too long; add the tokens of each request to *used*."""
        upstream, config = self._upstreams[agent.upstream]
        never_ran, allowed = await self._approvals.earlier(turn)
        withdrawn = await self._approvals.withdrawn(turn, upstream)
        toolbox = self._tools.toolbox(turn, agent, URL(config.url), outbox) if config.matrix_tools else None
        limits = question.history.limits(self.budget(agent, turn.chosen_model))
        for number, limit in enumerate(limits):
            if number:
                _log.warning("the history was perhaps too long: the agent gets less", agent=agent.name, tokens=limit)
            request = self._request(turn, agent, question, tokens=limit, number=number)
            request = replace(request, never_ran=never_ran, allowed=allowed, withdrawn=withdrawn, toolbox=toolbox)
            buffer = self._buffer(turn, config)
            call = _Call(turn, agent, upstream, config, request, question, buffer, outbox)
            if not number:
                await self._recorder.record_left(turn, agent, request, upstream.traits)
            was_stopped = False
            try:
                result = await self._call(call, outbox)
                was_stopped = isinstance(result, StopReason)
            finally:
                # A server has read the question of an answer that was stopped before its first words.
                if buffer.is_begun or was_stopped:
                    used.append(self._entry(call))
            if not _may_be_too_long(result):
                break
        if limit < config.history_tokens and not isinstance(result, Failure):
            self._history_limits[agent.id, turn.chosen_model] = limit + max(_GROWTH, limit // 4)
        if (
            isinstance(result, Failure)
            and isinstance(result.error, ConversationTooLong)
            and not upstream.traits.stateful
        ):
            too_long = MessageTooLong(Text("message_too_long"), detail=result.error.detail)
            result = Failure.of(too_long, agent.name, self._texts)
        return result if isinstance(result, Attempt) else await self._unfinished(call, result)

    def budget(self, agent: Agent, model: str | None) -> int:
        """Return the largest length of the history that *agent* gets, in tokens, if it is asked as *model*.

        Raises:
            KeyError: the configuration lacks the upstream.
        """
        configured = self._upstreams[agent.upstream][1].history_tokens
        return min(configured, self._history_limits.get((agent.id, model), configured))

    def system_prompt(self, agent: Agent, instructions: str | None) -> str | None:
        """Return the system message of a request to *agent*, with the *instructions* of people; None without one.

        Raises:
            KeyError: the configuration lacks the upstream.
        """
        parts = (agent.settings.system_prompt or self._upstreams[agent.upstream][1].system_prompt, instructions)
        return _PARAGRAPH.join(part for part in parts if part) or None

    async def _call(self, call: _Call, outbox: Outbox) -> Attempt | Failure | StopReason:
        """Return the answer to *call*, shown while it grows, or why there is none."""
        streaming = call.turn.streaming or call.config.streaming
        verify = partial(self._locks.verify, LANE, call.turn.conversation)
        enabled, room_id = streaming is Streaming.EDITS, call.turn.room_id
        streams = None
        if enabled and self._event_streams is not None:
            streams = self._event_streams.of_answer(
                room_id, outbox.user_id, lambda: call.buffer.text, max_parts=self._max_parts
            )
        async with AnswerStreamer(
            outbox,
            call.buffer,
            self._budget,
            verify,
            enabled=enabled,
            observer=self._observer,
            permits=partial(self._live_messaging.is_allowed, room_id, outbox.user_id),
            streams=streams,
        ) as streamer:
            try:
                return await self._cancellations.unless_stopped(call.turn, self._answer(call, streamer))
            except UpstreamError as error:
                return Failure.of(error, call.agent.name, self._texts)

    def _request(self, turn: Turn, agent: Agent, question: Question, *, tokens: int, number: int) -> AnswerRequest:
        key = turn.request_key
        return AnswerRequest(
            model=turn.chosen_model or agent.model,
            temperature=agent.settings.temperature,
            messages=self._questions.messages(question, agent, tokens),
            session=turn.session,
            # A request with less history has a key of its own.
            idempotency_key=f"{key}-{number}" if number else key,
            attempt=turn.attempts,
            title=_title(turn, agent),
            system_prompt=self.system_prompt(agent, turn.instructions),
            turn=turn.id,
        )

    def _buffer(self, turn: Turn, config: UpstreamConfig) -> AnswerBuffer:
        reasoning, tools = config.reasoning, config.tools
        if turn.root is not None:
            # Threads do not nest.
            reasoning, tools = (Show.COLLAPSED if show is Show.THREAD else show for show in (reasoning, tools))
        rendition = Rendition(self._pace, max_parts=self._max_parts)
        return AnswerBuffer(rendition, Activity(self._texts, reasoning=reasoning, tools=tools))

    async def _answer(self, call: _Call, streamer: AnswerStreamer) -> Attempt:
        """Read the whole answer, and upload its files: the text goes on growing before people's eyes.

        Raises:
            UpstreamError: the upstream gives no whole answer.
        """
        async with self._approvals.during(call.turn, call.agent, call.upstream, call.config, call.outbox) as approvals:
            call.buffer.approvals = approvals.ops
            approvals.on_allowed = lambda call_id: call.buffer.activity.allow(call_id, time.monotonic())
            try:
                with self._growth.writing(call.turn.id, lambda: call.buffer.text):
                    await self._read(call, streamer, approvals)
            except AnswerEmpty:
                if not call.outbox.acts:
                    raise
                # The agent has reacted or sent a file with a tool of the bridge, and has nothing to add.
                call.buffer.feed(End("stop"), time.monotonic())
        if not call.buffer.finish_reason:
            # An upstream that breaks its contract: without this, a question could count as answered by nothing.
            raise AnswerInterrupted(Text("upstream_cut", upstream=call.config.name))
        text = call.buffer.text
        truncated = call.buffer.finish_reason == "length"
        files: tuple[AnswerFile, ...] = ()
        notes: tuple[str, ...] = ()
        if call.buffer.files:
            own = URL(call.config.url)
            files, notes = await self._uploads.upload_all(
                call.buffer.files, call.turn.room_id, own=own, as_user=call.user_id, title=call.agent.name
            )
        return Attempt(
            text=text,
            remark=f"*({self._texts.truncated})*" if truncated else "",
            question=call.question.kept,
            caught_up=call.question.caught_up,
            activity=call.buffer.whole_activity(time.monotonic()),
            files=files,
            rest=await self._rest(text, call),
            notes=(*call.question.notes, *notes),
            run=call.buffer.run,
        )

    async def _read(self, call: _Call, streamer: AnswerStreamer, approvals: OpenApprovals) -> None:
        left = limit = call.config.max_answer_chars
        try:
            async with (
                asyncio.timeout(call.config.turn_timeout) as clock,
                aclosing(call.upstream.answer(call.request)) as deltas,
            ):
                async for delta in deltas:
                    if isinstance(delta, ApprovalAsked):
                        # The time of people does not count.
                        clock.reschedule(None)
                        call.buffer.activity.hold(delta.request.call.call_id, time.monotonic())
                        streamer.changed()
                        approvals.ask(delta.request)
                        continue
                    if isinstance(delta, ApprovalClosed):
                        approvals.close(delta.ref)
                    if clock.when() is None and not approvals.waits:
                        clock.reschedule(asyncio.get_running_loop().time() + call.config.turn_timeout)
                    if isinstance(delta, TextDelta):
                        call.buffer.feed(TextDelta(delta.text[:left]), time.monotonic())
                        left -= len(delta.text)
                    else:
                        call.buffer.feed(delta, time.monotonic())
                    if isinstance(delta, TextWithdrawn):
                        left = limit
                    if isinstance(delta, RunStarted):
                        await self._record_run(call, delta.ref)
                    streamer.changed()
                    self._growth.grew(call.turn.id)
                    if left < 0:
                        raise AnswerTooLong(Text("too_long", limit=limit))
        except TimeoutError:
            raise AnswerTooLong(Text("too_slow", seconds=call.config.turn_timeout)) from None

    def _entry(self, call: _Call) -> UsageEntry:
        """Return the tokens of *call*."""
        buffer, traits = call.buffer, call.upstream.traits
        return self._recorder.of_answer(call.turn, call.agent, call.request, buffer.usage, buffer.text, traits)

    async def _record_run(self, call: _Call, ref: str) -> None:
        """Store the reference of the run if the upstream can return to it after a crash.

        Otherwise the commit of the answer stores it, and the first words wait for no statement.
        """
        if call.upstream.can.resume is None and call.upstream.can.cancel is None:
            return
        try:
            await self._turns.started(call.turn, ref)
        except StoreError as error:
            # The answer goes on: the database may be back before it has to be committed.
            _log.warning("the reference of the run was not stored", run=ref, error=str(error))

    async def _unfinished(self, call: _Call, ended_by: Failure | StopReason) -> Attempt:
        """Return the attempt with as much of the answer as had arrived; its files are left out."""
        buffer = call.buffer
        return Attempt(
            ended_by=ended_by,
            text=buffer.text,
            question=call.question.kept,
            caught_up=call.question.caught_up,
            activity=buffer.whole_activity(time.monotonic()),
            rest=await self._rest(buffer.text, call),
            run=buffer.run,
            is_begun=buffer.is_begun or bool(call.outbox.acts),
            collects=not call.outbox.has_answer,
        )

    async def _rest(self, text: str, call: _Call) -> AnswerFile | None:
        rest = await rendered(len(text), beyond, text, self._max_parts)
        return await self._uploads.upload_rest(call.turn.room_id, rest, as_user=call.user_id) if rest else None


def _title(turn: Turn, agent: Agent) -> str:
    """Return the title of a conversation that begins with *turn*."""
    return shorten(one_line(turn.body), _MAX_TITLE) or agent.name


def _may_be_too_long(result: Attempt | Failure | StopReason) -> bool:
    return isinstance(result, Failure) and result.error is not None and result.error.perhaps_too_long
