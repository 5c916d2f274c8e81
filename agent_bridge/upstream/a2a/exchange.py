"""What a server says about one question: a message, or a task that is followed until it rests."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import (
    AnswerInterrupted,
    StoreError,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.a2a.memory import Step
from agent_bridge.upstream.a2a.records import ArtifactUpdate, Reply, State, Status, StatusUpdate, Task, read_update
from agent_bridge.upstream.a2a.references import TaskRef
from agent_bridge.upstream.a2a.requests import Method
from agent_bridge.upstream.a2a.rpc import NO_METHOD, SILENCE, UNSUPPORTED, RpcRefused, StreamFailed
from agent_bridge.upstream.a2a.tasks import Tasks
from agent_bridge.upstream.a2a.told import Told
from agent_bridge.upstream.answer import RunStarted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from agent_bridge.upstream.a2a.memory import LaneMemory
    from agent_bridge.upstream.a2a.replies import Replies
    from agent_bridge.upstream.a2a.rpc import Rpc
    from agent_bridge.upstream.answer import AnswerEvent

#: Pauses between two looks at a task.
LOOK = Backoff(first=0.1, cap=5)
#: Failures after which a task is looked at again.
PASSING = (UpstreamUnreachable, UpstreamBusy, UpstreamFailed, AnswerInterrupted)
#: The looks in a row that may fail: about two minutes.
_LOSSES = 25
#: The longest pause that a server may ask for, in seconds.
_LONGEST = 60.0


class Exchange:
    """The answer of the agent of *rpc* to the question *key*, noted in *memory*. *replies* are the newest of all."""

    def __init__(self, rpc: Rpc, memory: LaneMemory, key: str, replies: Replies) -> None:
        self._rpc = rpc
        self._memory = memory
        self._key = key
        self._replies = replies
        self.tasks = Tasks(rpc)
        self.told = Told(rpc.upstream)
        self.streams = rpc.card.streams
        #: The task, empty if there is none yet.
        self.task_id = ""
        self.status = Status(State.OPEN)
        #: Whether the server may be working on the question.
        self.is_active = False
        self._is_reply = False
        #: A failure that the server reported in a stream: the task may have ended with it.
        self._failure: UpstreamError | None = None

    @property
    def rests(self) -> bool:
        """Whether the answer is complete, or has failed."""
        return self._is_reply or self.status.state is not State.OPEN

    async def send(self, params: Mapping[str, Any]) -> AsyncGenerator[AnswerEvent, None]:
        """Send the question, and read the response as long as the connection lasts.

        Raises:
            RpcRefused, UpstreamError: the server has not named a task.
        """
        self.is_active = True
        if not self.streams:
            async for each in self._take(await self._rpc.call(Method.SEND, params)):
                yield each
            return
        async with aclosing(self._read(Method.STREAM, params)) as events:
            async for each in events:
                yield each
        if not self.task_id and not self._is_reply:
            raise AnswerInterrupted(Text("upstream_cut", upstream=self._rpc.upstream))

    async def adopt(self, task_id: str, context_id: str = "") -> RunStarted:
        """Take *task_id* for the task of the question, and note it."""
        self.task_id = task_id
        await self._note(task_id, context_id)
        return RunStarted(str(TaskRef(self._rpc.model, task_id)))

    def begin_again(self) -> Iterator[AnswerEvent]:
        """Forget the task, and yield the withdrawal of what was told of it."""
        self.task_id, self.status = "", Status(State.OPEN)
        yield from self.told.begin_again()

    async def _read(
        self, method: Method, params: Mapping[str, Any], *, first: type[object] = object
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Read a stream until the task rests, or the connection ends. A stream without a *first* event is left.

        Raises:
            RpcRefused, UpstreamError: before the first event only.
        """
        begun = bool(self.task_id) and method is Method.STREAM
        try:
            async with aclosing(self._rpc.stream(method, params)) as results:
                async for value in results:
                    if value is SILENCE:
                        async for each in self._look():
                            yield each
                    elif not begun and not isinstance(read_update(value), first):
                        self.streams = False
                        return
                    else:
                        async for each in self._take(value):
                            yield each
                        begun = True
                    if self.rests:
                        return
        except StreamFailed as failed:
            self._failure = failed.error
        except (UpstreamProtocolError, *PASSING) as error:
            if not self.task_id:
                raise
            # The task goes on without the stream.
            self.streams = self.streams and not isinstance(error, UpstreamProtocolError)

    async def _look(self) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the rest of the answer, if the task rests without a word about it in its stream."""
        with suppress(UpstreamError):
            task = await self.tasks.get(self.task_id)
            # What else it shows is still to come in the stream.
            if task.status.state is not State.OPEN:
                async for each in self._take_update(task):
                    yield each

    async def follow(self, task_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Read a task that is there already, from its beginning."""
        task = await self.tasks.get(task_id)
        self.is_active = self._memory.now.key != ""
        async for each in self._take_update(task):
            yield each
        async with aclosing(self.watch()) as events:
            async for each in events:
                yield each

    async def watch(self) -> AsyncGenerator[AnswerEvent, None]:
        """Read the task until it rests: its stream, or its state again and again."""
        looks, losses, pause = 0, 0, 0.0
        while not self.rests:
            looks += 1
            await asyncio.sleep(max(pause, LOOK.delay(max(looks, losses))))
            changes, pause = self.told.changes, 0.0
            try:
                task = await self.tasks.get(self.task_id)
                losses = 0
            except PASSING as error:
                losses, pause = losses + 1, min(_LONGEST, error.retry_after or 0.0)
                if losses > _LOSSES:
                    raise self._lost() from None
                continue
            async for each in self._take_update(task):
                yield each
            if self._failure is not None and not self.rests:
                raise self._failure
            if self.streams and not self.rests:
                async with aclosing(self._subscribe()) as events:
                    async for each in events:
                        yield each
            looks = looks if changes == self.told.changes else 0

    async def _subscribe(self) -> AsyncGenerator[AnswerEvent, None]:
        """Read the stream of the task, whose first event is the whole task, as long as the connection lasts."""
        try:
            async with aclosing(self._read(Method.SUBSCRIBE, {"id": self.task_id}, first=Task)) as events:
                async for each in events:
                    yield each
        except RpcRefused as refused:
            self.streams = refused.code not in (UNSUPPORTED, NO_METHOD)

    async def _take(self, value: Mapping[str, Any]) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the answer in one result of the server."""
        update = read_update(value)
        if update is None:
            if not self.task_id:
                raise UpstreamProtocolError(Text("a2a_no_result", upstream=self._rpc.upstream))
            return
        async for each in self._take_update(update):
            yield each

    async def _take_update(
        self, update: Task | Reply | StatusUpdate | ArtifactUpdate
    ) -> AsyncGenerator[AnswerEvent, None]:
        if isinstance(update, Reply):
            async for each in self.take_reply(update):
                yield each
            return
        task_id = update.id if isinstance(update, Task) else update.task_id
        if not self.task_id:
            if not task_id:
                raise UpstreamProtocolError(Text("a2a_no_result", upstream=self._rpc.upstream))
            yield await self.adopt(task_id, "" if isinstance(update, ArtifactUpdate) else update.context_id)
        # A stream of this task has no business with another one.
        if task_id == self.task_id:
            for each in self._tell(update):
                yield each

    async def take_reply(self, reply: Reply) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the answer that is *reply*."""
        if not self.task_id:
            self._is_reply, self.is_active = True, False
            self._replies.keep(self._key, reply)
            await self._note("", reply.context_id)
            for each in self.told.end(reply.parts):
                yield each

    def _tell(self, update: Task | StatusUpdate | ArtifactUpdate) -> Iterator[AnswerEvent]:
        before = self._memory.now.before
        match update:
            case Task():
                yield from self.told.replace(each for each in update.artifacts if each.id not in before.artifacts)
                yield from self._judge(update.status)
            case StatusUpdate():
                yield from self._judge(update.status)
            case ArtifactUpdate():
                yield from self.told.update(update)

    def _judge(self, status: Status) -> Iterator[AnswerEvent]:
        """Yield the words of *status*. The one that asked the person before the question is none of its answer."""
        asked = self._memory.now.before.stamp
        if status.state is State.ASKS and asked and status.stamp == asked:
            return
        self.status = status
        match status.state:
            case State.OPEN:
                yield from self.told.progress(status)
            case State.COMPLETED | State.ASKS:
                yield from self.told.end(status.parts)

    async def _note(self, task_id: str, context_id: str) -> None:
        """Remember that the server has taken the question."""
        with suppress(StoreError):
            # The answer goes on without the database, which is needed to commit it.
            known = self._memory.now.context_id
            if self._memory.now.key:
                await self._memory.change(context_id=context_id or known, step=Step.TAKEN, task_id=task_id)

    def _lost(self) -> AnswerInterrupted:
        """Return the error for a task that cannot be reached. It goes on, and the next attempt reads it."""
        lost = AnswerInterrupted(Text("upstream_cut", upstream=self._rpc.upstream))
        lost.retryable, self.is_active = True, False
        return lost
