"""One question to an agent, and the events of its answer: a run, and one more after each request for approval."""

from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import AnswerEmpty, AnswerInterrupted, UpstreamBusy, UpstreamError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import ApprovalAsked, ApprovalClosed, End, RunStarted
from agent_bridge.upstream.capabilities import Decision
from agent_bridge.upstream.letta_v1.approvals import find_pending, requests_of
from agent_bridge.upstream.letta_v1.exchange import Exchange, PendingFound
from agent_bridge.upstream.letta_v1.lane import RunRef
from agent_bridge.upstream.letta_v1.run import CANCELLED, LIMITS, Run
from agent_bridge.upstream.letta_v1.told import Told
from agent_bridge.upstream.transport.letta_past import otid_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.letta_v1.approvals import Pending
    from agent_bridge.upstream.letta_v1.lane import Lane
    from agent_bridge.upstream.transport.decisions import OpenDecisions

#: Seconds for the command that ends a run; the words for the agent whose tool call is refused by it.
_CANCEL, _STOPPED = 5.0, "the answer was stopped"
#: Times that one question is sent, or looked for.
_TRIES = 8
#: Seconds after which a conversation with an unknown obstacle is tried again.
_PAUSE = 1.0


class Turn:
    """The question *request*, in the conversation of *lane*."""

    def __init__(self, lane: Lane, approvals: OpenDecisions, request: AnswerRequest) -> None:
        self._lane = lane
        self._approvals = approvals
        self._request = request
        self._told = Told()
        self._exchange: Exchange | None = None
        #: The last run that has ended.
        self._run = Run(self._told.reader)
        #: The ids of the calls that may have run.
        self._acted: set[str] = set()
        #: The ids of the calls that were allowed in this attempt.
        self._allowed: set[str] = set()
        #: The text that belongs to an earlier turn.
        self._earlier = ""

    async def events(self, *, resume: str = "") -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the answer; *resume* is the id of its run, if it began. Closing the generator ends it.

        Raises:
            ConversationMissing: the question did not arrive. There was no event.
            UpstreamError: the answer is not complete.
        """
        lane, key = self._lane, self._request.idempotency_key
        try:
            async with aclosing(self._resume(resume) if resume else self._answer()) as events:
                async for each in events:
                    if isinstance(each, RunStarted):
                        yield RunStarted(str(RunRef(lane.conversation_id, each.ref, key, lane.model)))
                    else:
                        yield each
        finally:
            if self._exchange is not None and self._exchange.is_active:
                await self._cancel()

    async def _answer(self) -> AsyncGenerator[AnswerEvent, None]:
        number = 0
        for _ in range(_TRIES):
            otid = self._otid(f"#{number}" if number else "")
            said = _said(self._request.messages[-1], otid)
            exchange = Exchange(self._lane, self._told, otid, said, may_be_there=self._request.attempt > 1)
            async with aclosing(self._try(exchange)) as events:
                async for each in events:
                    yield each
            if exchange.run.ended and not exchange.run.was_refused:
                if self._run.is_whole:
                    yield self._end()
                    return
                if not exchange.was_there or self._has_acted:
                    raise self._failure()
                # An earlier attempt failed before the agent did anything.
                for each in self._told.begin_again(self._earlier):
                    yield each
            # The server keeps a failure under the old id.
            number += exchange.run.ended
        busy = UpstreamBusy(Text("letta_not_accepted", upstream=self._lane.rest.errors.upstream))
        busy.not_begun = True
        raise busy

    async def _resume(self, run_id: str) -> AsyncGenerator[AnswerEvent, None]:
        exchange = Exchange(self._lane, self._told, "", {}, run_id=run_id)
        async with aclosing(self._read(exchange)) as events:
            async for each in events:
                yield each
        async with aclosing(self._approve_all(exchange.run.pending, is_old=True)) as events:
            async for each in events:
                yield each
        if not self._run.is_whole:
            raise self._failure()
        yield self._end()

    async def _try(self, exchange: Exchange) -> AsyncGenerator[AnswerEvent, None]:
        """Ask the question; let people decide about its calls or, if it has to wait, about those of earlier turns."""
        wanted = ""
        try:
            async with aclosing(self._read(exchange)) as events:
                async for each in events:
                    yield each
        except PendingFound as found:
            wanted = found.message_id
        is_asked = exchange.run.ended and not exchange.run.was_refused
        if is_asked:
            decided = self._approve_all(exchange.run.pending, is_old=exchange.was_there)
        else:
            decided = self._settle(wanted)
        async with aclosing(decided) as events:
            async for each in events:
                yield each

    @property
    def _has_acted(self) -> bool:
        """Whether a tool may have run; calls of earlier attempts that no person approved have not."""
        return bool((self._acted | self._told.results) - (self._request.never_ran - self._allowed))

    async def _read(self, exchange: Exchange, *, send: bool = True) -> AsyncGenerator[AnswerEvent, None]:
        self._exchange = exchange
        async with aclosing(exchange.events(send=send)) as events:
            async for each in events:
                yield each
        self._run = exchange.run
        self._acted |= exchange.run.called

    async def _approve_all(self, pending: Pending | None, *, is_old: bool) -> AsyncGenerator[AnswerEvent, None]:
        """Let people decide about *pending*, and about the calls of the runs after it.

        *is_old* tells whether an earlier attempt may have sent the decisions.
        """
        while pending is not None:
            is_decided = is_old and not await self._lane.still_waits(pending)
            otid = self._otid(f":{pending.message_id}")
            if is_decided:
                # An earlier attempt sent the decisions: a second message would be a new instruction.
                exchange = Exchange(self._lane, self._told, otid, {}, answers=pending)
                reading = self._read(exchange, send=False)
            else:
                decisions: list[Decision] = []
                async with aclosing(self._ask(pending, decisions)) as events:
                    async for each in events:
                        yield each
                body = pending.message(otid, decisions)
                allowed = {call.call_id for call, said in zip(pending.calls, decisions, strict=True) if said.allow}
                self._acted |= allowed
                self._allowed |= allowed
                exchange = Exchange(self._lane, self._told, otid, body, answers=pending)
                reading = self._read(exchange)
            try:
                async with aclosing(reading) as events:
                    async for each in events:
                        yield each
            except (PendingFound, UpstreamRefused) as error:
                detail = error.detail if isinstance(error, UpstreamRefused) else None
                raise self._closed(detail) from None
            pending, is_old = exchange.run.pending, exchange.was_there

    async def _ask(self, pending: Pending, decisions: list[Decision]) -> AsyncGenerator[AnswerEvent, None]:
        """Ask people about *pending*, and add their decisions to *decisions*, in the order of the calls.

        The calls of an answer that people have ended are refused.
        """
        for each in self._told.pass_on([call for call in pending.calls if not self._told.knows(call.call_id)]):
            yield each
        requests = requests_of(self._lane.conversation_id, pending)
        if all(each.ref in self._request.withdrawn for each in requests):
            decisions += [Decision(allow=False, reason=_STOPPED)] * len(requests)
            return
        with self._approvals.ask(requests) as waiting:
            for request in requests:
                yield ApprovalAsked(request)
            is_open = True
            while is_open and not all(each.done() for each in waiting):
                await asyncio.wait(waiting, timeout=self._lane.look)
                if not all(each.done() for each in waiting):
                    with suppress(UpstreamError):
                        is_open = await self._lane.still_waits(pending)
            for request in requests:
                yield ApprovalClosed(request.ref)
            if not is_open:
                raise self._closed(None)
            decisions += [each.result() for each in waiting]

    async def _settle(self, message_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Let people decide about the undecided request *message_id* of an earlier turn; empty: about any."""
        found = await find_pending(self._lane.rest, self._lane.model, self._lane.conversation_id)
        chosen = [each for each in found if each.message_id == message_id] or found[-1:]
        if not chosen:
            await asyncio.sleep(_PAUSE)
            return
        async with aclosing(self._approve_all(chosen[0], is_old=False)) as events:
            async for each in events:
                yield each
        self._earlier = self._told.text
        self._acted.clear()

    def _end(self) -> End:
        """Return the end of a complete answer.

        Raises:
            AnswerEmpty: it has no text.
        """
        is_limited = self._run.stop_reason in LIMITS
        if not self._told.text.removeprefix(self._earlier).strip():
            upstream = self._lane.rest.errors.upstream
            raise AnswerEmpty(Text("empty_length" if is_limited else "empty_work", upstream=upstream))
        return End("length" if is_limited else "stop")

    def _failure(self) -> UpstreamError:
        run, errors = self._run, self._lane.rest.errors
        if run.stop_reason == CANCELLED:
            return AnswerInterrupted(Text("answer_aborted", upstream=errors.upstream))
        return errors.from_answer(run.report, begun=self._told.has_text or self._has_acted)

    def _closed(self, detail: str | None) -> AnswerInterrupted:
        return AnswerInterrupted(
            Text("letta_decided_elsewhere", upstream=self._lane.rest.errors.upstream), detail=detail
        )

    def _otid(self, part: str) -> str:
        return otid_of(self._request.idempotency_key + part)

    async def _cancel(self) -> None:
        """End the run on the server, so that the conversation accepts the next message."""
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(_CANCEL):
                await self._lane.cancel()


def _said(message: ChatMessage, otid: str) -> dict[str, Any]:
    """Return *message* as the server takes it."""
    said: dict[str, Any] = {"role": "user", "content": message.content, "otid": otid}
    if message.images:
        parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
        for image in message.images:
            data = base64.b64encode(image.data).decode()
            source = {"type": "base64", "media_type": image.content_type, "data": data}
            parts.append({"type": "image", "source": source})
        said["content"] = parts
    return said
