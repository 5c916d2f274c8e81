"""One slash command while the App Server works on it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.core.errors import AnswerInterrupted, UpstreamError, UpstreamUnreachable
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import TextDelta, TextWithdrawn
from agent_bridge.upstream.capabilities import CommandOutput, Decision
from agent_bridge.upstream.letta.approvals import requests_in
from agent_bridge.upstream.letta.cancel import end_turn
from agent_bridge.upstream.transport.json_values import mapping, text
from agent_bridge.upstream.transport.letta_messages import FAILURES, DeltaReader
from agent_bridge.upstream.transport.text import shorten, storable

if TYPE_CHECKING:
    from agent_bridge.upstream.letta.approvals import LettaApprovals
    from agent_bridge.upstream.letta.feed import Feed
    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link

#: Seconds for a command, which may ask the agent; and for the end of a command behind the response to it.
_LIMIT, _GRACE = 600.0, 5.0
#: Characters of the words of the server or the agent.
_MAX_WORDS = 8_000
_DENIED = "no person can be asked during a command"


class RunningCommand:
    """The command *name* in the conversation of *feed*, which is followed already."""

    def __init__(self, link: Link, feed: Feed, approvals: LettaApprovals, name: str) -> None:
        self._link = link
        self._feed = feed
        self._approvals = approvals
        self._name = name
        #: Whether the server may work on it.
        self._goes_on = False

    async def run(self, arguments: str) -> CommandOutput:
        """Send the command, and return its end.

        Raises:
            UpstreamError: its end is not known.
        """
        command = {"runtime": self._feed.runtime.as_json(), "command_id": self._name, "args": arguments}
        request = asyncio.create_task(self._link.request("execute_command", once=True, within=_LIMIT, **command))
        watch = asyncio.create_task(self._watch())
        self._goes_on = True
        try:
            async with asyncio.timeout(_LIMIT):
                await asyncio.wait({request, watch}, return_when=asyncio.FIRST_COMPLETED)
                output = await (watch if watch.done() else self._responded(request, watch))
        except TimeoutError:
            slow = Text("upstream_slow", upstream=self._link.upstream, seconds=_LIMIT)
            raise AnswerInterrupted(slow) from None
        finally:
            for task in (request, watch):
                task.cancel()
            await asyncio.wait({request, watch})
        self._goes_on = False
        return output

    async def end(self) -> bool:
        """End the command unless it is over; tell whether the server may go on with it.

        The server ends the work of the agent alone. A command that it carries out itself cannot be ended.
        """
        if self._goes_on:
            self._goes_on = not await end_turn(self._link, self._feed)
        return self._goes_on

    async def _responded(self, request: asyncio.Task[Frame], watch: asyncio.Task[CommandOutput]) -> CommandOutput:
        """Return the output after the end of *request*.

        Without a response the command goes on, and the events on the other connection tell its end.
        """
        error = request.exception()
        if isinstance(error, UpstreamUnreachable):
            if error.not_begun:
                self._goes_on = False
                raise error
            return await watch
        await asyncio.wait({watch}, timeout=_GRACE)
        if watch.done() or error is not None:
            return await watch
        return CommandOutput(succeeded=True, text=_words(request.result().get("output")))

    async def _watch(self) -> CommandOutput:
        """Return the end of the command, and the words of the agent before it."""
        reader, said, failure = DeltaReader(), "", ""
        output: CommandOutput | None = None
        while True:
            event = await self._feed.next(None)
            if event is None:
                raise AnswerInterrupted(Text("upstream_cut", upstream=self._link.upstream))
            for request in requests_in(event, self._feed.runtime):
                with suppress(UpstreamError):
                    await self._approvals.decide(request.ref, Decision(allow=False, reason=_DENIED))
            delta = {} if "subagent_id" in event else mapping(event.get("delta"))
            for each in reader.read(delta):
                if isinstance(each, TextDelta):
                    said = shorten(said + each.text, _MAX_WORDS)
                elif isinstance(each, TextWithdrawn):
                    said = ""
            if event.get("type") == "turn_finished" and text(event.get("stop_reason")) in FAILURES:
                failure = _words(event.get("error")) or reader.error or text(event.get("stop_reason"))
            if delta.get("message_type") == "slash_command_end" and delta.get("command_id") == self._name:
                output = CommandOutput(delta.get("success") is True, _words(delta.get("output")))
            # A command of an extension may go on with a question to the agent.
            asks = output is not None and output.text == f"Running /{self._name}..."
            if output is not None and (not asks or event.get("type") == "turn_finished"):
                words = "\n".join(filter(None, (output.text, failure)))
                return replace(output, succeeded=output.succeeded and not failure, text=words, said=said)


def _words(value: object) -> str:
    return shorten(storable(text(value)), _MAX_WORDS)
