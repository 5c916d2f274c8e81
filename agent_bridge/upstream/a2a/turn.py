"""One question to an agent, and the events of its answer: a task that is followed to its end, or a message."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from agent_bridge.core.errors import AnswerEmpty, AnswerInterrupted, QuestionRefused, UpstreamError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.a2a.exchange import LOOK, PASSING, Exchange
from agent_bridge.upstream.a2a.memory import Memory, Seen, Step
from agent_bridge.upstream.a2a.records import State
from agent_bridge.upstream.a2a.requests import Address, Method, message_id
from agent_bridge.upstream.a2a.rpc import BAD_PARAMETERS, NO_METHOD, TASK_NOT_FOUND, UNSUPPORTED, RpcRefused
from agent_bridge.upstream.answer import End

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent_bridge.upstream.a2a.memory import LaneMemory
    from agent_bridge.upstream.a2a.replies import Replies
    from agent_bridge.upstream.a2a.rpc import Rpc
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest

#: Seconds for the command that ends a task.
_CANCEL = 5.0
#: Times that the task of a question whose connection was lost is looked for.
_TRIES = 6
#: Times that a question is sent in another form, because the server refuses the one before.
_FORMS = 4


class Turn:
    """The question *request* to the agent of *rpc*, in the lane of *memory*. *replies* are the newest ones of all."""

    def __init__(self, rpc: Rpc, memory: LaneMemory, request: AnswerRequest, replies: Replies) -> None:
        self._rpc = rpc
        self._memory = memory
        self._request = request
        self._replies = replies
        self._exchange = Exchange(rpc, memory, request.idempotency_key, replies)

    async def events(self) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the answer. Closing the generator ends the task.

        Raises:
            UpstreamError: the answer is not complete.
            StoreError: the database cannot be used.
        """
        try:
            async with aclosing(self._answer()) as events:
                async for each in events:
                    yield each
        finally:
            if self._exchange.is_active:
                await self._cancel()

    async def resume(self, task_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the task *task_id* from its beginning, without a message to the agent.

        Raises:
            UpstreamError: the task is unknown, or the answer is not complete.
        """
        async with aclosing(self._exchange.follow(task_id)) as events:
            async for each in events:
                yield each
        async with aclosing(self._end()) as events:
            async for each in events:
                yield each

    async def _answer(self) -> AsyncGenerator[AnswerEvent, None]:
        memory, key = await self._memory.read(), self._request.idempotency_key
        is_repeat = self._request.attempt > 1 and memory.key == key
        reply = self._replies.find(key) if is_repeat else None
        if reply is not None:
            async for each in self._exchange.take_reply(reply):
                yield each
        else:
            async with aclosing(self._again(memory) if is_repeat else self._ask(0)) as events:
                async for each in events:
                    yield each
        async with aclosing(self._end()) as events:
            async for each in events:
                yield each

    async def _again(self, memory: Memory) -> AsyncGenerator[AnswerEvent, None]:
        """Read the task of an earlier attempt; send the question if it did not arrive, or if the bridge ended it."""
        exchange, repeats = self._exchange, memory.repeats
        earlier = await exchange.tasks.earlier(memory, message_id(self._request, repeats))
        if earlier:
            async with aclosing(exchange.follow(earlier)) as events:
                async for each in events:
                    yield each
            if exchange.status.state is not State.CANCELED:
                return
            for each in exchange.begin_again():
                yield each
            repeats += 1
        async with aclosing(self._ask(repeats)) as events:
            async for each in events:
                yield each

    async def _ask(self, repeats: int) -> AsyncGenerator[AnswerEvent, None]:
        """Send the question, and read the answer."""
        memory = self._memory.now
        task_id = await self._exchange.tasks.asking(memory)
        address = Address(memory.context_id, task_id)
        for _ in range(_FORMS):
            before = memory.after if address.task_id and memory.step is Step.ASKS else Seen()
            key, sent = self._request.idempotency_key, Step.SENT
            await self._memory.write(Memory(memory.context_id, key, sent, address.task_id, repeats, before))
            try:
                said = message_id(self._request, repeats)
                params = self._rpc.card.dialect.send(self._request.messages[-1], said, address)
                async with aclosing(self._exchange.send(params)) as events:
                    async for each in events:
                        yield each
                break
            except RpcRefused as refused:
                await self._forget(memory)
                other = self._other_form(address, refused.code)
                if other is None:
                    raise refused.error from None
                address = other
            except UpstreamError as error:
                if self._exchange.task_id:
                    raise
                if not _may_have_arrived(error):
                    await self._forget(memory)
                    raise
                if not (found := await self._search(error)):
                    raise
                yield await self._exchange.adopt(found)
                break
        async with aclosing(self._exchange.watch()) as events:
            async for each in events:
                yield each

    async def _search(self, error: UpstreamError) -> str:
        """Return the task of a question whose request failed with *error*; empty if the server shows none."""
        memory = self._memory.now
        for tried in range(_TRIES):
            await asyncio.sleep(LOOK.delay(tried))
            with suppress(UpstreamError):
                return await self._exchange.tasks.search(memory.context_id, message_id(self._request, memory.repeats))
            if error.status is not None:
                break
        return ""

    def _other_form(self, address: Address, code: int) -> Address | None:
        """Return the address for a question that the server refused with *code*; None: there is no other form."""
        if address.task_id and code in (TASK_NOT_FOUND, UNSUPPORTED, BAD_PARAMETERS):
            return Address(address.context_id, "", address.task_id)
        if self._exchange.streams and code in (UNSUPPORTED, NO_METHOD):
            self._exchange.streams = False
            return address
        if address.earlier_task and code in (TASK_NOT_FOUND, BAD_PARAMETERS):
            return Address(address.context_id)
        if address.context_id and code in (TASK_NOT_FOUND, BAD_PARAMETERS):
            # The server has lost the context.
            return Address()
        return None

    async def _end(self) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the end of a complete answer."""
        exchange = self._exchange
        exchange.is_active = False
        state, upstream = exchange.status.state, self._rpc.upstream
        detail = self._rpc.redacted("\n".join(each.text for each in exchange.status.parts if each.text))
        match state:
            case State.FAILED:
                raise AnswerInterrupted(Text("answer_error", upstream=upstream), detail=detail)
            case State.REJECTED:
                raise QuestionRefused(Text("question_flagged", upstream=upstream), detail=detail)
            case State.CANCELED:
                raise AnswerInterrupted(Text("answer_aborted", upstream=upstream), detail=detail)
            case State.ASKS:
                after = Seen(exchange.status.stamp, (*self._memory.now.before.artifacts, *exchange.told.artifact_ids))
                await self._memory.change(step=Step.ASKS, after=after)
                if not exchange.told.has_content:
                    raise AnswerEmpty(Text("a2a_asks_silently", upstream=upstream))
            case State.COMPLETED if not exchange.told.has_content:
                # The words may be in the history alone.
                with suppress(UpstreamError):
                    task = await exchange.tasks.get(exchange.task_id)
                    for each in exchange.told.end(task.last_words):
                        yield each
        if not exchange.told.has_content:
            raise AnswerEmpty(Text("empty_work" if exchange.told.changes else "empty", upstream=upstream))
        yield End("stop")

    async def _forget(self, memory: Memory) -> None:
        """Remember that the server has not got the question."""
        self._exchange.is_active = False
        await self._memory.write(memory)

    async def _cancel(self) -> None:
        self._exchange.is_active = False
        with suppress(UpstreamError, RpcRefused, TimeoutError):
            async with asyncio.timeout(_CANCEL):
                memory = self._memory.now
                said = message_id(self._request, memory.repeats)
                task_id = self._exchange.task_id or await self._exchange.tasks.search(memory.context_id, said)
                if task_id:
                    await self._rpc.call(Method.CANCEL, {"id": task_id})


def _may_have_arrived(error: UpstreamError) -> bool:
    """Tell whether the agent may have got the question that failed with *error*."""
    return isinstance(error, PASSING) and not error.retryable and not error.not_begun
