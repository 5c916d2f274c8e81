"""The handler of messages to agents: question, answer, commit, publication."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.answering.outcome import Announced, Attempt, Failure, committed_outcome, outcome_of, quota_news
from agent_bridge.bridge.answering.uncommitted import Uncommitted
from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.bridge.rooms.kinds import is_of_several_kind
from agent_bridge.core.answers import Op, Part
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import AgentGone, AnswerAwaited, HomeserverError, HomeserverRefused
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.core.turns import StopReason, TurnState
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.answering.batching import Batching
    from agent_bridge.bridge.answering.generation import Generation
    from agent_bridge.bridge.answering.outcome import Outcome
    from agent_bridge.bridge.answering.speech import Speaker
    from agent_bridge.bridge.answering.undeliverable import Undeliverable
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.bridge.delivery.outboxes import Outboxes
    from agent_bridge.bridge.delivery.receipts import Receipts
    from agent_bridge.bridge.delivery.status_reactions import StatusReactions
    from agent_bridge.bridge.delivery.stop_offers import StopOffer, StopOffers
    from agent_bridge.bridge.groups.hand_on import HandOn
    from agent_bridge.bridge.metering.recorder import UsageRecorder
    from agent_bridge.config.conversations import AnswersConfig, LanesConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.observer import Observer
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.client_agents import ClientAgents
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

_FORBIDDEN = 403
_RETRY = Backoff(first=1, cap=15)
#: Seconds after which the room is told that a message waits for the upstream.
_TELL_AFTER = 5.0
#: The longest ``Retry-After`` of an upstream that is respected, in seconds: the room is told of a failure by then.
_LONGEST_WAIT = 900.0
#: Seconds for which the same failure is announced briefly in a room.
_ANNOUNCED = 60.0
#: Seconds after which an answer in a room of several mentions the people who asked.
_LONG = 60.0
#: Seconds between two attempts in a room whose successor the ghost cannot enter.
_MOVING = 60.0


class MessageHandler:
    """Handles the turns of kind *message*."""

    def __init__(
        self,
        outboxes: Outboxes,
        turns: Turns,
        chats: Chats,
        batching: Batching,
        generation: Generation,
        receipts: Receipts,
        status_reactions: StatusReactions,
        stop_offers: StopOffers,
        undeliverable: Undeliverable,
        hand_on: HandOn,
        recorder: UsageRecorder,
        clients: ClientAgents,
        speaker: Speaker,
        lanes: LanesConfig,
        answers: AnswersConfig,
        observer: Observer,
        texts: Texts,
    ) -> None:
        self._observer = observer
        self._outboxes = outboxes
        self._turns = turns
        self._chats = chats
        self._clients = clients
        self._speaker = speaker
        self._batching = batching
        self._generation = generation
        self._receipts = receipts
        self._status_reactions = status_reactions
        self._stop_offers = stop_offers
        self._undeliverable = undeliverable
        self._hand_on = hand_on
        self._recorder = recorder
        self._lanes = lanes
        self._max_parts = answers.max_parts
        self._redact_answers = answers.redact_answers
        self._texts = texts
        self._uncommitted = Uncommitted()

    async def handle(self, turn: Turn) -> bool:
        """Have the agent answer *turn*, commit the outcome, show it, close the turn; or queue the turn again.

        Return True if the turn was the last open one of its lane.

        Raises:
            HomeserverError: the outcome could not be shown. A committed outcome stays committed. Where the ghost is not
                permitted to speak, the bridge bot tells the room so in its place.
        """
        started = time.monotonic()
        if turn.obstacle is not None:
            # An agent may act on a question: it is not asked for an answer that the room cannot show.
            moves = turn.obstacle is RoomProblem.SUCCESSOR_CLOSED and turn.stop is None
            if moves and not self._batching.is_too_old(turn):
                # The turn moves to the new room as soon as the ghost is invited there.
                await self._turns.put_back(turn, delay=_MOVING, failed=False, why=self._texts.silenced[turn.obstacle])
                return False
            return await self._undeliverable.close(turn, turn.obstacle)
        agent, outbox = self._outboxes.open(turn)
        _log.info("turn claimed", agent=agent.name, sender=turn.sender, room=turn.room_id, attempt=turn.attempts)
        await outbox.recover()
        if turn.state is TurnState.COMMITTED and turn.answer is None:
            # It ended without an answer, and a paused worker may have shown a growing one after that.
            await self._stop_offers.withdraw(turn, outbox.user_id)
            return await outbox.settle(committed_outcome(turn).state)
        kept = None if turn.state is TurnState.COMMITTED else self._uncommitted.find(turn)
        turn, newest = (turn, turn.event_id) if kept else await self._batching.collect(turn)
        async with (
            self._receipts.working(turn.room_id, newest, outbox.user_id) as working,
            self._stop_offers.offered(turn, outbox.user_id) as offer,
        ):
            turn, outcome = (turn, kept) if kept else await self._outcome(turn, agent, outbox, started)
            working.stop_typing()
            try:
                return outcome is not None and await self._deliver(turn, agent, outbox, outcome, started, offer)
            except HomeserverRefused as error:
                if error.status != _FORBIDDEN or turn.state is not TurnState.COMMITTED:
                    # The first refusal has the room compared, which may repair it.
                    raise
                await self.give_up(turn, error.says(self._texts))
                return False

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Tell the room that *turn* ends because of *cause*, and close it as failed."""
        agent, outbox = self._outboxes.open(turn)
        await self._stop_offers.withdraw(turn, outbox.user_id)
        await self._status_reactions.show(turn, TurnState.FAILED, outbox.user_id)
        try:
            await outbox.give_up(Failure(cause).notice(self._texts, midway=False).summary, cause)
        except HomeserverRefused as error:
            if error.status != _FORBIDDEN:
                raise
            _log.warning("a ghost may not speak", room=turn.room_id, user=outbox.user_id, error=str(error))
            told = self._texts.ghost_is_mute.format(agent=escape(agent.name), admin=self._texts.who_can_help)
            await self._outboxes.tell_as_bot(turn, told)
            await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _deliver(
        self, turn: Turn, agent: Agent, outbox: Outbox, outcome: Outcome, started: float, offer: StopOffer
    ) -> bool:
        """Commit *outcome*, show it, close *turn*; return True if the turn was the last open one of its lane.

        A whole answer asks the agents that it mentions, before the turn is closed.
        """
        is_whole = outcome.state is TurnState.DONE
        if turn.state is not TurnState.COMMITTED:
            if outcome.stopped is None:
                self._uncommitted.keep(turn, outcome)
            if is_whole:
                outcome = outcome.mentioning(await self._hand_on.mentioned(turn, outcome.text))
                outcome = self._speaker.prepared(turn, agent, outcome)
            outcome = outcome.mentioning(await self._requesters(turn, outcome, started))
        ops = await rendered(len(outcome.text), outcome.ops, self._texts, self._max_parts)
        if turn.state is not TurnState.COMMITTED:
            redacted = await self._turns.commit(
                turn,
                outcome.text,
                error=outcome.error,
                parts=[op.part for op in ops],
                extras=outcome.extras,
                stopped=outcome.stopped,
                transcript=outcome.transcript,
                caught_up=outcome.heard,
                run=outcome.run,
                used=outcome.used,
                quota_until=outcome.quota_until,
            )
            self._uncommitted.forget(turn)
            if redacted is not None:
                if await self._ask_the_rest(turn, outbox, redacted):
                    return False
                outcome = outcome_of(Attempt(ended_by=redacted), self._texts)
                return await self._deliver(turn, agent, outbox, outcome, started, offer)
        # Only now: without the homeserver this step fails, and the agent is not asked again for a committed answer.
        await offer.withdraw()
        await self._status_reactions.show(turn, outcome.state, outbox.user_id)
        if turn.in_chat and outcome.error is None:
            await self._chats.used(turn.room_id, turn.id)
        then = self._hand_on.step(turn, outcome.extras.mentions) if is_whole else None
        speak = None if outcome.extras.speech is None else partial(self._speaker.speak, turn, agent, outbox, outcome)
        is_last = await outbox.publish(ops, outcome.state, then=then, speak=speak)
        if is_whole:
            self._tell_times(turn, agent, outbox, started)
        seconds = round(time.monotonic() - started, 3)
        tokens = {} if outcome.usage is None else asdict(outcome.usage)
        if outcome.error is None:
            _log.info(
                "answer sent", agent=agent.name, room=turn.room_id, seconds=seconds, stopped=outcome.stopped, **tokens
            )
        else:
            _log.warning("answer failed", agent=agent.name, room=turn.room_id, error=outcome.error, **tokens)
        return is_last

    def _tell_times(self, turn: Turn, agent: Agent, outbox: Outbox, started: float) -> None:
        """Tell the observer the times of the whole answer to *turn*, which was *started* then, since the message."""
        first = outbox.first_words_at
        self._observer.answered(
            agent.upstream,
            whole=turn.age + time.monotonic() - started,
            first_words=None if first is None else turn.age + first - started,
        )

    async def _requesters(self, turn: Turn, outcome: Outcome, started: float) -> Sequence[str]:
        """Return the people whom the answer mentions: those who asked among others, and had to wait for it long."""
        waited = turn.age + time.monotonic() - started
        is_awaited = is_of_several_kind(turn.room_kind) and outcome.stopped is None
        return await self._turns.senders(turn.id) if is_awaited and waited > _LONG else ()

    async def _outcome(self, turn: Turn, agent: Agent, outbox: Outbox, started: float) -> tuple[Turn, Outcome | None]:
        """Return *turn*, which was *started* then, with all its messages, and its outcome; None: it is queued again."""
        if turn.state is TurnState.COMMITTED:
            return turn, await self._committed(turn, outbox)
        turn, attempt = await self._attempt(turn, agent, outbox)
        return turn, None if attempt is None else await self._end(turn, attempt, agent, outbox, started)

    async def _committed(self, turn: Turn, outbox: Outbox) -> Outcome | None:
        """Return the committed outcome of *turn*; None if the turn is queued again."""
        if turn.stop is not None and await self._ask_the_rest(turn, outbox, turn.stop):
            return None
        # The answer may have been withdrawn since the turn was claimed.
        stop = (await self._turns.stops([turn.id])).get(turn.id)
        # A committed answer is not stopped any more: only its voice is.
        return committed_outcome(replace(turn, stop=turn.stop if stop is StopReason.STOPPED else stop))

    async def _end(self, turn: Turn, attempt: Attempt, agent: Agent, outbox: Outbox, started: float) -> Outcome | None:
        """Return the outcome of *attempt*; None if the turn is queued again."""
        announced = Announced.NEVER
        if isinstance(failure := attempt.ended_by, Failure) and (failure.error is not None or failure.once):
            if await self._put_back(turn, attempt, failure, agent, outbox, started):
                return None
            announced = Announced.NEVER if attempt.text else await self._announced(turn, failure)
        if attempt.ended_by is StopReason.REDACTED:
            await self._recorder.record(attempt.used)
        if isinstance(attempt.ended_by, StopReason) and await self._ask_the_rest(turn, outbox, attempt.ended_by):
            return None
        return replace(outcome_of(attempt, self._texts, announced=announced), used=attempt.used)

    async def _announced(self, turn: Turn, failure: Failure) -> Announced:
        """Tell how long ago the room, or the sender, was told of *failure*."""
        if failure.once:
            news = quota_news(turn, "" if turn.agent is None else turn.agent.name, failure.line)
            return Announced.NEVER if await self._turns.claim_once(turn, failure.once, news) else Announced.TODAY
        if isinstance(failure.error, AgentGone) and turn.agent is not None:
            # Each message of a person would get the same reason, for good.
            what = f"gone:{turn.room_id}:{turn.agent.id}:{turn.sender}"
            return Announced.NEVER if await self._turns.claim_day(turn, what) else Announced.TODAY
        was_told = await self._turns.was_announced(turn, failure.cause, _ANNOUNCED)
        return Announced.JUST_NOW if was_told else Announced.NEVER

    async def _ask_the_rest(self, turn: Turn, outbox: Outbox, ended_by: StopReason) -> bool:
        """Queue *turn* again if one of several messages, or an edit, was redacted; tell whether it is queued.

        The next answer to several messages replaces what is shown. An answer to a redacted edit is redacted.
        """
        if ended_by is not StopReason.REDACTED:
            return False
        taken_back = await outbox.withdraw() if self._redact_answers and not turn.collected else []
        return await self._turns.ask_the_rest(turn, taken_back=taken_back)

    async def _attempt(self, turn: Turn, agent: Agent, outbox: Outbox) -> tuple[Turn, Attempt | None]:
        """Ask the agent *turn*, with the messages that interrupt it before the agent begins; None: queued again."""
        while True:
            if self._batching.is_too_old(turn):
                return turn, Attempt(ended_by=Failure(self._too_old(turn)))
            attempt = await self._generation.run(turn, agent, outbox)
            if attempt.ended_by is not StopReason.INTERRUPTED or attempt.is_begun:
                return turn, attempt
            await self._recorder.record(attempt.used)
            resumed = await self._batching.resume(turn, collects=attempt.collects)
            if resumed is None:
                stops = await self._turns.stops([turn.id])
                return turn, replace(attempt, ended_by=stops.get(turn.id, attempt.ended_by))
            if turn.stop is None and resumed.questions == turn.questions:
                # The message that interrupted it was redacted, or gets an answer of its own. The upstream may have
                # received the request: as after a failure, only the next attempt repeats it.
                why = self._texts.interruption_ends
                await self._turns.put_back(resumed, delay=0, failed=False, why=why)
                return resumed, None
            turn = resumed

    async def _put_back(
        self, turn: Turn, attempt: Attempt, failure: Failure, agent: Agent, outbox: Outbox, started: float
    ) -> bool:
        """Queue *turn* again if another attempt may succeed; return whether it is queued.

        A wait for an upstream that is away is no failure, and its time is the time of the attempts and of the pauses
        between them: a bridge that does not run does not wait.
        """
        error = failure.error
        if isinstance(error, AnswerAwaited):
            await self._await_reply(turn, error)
            return True
        if error is None or not error.retryable:
            return False
        tries = 1 + turn.failures + (turn.upstream_waits if error.not_begun else 0)
        delay = max(_RETRY.delay(tries), min(error.retry_after or 0, _LONGEST_WAIT))
        waited = time.monotonic() - started + delay if error.not_begun else 0.0
        waited_in_all = turn.upstream_waited + waited
        may_wait = error.not_begun and waited_in_all <= self._lanes.upstream_wait
        if not may_wait and tries >= self._lanes.max_attempts:
            return False
        if may_wait and waited_in_all > _TELL_AFTER and turn.upstream_waits:
            cause = failure.told or failure.cause
            cause = cause[:1].upper() + cause[1:]
            text = self._texts.waits_for_upstream.format(cause=cause, agent=escape(agent.name))
            await self._tell(outbox, Op(Part.WAITING, text, notice=True))
        _log.warning("asking again", error=str(error), room=turn.room_id, seconds=delay)
        await self._recorder.record(attempt.used)
        await self._turns.put_back(
            turn, delay=delay, failed=not error.not_begun, waited=waited, why=error.says(self._texts)
        )
        return True

    async def _await_reply(self, turn: Turn, error: AnswerAwaited) -> None:
        """Let *turn* wait for the reply of an agent that connects itself. No worker is busy meanwhile."""
        await self._turns.put_back(turn, delay=error.retry_after or 0.0, failed=False, why=error.says(self._texts))
        await self._clients.resume(turn.id)

    async def _tell(self, outbox: Outbox, op: Op) -> None:
        """Show *op* once. The message waits in any case."""
        if op.part in outbox.event_ids:
            return
        try:
            await outbox.show(op)
        except HomeserverError as error:
            _log.info("the room was not told that a message waits", error=str(error))

    def _too_old(self, turn: Turn) -> str:
        return self._texts.too_old.format(
            messages=self._texts.count(1 + len(turn.collected), self._texts.message),
            age=self._texts.duration(turn.age),
        )
