"""One question to an agent over the App Server, and the events of its answer."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import (
    AnswerEmpty,
    AnswerInterrupted,
    UpstreamBusy,
    UpstreamError,
)
from agent_bridge.core.usage import Usage
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import ApprovalAsked, ApprovalClosed, End, RunStarted, TextDelta
from agent_bridge.upstream.capabilities import Decision
from agent_bridge.upstream.letta.approvals import requests_in
from agent_bridge.upstream.letta.cancel import end_turn, turn_ref
from agent_bridge.upstream.letta.frames import REQUEST, STATUS, run_of
from agent_bridge.upstream.letta.history import last_before_lost_call
from agent_bridge.upstream.letta.tool_calls import SCOPE
from agent_bridge.upstream.transport.error_body import parse_error
from agent_bridge.upstream.transport.json_values import mapping, text
from agent_bridge.upstream.transport.letta_messages import FAILURES, RUNS, DeltaReader
from agent_bridge.upstream.transport.usage import read_usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.answer import AnswerEvent, ApprovalRequest
    from agent_bridge.upstream.letta.approvals import LettaApprovals
    from agent_bridge.upstream.letta.feed import Feed
    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link
    from agent_bridge.upstream.transport.errors import ErrorMapper

#: Seconds for the refusal of a tool call by the end of its turn; the words for the agent.
_REFUSAL, _STOPPED = 5.0, "the answer was stopped"
#: Pauses between the tries of a message that the server does not take yet, and their number: ten seconds in all. After
#: some of them, the server puts a turn away that was ended; after the tries of about three seconds, the state of the
#: conversation is looked at.
_NOT_YET, _TRIES, _PUT_AWAY, _LONG = Backoff(first=0.05, cap=1), 15, (2, 4, 6), 8
#: The words of the server for a conversation whose last answer it gave up.
_STUCK = "already has an active run"
#: Events that may report requests for approval.
_APPROVALS = frozenset({REQUEST, STATUS})
_LENGTH = frozenset({"max_tokens_exceeded", "max_steps"})


class TurnLost(Exception):
    """All connections that followed the conversation ended: the server may have given the turn up."""


class ConversationStuck(Exception):
    """The conversation accepts no message. The question did not arrive.

    The server gave its last answer up, or was killed while a tool ran or waited for an approval. *error* has its words.
    """

    def __init__(self, error: UpstreamError) -> None:
        super().__init__()
        self.error = error


class Turn:
    """One question, which is sent once, and which the history has under *otid*. *feed* follows its conversation.

    *idle_timeout* is the number of seconds without an event after which the answer counts as broken off.
    """

    def __init__(
        self,
        link: Link,
        feed: Feed,
        approvals: LettaApprovals,
        otid: str,
        errors: ErrorMapper,
        idle_timeout: float,
    ) -> None:
        self._link = link
        self._approvals = approvals
        self._feed = feed
        self._otid = otid
        self._errors = errors
        self._idle_timeout = idle_timeout
        self._reader = DeltaReader()
        self._has_text = False
        #: The requests whose tools have not run, by the ids of the calls; and all that people were asked about.
        self._asked: dict[str, str] = {}
        self._known: set[str] = set()
        self._over = False
        #: The id of its first run, empty before it begins.
        self._run = ""
        #: The reason for the end of a turn that was attended; empty before.
        self.stop_reason = ""

    async def ask(self, message: ChatMessage) -> AsyncGenerator[AnswerEvent, None]:
        """Send *message*, and yield the events of the answer. Closing the generator early ends the turn.

        Raises:
            TurnLost: the end of the answer is not known.
            ConversationStuck: the conversation has to be replaced. There was no event.
            UpstreamError: the answer is not complete.
        """
        try:
            await self._send(message)
            while not self._over:
                async for event in self._next():
                    yield event
        finally:
            await self._leave()

    async def attend(self) -> AsyncGenerator[ApprovalAsked | ApprovalClosed | Usage, None]:
        """Yield the requests for approval and the tokens of a turn that goes on, until its end.

        The history has its answer then. Closing the generator early ends the turn.

        Raises:
            TurnLost: the end is not known.
            AnswerInterrupted: nothing happened for too long.
        """
        try:
            while not self._over:
                async for each in self._attended(await self._event()):
                    yield each
        finally:
            await self._leave()

    async def _attended(self, event: Frame) -> AsyncGenerator[ApprovalAsked | ApprovalClosed | Usage, None]:
        kind = event.get("type")
        if kind in _APPROVALS:
            for request in requests_in(event, self._feed.runtime):
                async for asked in self._asks(request):
                    yield asked
        elif kind == "stream_delta":
            for each in self._read(mapping(event.get("delta"))):
                if isinstance(each, ApprovalClosed | Usage):
                    yield each
        elif kind == "turn_finished":
            self._over = True
            self.stop_reason = text(event.get("stop_reason"))
            for usage in self._usage(event):
                yield usage

    async def _send(self, message: ChatMessage) -> None:
        if self._feed.clear():
            self._over = True
            raise TurnLost
        content: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
        for image in message.images:
            data = base64.b64encode(image.data).decode()
            source = {"type": "base64", "media_type": image.content_type, "data": data}
            content.append({"type": "image", "source": source})
        # No `client_message_id`: after its own restart, the server would ask an unanswered message with one again, and
        # the agent would act twice.
        said = {"role": "user", "content": content if message.images else message.content, "otid": self._otid}
        payload = {
            "kind": "create_message",
            "messages": [said],
            "external_tool_scope_ids": [SCOPE],
            "exclude_interactive_tools": True,
        }
        tries = 0
        while True:
            try:
                response = await self._link.say(self._feed, payload)
            except UpstreamError as error:
                self._over = True
                if error.not_begun:
                    raise
                raise TurnLost from None
            if response.get("accepted") is True:
                return
            tries += 1
            busy = self._busy(text(response.get("error")))
            if tries in _PUT_AWAY:
                await self._put_away()
            if tries >= _LONG:
                await self._look(busy)
            if tries == _TRIES:
                self._over = True
                raise busy
            # The server puts the last turn away, or another client talks with the agent.
            await asyncio.sleep(_NOT_YET.delay(tries))

    def _busy(self, words: str) -> UpstreamBusy:
        """Return the error for a question that the server does not take, for the reason *words*."""
        detail = parse_error(words).redacted(self._errors.secrets)
        busy = UpstreamBusy(Text("letta_not_accepted", upstream=self._errors.upstream), detail=detail)
        busy.not_begun = True
        return busy

    async def _put_away(self) -> None:
        """Have the server forget the last turn if a person ended it: until then, it takes only messages that it queues.

        It queues only messages with a ``client_message_id``. With a tool call whose result is lost, it would go on with
        the turn.
        """
        runtime = self._feed.runtime
        with suppress(UpstreamError):
            if await last_before_lost_call(self._link, runtime.conversation_id) is None:
                await self._link.request("sync", runtime=runtime.as_json(), resume_interrupted_turn=True)

    async def _look(self, refused: UpstreamBusy) -> None:
        """Find out why the conversation accepts no message; end a turn of the past that waits for a person's decision.

        Raises:
            ConversationStuck: the agent does nothing.
        """
        try:
            await self._link.follow(self._feed, state=True)
        except UpstreamError:
            # The next try tells.
            return
        if not self._feed.is_running:
            self._over = True
            raise ConversationStuck(refused)
        if self._feed.waits_for_approval:
            await end_turn(self._link, self._feed)

    async def _event(self) -> Frame:
        while True:
            try:
                event = await self._feed.next(self._idle_timeout)
            except TimeoutError:
                if any(self._approvals.is_open(ref) for ref in self._asked.values()):
                    # A person's decision takes any time.
                    continue
                silent = Text("upstream_silent", upstream=self._errors.upstream, seconds=self._idle_timeout)
                raise AnswerInterrupted(silent) from None
            if event is None:
                # The server gives the turn up, unless another process follows it.
                self._over = True
                raise TurnLost
            return event

    async def _next(self) -> AsyncGenerator[AnswerEvent, None]:
        event = await self._event()
        kind = event.get("type")
        if kind in _APPROVALS:
            for request in requests_in(event, self._feed.runtime):
                async for asked in self._asks(request):
                    yield asked
        elif kind == "stream_delta" and "subagent_id" not in event:
            if not self._run and (run := run_of(event)):
                self._run = run
                yield RunStarted(turn_ref(self._feed.runtime, self._otid, run))
            for each in self._read(mapping(event.get("delta"))):
                yield each
        elif kind == "turn_finished":
            self._over = True
            for call in self._reader.close():
                yield call
            for usage in self._usage(event):
                yield usage
            yield self._end(event)

    def _usage(self, event: Frame) -> Iterator[Usage]:
        """Yield the report of tokens at the end of the turn, if no message before it had one."""
        if not self._reader.has_usage and (usage := read_usage(event.get("usage"))):
            yield usage

    def _read(self, delta: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        runs = text(delta.get("message_type")) in RUNS
        if runs and (ref := self._asked.pop(text(delta.get("tool_call_id")), None)):
            self._approvals.close(ref)
            yield ApprovalClosed(ref)
        for each in self._reader.read(delta):
            self._has_text = self._has_text or (isinstance(each, TextDelta) and not each.text.isspace())
            yield each

    async def _asks(self, request: ApprovalRequest) -> AsyncGenerator[ApprovalAsked, None]:
        if self._is_own(request):
            # The bridge checks permissions itself.
            with suppress(UpstreamError):
                await self._approvals.decide(request.ref, Decision(allow=True))
        elif request.ref not in self._known:
            # The slower connection repeats requests that are decided already.
            self._known.add(request.ref)
            self._asked[request.call.call_id] = request.ref
            self._approvals.open(request.ref)
            yield ApprovalAsked(request)

    def _is_own(self, request: ApprovalRequest) -> bool:
        """Tell whether *request* is about a tool of the bridge."""
        toolbox = self._feed.toolbox
        return toolbox is not None and request.call.name in {each.name for each in toolbox.tools}

    def _end(self, event: Frame) -> End:
        """Return the end of a complete answer.

        Raises:
            ConversationStuck: see :meth:`ask`.
            UpstreamError: the answer is not complete.
        """
        reason, upstream = text(event.get("stop_reason")), self._errors.upstream
        words = text(event.get("error")) or self._reader.error
        begun = self._has_text or self._reader.tool_ran
        if reason == "cancelled":
            raise AnswerInterrupted(Text("answer_aborted", upstream=upstream))
        if text(event.get("error")) or reason in FAILURES:
            if _STUCK in words and not begun:
                raise ConversationStuck(self._busy(words))
            raise self._errors.from_answer(parse_error(words), begun=begun)
        if not self._has_text:
            raise AnswerEmpty(Text("empty_length" if reason in _LENGTH else "empty_work", upstream=upstream))
        return End("length" if reason in _LENGTH else "stop")

    async def _leave(self) -> None:
        """End the turn on the server unless it is over, so that the conversation accepts the next message.

        Requests for approval are refused first: with an undecided one, the conversation would have to be copied.
        """
        for ref in self._asked.values():
            self._approvals.close(ref)
        if self._asked and not (self._over or self._feed.turn_is_over):
            await self._refuse()
            self._over = await end_turn(self._link, self._feed)
        tried = None
        # The server ends the run that it works on, and no other one. The next run may begin at the same moment.
        while not (self._over or self._feed.turn_is_over) and tried != self._feed.run:
            tried = self._feed.run
            self._over = await end_turn(self._link, self._feed, tried)

    async def _refuse(self) -> None:
        """Refuse the requests that wait for a decision."""
        for ref in self._asked.values():
            with suppress(UpstreamError, TimeoutError):
                async with asyncio.timeout(_REFUSAL):
                    await self._approvals.decide(ref, Decision(allow=False, reason=_STOPPED))
