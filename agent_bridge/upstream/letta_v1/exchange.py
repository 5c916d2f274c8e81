"""One message of the bridge, and the run of the agent that it starts.

In the background mode, the server keeps the events of a run, and a message with the same ``otid`` never runs twice. A
server without Redis has neither: the bridge then waits for the end of a run whose connection was lost, and reads its
messages.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import AnswerInterrupted, UpstreamBusy, UpstreamError, UpstreamUnreachable
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import ReasoningDelta, RunStarted
from agent_bridge.upstream.letta_v1.lane import ENDS
from agent_bridge.upstream.letta_v1.rest import busy_run, lacks_background, lacks_conversation, pending_request
from agent_bridge.upstream.letta_v1.run import CANCELLED, Run
from agent_bridge.upstream.transport.json_values import objects, text
from agent_bridge.upstream.transport.sse import EventParser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.letta_v1.approvals import Pending
    from agent_bridge.upstream.letta_v1.lane import Lane
    from agent_bridge.upstream.letta_v1.told import Told

#: Pauses between the attempts to return to a run, and the attempts in a row without an event.
_AGAIN, _LOSSES = Backoff(first=0.05, cap=2), 10
#: Pauses between two looks at a run.
_LOOK = Backoff(first=0.1, cap=2)
#: Times that a message waits for another run before it fails.
_WAITS = 20
#: Messages among which a question is looked for.
_HISTORY = "50"


class PendingFound(Exception):
    """The message did not arrive, because the undecided request *message_id* has to be decided first."""

    def __init__(self, message_id: str) -> None:
        super().__init__(message_id)
        self.message_id = message_id


class ConversationMissing(Exception):
    """The server does not have the conversation any more. *error* is its response."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__()
        self.error = error


