"""One question to an agent, and the events of its answer: a task that is followed to its end, or a message."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import (
    AnswerEmpty,
    AnswerInterrupted,
    QuestionRefused,
    StoreError,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.a2a.memory import Memory, Seen, Step
from agent_bridge.upstream.a2a.records import ArtifactUpdate, Reply, State, Status, StatusUpdate, Task, read_update
from agent_bridge.upstream.a2a.references import TaskRef
from agent_bridge.upstream.a2a.requests import Address, Method
from agent_bridge.upstream.a2a.rpc import (
    BAD_PARAMETERS,
    NO_METHOD,
    TASK_NOT_FOUND,
    UNSUPPORTED,
    RpcRefused,
    StreamFailed,
)
from agent_bridge.upstream.a2a.tasks import Tasks
from agent_bridge.upstream.a2a.told import Told
from agent_bridge.upstream.answer import End, RunStarted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from agent_bridge.upstream.a2a.memory import LaneMemory
    from agent_bridge.upstream.a2a.rpc import Rpc
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest

#: Seconds for the command that ends a task.
_CANCEL = 5.0
#: Pauses between two looks at a task, and the looks in a row that may fail: about two minutes.
_LOOK, _LOSSES = Backoff(first=0.1, cap=5), 25
#: Times that the task of a question whose connection was lost is looked for.
_TRIES = 6
#: The longest pause that a server may ask for, in seconds.
_LONGEST = 60.0
#: Times that a question is sent in another form, because the server refuses the one before.
_FORMS = 4
#: Failures after which a task is looked at again.
_PASSING = (UpstreamUnreachable, UpstreamBusy, UpstreamFailed, AnswerInterrupted)


class Turn:
    """The question *request* to the agent of *rpc*, in the lane of *memory*."""

    def __init__(self, rpc: Rpc, memory: LaneMemory, request: AnswerRequest) -> None:
        self._rpc = rpc
        self._tasks = Tasks(rpc)
        self._memory = memory
        self._request = request
        self._streams = rpc.card.streams
        self._task_id = ""
        self._told = Told(rpc.upstream)
        self._status = Status(State.OPEN)
        self._is_reply = False
        #: Whether the server may be working on the question.
        self._is_active = False
        #: A failure that the server reported in a stream: the task may have ended with it.
        self._failure: UpstreamError | None = None

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
            if self._is_active:
                await self._cancel()

    async def resume(self, task_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the task *task_id* from its beginning, without a message to the agent.

        Raises:
            UpstreamError: the task is unknown, or the answer is not complete.
        """
        async with aclosing(self._follow(task_id)) as events:
            async for each in events:
                yield each
        async with aclosing(self._end()) as events:
            async for each in events:
                yield each

    async def _answer(self) -> AsyncGenerator[AnswerEvent, None]:
        memory = await self._memory.read()
        is_repeat = self._request.attempt > 1 and memory.key == self._request.idempotency_key
        repeats = memory.repeats if is_repeat else 0
        earlier = await self._tasks.earlier(memory, _message_id(self._request, repeats)) if is_repeat else ""
        if earlier:
            async with aclosing(self._follow(earlier)) as events:
                async for each in events:
                    yield each
        if earlier and self._status.state is State.CANCELED:
            # The bridge ended the task of an earlier attempt with its connection.
            for each in self._told.replace(()):
                yield each
            self._task_id, self._status, repeats = "", Status(State.OPEN), repeats + 1
            earlier = ""
        if not earlier:
            async with aclosing(self._ask(repeats)) as events:
                async for each in events:
                    yield each
        async with aclosing(self._end()) as events:
            async for each in events:
                yield each

    async def _ask(self, repeats: int) -> AsyncGenerator[AnswerEvent, None]:
        """Send the question, and read the answer."""
        memory = self._memory.now
        task_id = await self._tasks.asking(memory)
        address = Address(memory.context_id, task_id)
        for _ in range(_FORMS):
            before = memory.after if address.task_id and memory.step is Step.ASKS else Seen()
            key, sent = self._request.idempotency_key, Step.SENT
            await self._memory.write(Memory(memory.context_id, key, sent, address.task_id, repeats, before))
            try:
                async with aclosing(self._send(address, _message_id(self._request, repeats))) as events:
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
                if self._task_id:
                    raise
                if not _may_have_arrived(error):
                    await self._forget(memory)
                    raise
                if not (found := await self._search(error)):
                    raise
                self._task_id = found
                await self._note(found, "")
                yield self._started()
                break
        async with aclosing(self._watch()) as events:
            async for each in events:
                yield each

    async def _search(self, error: UpstreamError) -> str:
        """Return the task of a question whose request failed with *error*; empty if the server shows none."""
        memory = self._memory.now
        for tried in range(_TRIES):
            await asyncio.sleep(_LOOK.delay(tried))
            with suppress(UpstreamError):
                return await self._tasks.search(memory.context_id, _message_id(self._request, memory.repeats))
            if error.status is not None:
                break
        return ""

    def _other_form(self, address: Address, code: int) -> Address | None:
        """Return the address for a question that the server refused with *code*; None: there is no other form."""
        if address.task_id and code in (TASK_NOT_FOUND, UNSUPPORTED, BAD_PARAMETERS):
            return Address(address.context_id, "", address.task_id)
        if self._streams and code in (UNSUPPORTED, NO_METHOD):
            self._streams = False
            return address
        if address.earlier_task and code in (TASK_NOT_FOUND, BAD_PARAMETERS):
            return Address(address.context_id)
        if address.context_id and code in (TASK_NOT_FOUND, BAD_PARAMETERS):
            # The server has lost the context.
            return Address()
        return None

    async def _send(self, address: Address, message_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Send the question, and read the response as long as the connection lasts."""
        params = self._rpc.card.dialect.send(self._request.messages[-1], message_id, address)
        self._is_active = True
        if not self._streams:
            async for each in self._take(await self._rpc.call(Method.SEND, params)):
                yield each
            return
        async with aclosing(self._read(Method.STREAM, params)) as events:
            async for each in events:
                yield each
        if not self._task_id and not self._is_reply:
            raise AnswerInterrupted(Text("upstream_cut", upstream=self._rpc.upstream))

    async def _read(
        self, method: Method, params: Mapping[str, Any], *, first: type[object] = object
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Read a stream until the task rests, or the connection ends. A stream without a *first* event is left.

        Raises:
            RpcRefused, UpstreamError: before the first event only.
        """
        begun = bool(self._task_id) and method is Method.STREAM
        try:
            async with aclosing(self._rpc.stream(method, params)) as results:
                async for value in results:
                    if not begun and not isinstance(read_update(value), first):
                        self._streams = False
                        return
                    async for each in self._take(value):
                        yield each
                    begun = True
                    if self._rests:
                        return
        except StreamFailed as failed:
            self._failure = failed.error
        except (UpstreamProtocolError, *_PASSING) as error:
            if not self._task_id:
                raise
            # The task goes on without the stream.
            self._streams = self._streams and not isinstance(error, UpstreamProtocolError)

    @property
    def _rests(self) -> bool:
        """Whether the answer is complete, or has failed."""
        return self._is_reply or self._status.state is not State.OPEN

    async def _follow(self, task_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Read a task that is there already, from its beginning."""
        task = await self._tasks.get(task_id)
        self._is_active = self._memory.now.key != ""
        async for each in self._take_update(task):
            yield each
        async with aclosing(self._watch()) as events:
            async for each in events:
                yield each

    async def _watch(self) -> AsyncGenerator[AnswerEvent, None]:
        """Read the task until it rests: its stream, or its state again and again."""
        looks, losses, pause = 0, 0, 0.0
        while not self._rests:
            looks += 1
            await asyncio.sleep(max(pause, _LOOK.delay(max(looks, losses))))
            changes, pause = self._told.changes, 0.0
            try:
                task = await self._tasks.get(self._task_id)
                losses = 0
            except _PASSING as error:
                losses, pause = losses + 1, min(_LONGEST, error.retry_after or 0.0)
                if losses > _LOSSES:
                    raise self._lost() from None
                continue
            async for each in self._take_update(task):
                yield each
            if self._failure is not None and not self._rests:
                raise self._failure
            if self._streams and not self._rests:
                async with aclosing(self._subscribe()) as events:
                    async for each in events:
                        yield each
            looks = looks if changes == self._told.changes else 0

    async def _subscribe(self) -> AsyncGenerator[AnswerEvent, None]:
        """Read the stream of the task, whose first event is the whole task, as long as the connection lasts."""
        try:
            async with aclosing(self._read(Method.SUBSCRIBE, {"id": self._task_id}, first=Task)) as events:
                async for each in events:
                    yield each
        except RpcRefused as refused:
            self._streams = refused.code not in (UNSUPPORTED, NO_METHOD)

    async def _take(self, value: Mapping[str, Any]) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the answer in one result of the server."""
        update = read_update(value)
        if update is None:
            if not self._task_id:
                raise UpstreamProtocolError(Text("a2a_no_result", upstream=self._rpc.upstream))
            return
        async for each in self._take_update(update):
            yield each

    async def _take_update(
        self, update: Task | Reply | StatusUpdate | ArtifactUpdate
    ) -> AsyncGenerator[AnswerEvent, None]:
        if isinstance(update, Reply):
            async for each in self._take_reply(update):
                yield each
            return
        task_id = update.id if isinstance(update, Task) else update.task_id
        if not self._task_id:
            if not task_id:
                raise UpstreamProtocolError(Text("a2a_no_result", upstream=self._rpc.upstream))
            self._task_id = task_id
            await self._note(task_id, "" if isinstance(update, ArtifactUpdate) else update.context_id)
            yield self._started()
        # A stream of this task has no business with another one.
        if task_id == self._task_id:
            for each in self._tell(update):
                yield each

    async def _take_reply(self, reply: Reply) -> AsyncGenerator[AnswerEvent, None]:
        if not self._task_id:
            self._is_reply, self._is_active = True, False
            await self._note("", reply.context_id)
            for each in self._told.end(reply.parts):
                yield each

    def _tell(self, update: Task | StatusUpdate | ArtifactUpdate) -> Iterator[AnswerEvent]:
        before = self._memory.now.before
        match update:
            case Task():
                yield from self._told.replace(each for each in update.artifacts if each.id not in before.artifacts)
                yield from self._judge(update.status)
            case StatusUpdate():
                yield from self._judge(update.status)
            case ArtifactUpdate():
                yield from self._told.update(update)

    def _judge(self, status: Status) -> Iterator[AnswerEvent]:
        """Yield the words of *status*. The one that asked the person before the question is none of its answer."""
        asked = self._memory.now.before.stamp
        if status.state is State.ASKS and asked and status.stamp == asked:
            return
        self._status = status
        match status.state:
            case State.OPEN:
                yield from self._told.progress(status)
            case State.COMPLETED | State.ASKS:
                yield from self._told.end(status.parts)

    async def _end(self) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the end of a complete answer."""
        self._is_active = False
        state, upstream = self._status.state, self._rpc.upstream
        detail = self._rpc.redacted("\n".join(each.text for each in self._status.parts if each.text))
        match state:
            case State.FAILED:
                raise AnswerInterrupted(Text("answer_error", upstream=upstream), detail=detail)
            case State.REJECTED:
                raise QuestionRefused(Text("question_flagged", upstream=upstream), detail=detail)
            case State.CANCELED:
                raise AnswerInterrupted(Text("answer_aborted", upstream=upstream), detail=detail)
            case State.ASKS:
                after = Seen(self._status.stamp, (*self._memory.now.before.artifacts, *self._told.artifact_ids))
                await self._memory.change(step=Step.ASKS, after=after)
                if not self._told.has_content:
                    raise AnswerEmpty(Text("a2a_asks_silently", upstream=upstream))
            case State.COMPLETED if not self._told.has_content:
                for each in self._told.end((await self._tasks.get(self._task_id)).last_words):
                    yield each
        if not self._told.has_content:
            raise AnswerEmpty(Text("empty_work" if self._told.changes else "empty", upstream=upstream))
        yield End("stop")

    def _started(self) -> RunStarted:
        return RunStarted(str(TaskRef(self._rpc.model, self._task_id)))

    async def _note(self, task_id: str, context_id: str) -> None:
        """Remember that the server has taken the question."""
        with suppress(StoreError):
            # The answer goes on without the database, which is needed to commit it.
            known = self._memory.now.context_id
            if self._memory.now.key:
                await self._memory.change(context_id=context_id or known, step=Step.TAKEN, task_id=task_id)

    async def _forget(self, memory: Memory) -> None:
        """Remember that the server has not got the question."""
        self._is_active = False
        await self._memory.write(memory)

    def _lost(self) -> AnswerInterrupted:
        """Return the error for a task that cannot be reached. It goes on, and the next attempt reads it."""
        lost = AnswerInterrupted(Text("upstream_cut", upstream=self._rpc.upstream))
        lost.retryable, self._is_active = True, False
        return lost

    async def _cancel(self) -> None:
        self._is_active = False
        with suppress(UpstreamError, RpcRefused, TimeoutError):
            async with asyncio.timeout(_CANCEL):
                memory = self._memory.now
                message_id = _message_id(self._request, memory.repeats)
                task_id = self._task_id or await self._tasks.search(memory.context_id, message_id)
                if task_id:
                    await self._rpc.call(Method.CANCEL, {"id": task_id})


def _message_id(request: AnswerRequest, repeats: int) -> str:
    """Return the id of the message, which is the same for every attempt."""
    return f"ab-{request.idempotency_key}" + (f"-{repeats}" if repeats else "")


def _may_have_arrived(error: UpstreamError) -> bool:
    """Tell whether the agent may have got the question that failed with *error*."""
    return isinstance(error, _PASSING) and not error.retryable and not error.not_begun
