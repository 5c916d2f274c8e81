"""Turns that end without a question to the agent: stopped ones, and those that cannot or may not be asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.answering.outcome import Attempt, Failure
from agent_bridge.core.errors import AgentGone, AnswerInterrupted, UpstreamError, UpstreamUnreachable
from agent_bridge.core.turns import StopReason
from agent_bridge.i18n.catalogue import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.bridge.answering.question import Questions
    from agent_bridge.bridge.answering.tool_approvals import ToolApprovals
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.bridge.metering.gate import Gate
    from agent_bridge.bridge.metering.recorder import UsageRecorder
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.upstream.base import Upstream

    #: Returns the largest length of the history of an agent that is asked as a model, in tokens.
    HistoryBudget = Callable[[Agent, str | None], int]

_log = structlog.stdlib.get_logger(__name__)

#: Seconds for the end of a run that an earlier attempt began.
_CANCEL = 10.0


class UnaskedTurns:
    """Ends the turns that are not asked. *upstreams* are given by name, each with its section of the configuration."""

    def __init__(
        self,
        questions: Questions,
        upstreams: Mapping[str, tuple[Upstream, UpstreamConfig]],
        budget: HistoryBudget,
        approvals: ToolApprovals,
        recorder: UsageRecorder,
        gate: Gate,
        texts: Texts,
    ) -> None:
        self._questions = questions
        self._upstreams = upstreams
        self._budget = budget
        self._approvals = approvals
        self._recorder = recorder
        self._gate = gate
        self._texts = texts

    async def end(self, turn: Turn, agent: Agent, outbox: Outbox) -> Attempt | None:
        """Return the end of *turn*; None: *agent* is to be asked.

        Raises:
            HomeserverUnavailable: a message that the question refers to cannot be fetched now.
            StoreError: the transcript or the quotas cannot be read.
        """
        if turn.stop is StopReason.INTERRUPTED:
            return await self._interrupted_earlier(turn, agent, outbox)
        attempt: Attempt | None = None
        if turn.stop is not None:
            await self._end_run(turn, agent)
            attempt = Attempt(ended_by=turn.stop)
        elif (absent := self._absence(agent)) is not None:
            attempt = Attempt(ended_by=Failure.of(absent, agent.name, self._texts))
        elif turn.begun_elsewhere:
            attempt = await self._begun_elsewhere(turn, agent, outbox)
        elif not _is_begun(turn, outbox) and (refusal := await self._gate.check(turn, agent)) is not None:
            # Where people see the beginning of the answer, they get the rest.
            attempt = Attempt(ended_by=Failure.of_quota(refusal, agent.name, self._texts))
        return None if attempt is None else await self._ended(turn, agent, attempt)

    async def _ended(self, turn: Turn, agent: Agent, attempt: Attempt) -> Attempt:
        """Record the requests of earlier attempts at *turn* whose processes were killed; return *attempt*."""
        configured = self._upstreams.get(agent.upstream)
        if configured is not None:
            await self._recorder.record_ended(turn, agent, configured[0].traits)
        return attempt

    async def _begun_elsewhere(self, turn: Turn, agent: Agent, outbox: Outbox) -> Attempt:
        """Return the end of an answer that began before the upstream got another kind, with its cards.

        The upstream knows nothing of the first attempt, and may let tools run without a decision.
        """
        upstream, config = self._upstreams[agent.upstream]
        async with self._approvals.during(turn, agent, upstream, config, outbox) as approvals:
            pass
        error = AnswerInterrupted(Text("begun_elsewhere", upstream=config.name))
        return Attempt(ended_by=Failure.of(error, agent.name, self._texts), activity=approvals.ops())

    async def _interrupted_earlier(self, turn: Turn, agent: Agent, outbox: Outbox) -> Attempt:
        """Return the end of an answer that a message interrupted, and whose process ended before it handled that.

        The text that people have not seen is lost. An upstream with a memory may have the question, so the messages
        behind it are not asked together with it.
        """
        configured = self._upstreams.get(agent.upstream)
        if configured is None or not _is_begun(turn, outbox):
            stateful = configured is not None and configured[0].traits.stateful
            return Attempt(ended_by=turn.stop, is_begun=False, collects=not (stateful or outbox.has_answer))
        upstream, config = configured
        await self._end_run(turn, agent)
        question = await self._questions.build(turn, agent, upstream, self._budget(agent, turn.chosen_model))
        async with self._approvals.during(turn, agent, upstream, config, outbox) as approvals:
            pass
        text = await self._questions.shown_text(turn, outbox.user_id, outbox.event_ids)
        attempt = Attempt(
            ended_by=turn.stop,
            text=text,
            question=question.kept,
            caught_up=question.caught_up,
            activity=approvals.ops(),
        )
        return await self._ended(turn, agent, attempt)

    def _absence(self, agent: Agent) -> UpstreamError | None:
        """Return why *agent* cannot be asked, None if it can."""
        configured = self._upstreams.get(agent.upstream)
        if configured is None or agent.state.is_at_rest:
            return AgentGone(Text("agent_gone", agent=agent.name))
        if agent.kind != configured[1].kind:
            # The leader looks for the agent in the list of the new kind. The message waits until it is found.
            return UpstreamUnreachable(Text("agent_unknown", agent=agent.name))
        return None

    async def _end_run(self, turn: Turn, agent: Agent) -> None:
        """End the run of an attempt whose process was killed: the agent may go on with it."""
        configured = self._upstreams.get(agent.upstream)
        cancel = None if configured is None else configured[0].can.cancel
        if turn.run is None or cancel is None or turn.begun_elsewhere:
            return
        try:
            async with asyncio.timeout(_CANCEL):
                await cancel(turn.run)
        except (UpstreamError, TimeoutError) as error:
            _log.warning("the run of a stopped answer may go on", run=turn.run, error=str(error))


def _is_begun(turn: Turn, outbox: Outbox) -> bool:
    """Tell whether an earlier attempt at *turn* has begun the answer that people wait for."""
    return turn.begun_as is not None or (outbox.has_answer and not turn.retries)