class Exchange:
    """The message *body*, which the server keeps under *otid*. *told* is the answer before it.

    *answers* are the calls that the message decides about, None for a question. *may_be_there* tells whether an earlier
    attempt may have sent it. *run_id* is the run that it started, if that is known: it is not sent then.
    """

    def __init__(
        self,
        lane: Lane,
        told: Told,
        otid: str,
        body: Mapping[str, Any],
        *,
        answers: Pending | None = None,
        may_be_there: bool = False,
        run_id: str = "",
    ) -> None:
        self._lane = lane
        self._told = told
        self._otid = otid
        self._body = body
        self._answers = answers
        self._may_be_there = may_be_there
        self._in_background = True
        self._before = told.text
        #: The number of times that another run occupied the conversation.
        self._waits = 0
        self.run = Run(told.reader)
        self.run.id = run_id
        #: Whether the run may be going on; and whether an earlier attempt started it.
        self.is_active = self.was_there = bool(run_id)
        self._named = False

    async def events(self, *, send: bool = True) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the run until its end. Without *send*, only a run that is there already is read.

        Raises:
            PendingFound: see there.
            ConversationMissing: see there.
            UpstreamError: there is no run, or its end is not known.
        """
        if not self.was_there and (self._may_be_there or not send):
            async with aclosing(self._attach()) as events:
                async for each in events:
                    yield each
        if not self.was_there:
            if not send:
                raise AnswerInterrupted(Text("letta_interrupted"))
            async with aclosing(self._send()) as events:
                async for each in events:
                    yield each
        losses = 0
        while not self.run.ended:
            seq, losses = self.run.seq, losses + 1
            if losses > _LOSSES:
                raise self._lost(retryable=self._in_background)
            await asyncio.sleep(_AGAIN.delay(losses))
            async with aclosing(self._return()) as events:
                async for each in events:
                    yield each
            losses = 0 if self.run.seq > seq else losses
        for each in self._told.pass_on(self.run.close()):
            yield each
        self.is_active = False

    async def _attach(self) -> AsyncGenerator[AnswerEvent, None]:
        """Read the run that an earlier attempt started, if there is one."""
        try:
            async with aclosing(self._listen(f"{self._lane.path}/stream", self._cursor())) as events:
                async for each in events:
                    self.was_there = True
                    yield each
            self.was_there = True
        except UpstreamError as error:
            if lacks_background(error):
                self._lane.background.note_missing()
            elif error.status is None or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise

    async def _send(self) -> AsyncGenerator[AnswerEvent, None]:
        """Send the message, and read the run as long as the connection lasts."""
        while True:
            self._in_background = self._lane.background.is_on
            if not self._in_background and self._may_be_there and await self._find_run():
                self.was_there = True
                return
            self.is_active = True
            body = {
                "messages": [self._body],
                "streaming": True,
                "stream_tokens": True,
                "background": self._in_background,
            }
            try:
                async with aclosing(self._listen(f"{self._lane.path}/messages", body, joins=False)) as events:
                    async for each in events:
                        yield each
            except UpstreamError as error:
                if self._is_loss(error):
                    return
                self.is_active = error.status is None and not error.not_begun
                await self._prepare(error)
            else:
                return

    def _is_loss(self, error: UpstreamError) -> bool:
        """Tell whether the message may have arrived although there was no response, or is a decision to be kept."""
        if not isinstance(error, UpstreamUnreachable):
            return False
        return self._answers is not None or (not error.not_begun and error.retryable)

    async def _prepare(self, error: UpstreamError) -> None:
        """Remove the obstacle because of which the server refused the message, or raise."""
        if (asked := pending_request(error)) is not None:
            raise PendingFound(asked) from None
        if lacks_conversation(error):
            raise ConversationMissing(error) from None
        if self._in_background and lacks_background(error):
            self._lane.background.note_missing()
        elif (run_id := busy_run(error)) is not None and self._waits < _WAITS:
            self._waits += 1
            try:
                if run_id:
                    await self._lane.until_ended(run_id)
            except TimeoutError:
                raise self._busy(error.detail) from None
            # The lock may outlast the run for a moment.
            await asyncio.sleep(_LOOK.delay(self._waits))
        else:
            raise error

    async def _return(self) -> AsyncGenerator[AnswerEvent, None]:
        """Read the run again, from the event after the last one."""
        if not self._in_background:
            async with aclosing(self._adopt()) as events:
                async for each in events:
                    yield each
            return
        path = f"/runs/{self.run.id}/stream" if self.run.id else f"{self._lane.path}/stream"
        is_unknown = False
        try:
            async with aclosing(self._listen(path, self._cursor())) as events:
                async for each in events:
                    yield each
        except AnswerInterrupted:
            raise
        except UpstreamError as error:
            is_unknown = error.status is not None and error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        if is_unknown and self.run.id:
            # The server keeps the events for some hours only, and those of the background mode; it keeps the messages.
            self._in_background = False
        elif is_unknown:
            async with aclosing(self._send_again()) as events:
                async for each in events:
                    yield each

    async def _send_again(self) -> AsyncGenerator[AnswerEvent, None]:
        """Send the message again, which did not arrive. The server would take a decision twice."""
        if self._answers is not None and not await self._lane.still_waits(self._answers):
            raise AnswerInterrupted(Text("letta_interrupted"))
        async with aclosing(self._send()) as events:
            async for each in events:
                yield each

    async def _adopt(self) -> AsyncGenerator[AnswerEvent, None]:
        """Wait for the end of the run, and read its messages."""
        if not self.run.id:
            if self._answers is None:
                raise self._lost(retryable=False)
            async with aclosing(self._send_again()) as events:
                async for each in events:
                    yield each
            return
        reason, messages = await self._ended()
        for each in self._told.begin_again(self._before):
            yield each
        run = Run(self._told.reader)
        run.id, self.run = self.run.id, run
        for message in [*messages, {"message_type": "stop_reason", "stop_reason": reason}]:
            for each in self._told.pass_on(run.read(message)):
                if not isinstance(each, ReasoningDelta):
                    yield each

    async def _ended(self) -> tuple[str, list[dict[str, Any]]]:
        """Wait for the end of the run, and return its reason and its messages."""
        lane = self._lane
        try:
            ended = await lane.until_ended(self.run.id)
        except TimeoutError:
            silent = Text("upstream_silent", upstream=lane.rest.errors.upstream, seconds=lane.idle_timeout)
            raise AnswerInterrupted(silent) from None
        path, query = f"/runs/{self.run.id}/messages", {"limit": "1000", "order": "asc"}
        try:
            messages = objects(await lane.rest.request("GET", path, model=lane.model, params=query))
        except UpstreamError:
            raise self._lost(retryable=False) from None
        return text(ended.get("stop_reason")) or ENDS.get(text(ended.get("status")), "error"), messages

    async def _find_run(self) -> bool:
        """Tell whether the history has the message. Its run is the one to be read then.

        Raises:
            UpstreamBusy: a run is going on, perhaps that of the message.
        """
        lane = self._lane
        if await lane.is_busy():
            raise self._busy(None)
        query = {"limit": _HISTORY, "order": "desc"}
        for message in objects(await lane.rest.request("GET", f"{lane.path}/messages", model=lane.model, params=query)):
            if message.get("otid") == self._otid and text(message.get("run_id")):
                self.run.id = text(message.get("run_id"))
                return True
        return False

    async def _listen(
        self, path: str, body: Mapping[str, Any], *, joins: bool = True
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Send *body*, and yield the events in the response until it ends or the connection is lost.

        *joins* tells whether the run was there before.

        Raises:
            AnswerInterrupted: the server sent nothing for too long.
            UpstreamError: the response is no success.
        """
        loop, parser = asyncio.get_running_loop(), EventParser()
        heard = loop.time()
        async with self._lane.rest.stream(path, body, self._lane.context) as response:
            self.is_active = True
            data = b"-"
            while data:
                since = loop.time()
                try:
                    data = await response.read_some()
                except AnswerInterrupted:
                    if loop.time() - since >= self._lane.idle_timeout:
                        raise
                    return
                for event in parser.feed(data) if data else parser.close():
                    for each in self._told.pass_on(self.run.feed(event)):
                        if started := self._name():
                            yield started
                        yield each
                    if started := self._name():
                        yield started
                if not self.run.is_silent:
                    heard = loop.time()
                elif await self._has_ended(loop.time() - heard if joins else 0.0):
                    return

    async def _has_ended(self, silence: float) -> bool:
        """Tell whether the run has ended although its stream goes on, after *silence* seconds with signs of life only.

        Raises:
            AnswerInterrupted: it was silent for too long. A server that was restarted gives signs of life for a run
                that ended with it.
        """
        if await self._lane.was_cancelled(self.run.id):
            # The server would end the stream at the next word of its language model.
            self.run.stop_reason = CANCELLED
        elif silence >= self._lane.idle_timeout:
            raise self._silent()
        return self.run.ended

    def _name(self) -> RunStarted | None:
        """Return the start of the run once, with the server's id as its reference, as soon as the id is known."""
        if self._named or not self.run.id:
            return None
        self._named = True
        return RunStarted(self.run.id)

    def _cursor(self) -> dict[str, object]:
        return {"starting_after": self.run.seq} | ({} if self.run.id else {"otid": self._otid})

    def _lost(self, *, retryable: bool) -> AnswerInterrupted:
        lost = AnswerInterrupted(Text("upstream_cut", upstream=self._lane.rest.errors.upstream))
        lost.retryable = retryable
        return lost

    def _silent(self) -> AnswerInterrupted:
        seconds = self._lane.idle_timeout
        silent = AnswerInterrupted(Text("upstream_silent", upstream=self._lane.rest.errors.upstream, seconds=seconds))
        silent.retryable = True
        return silent

    def _busy(self, detail: str | None) -> UpstreamBusy:
        busy = UpstreamBusy(Text("letta_not_accepted", upstream=self._lane.rest.errors.upstream), detail=detail)
        busy.not_begun = True
        return busy
