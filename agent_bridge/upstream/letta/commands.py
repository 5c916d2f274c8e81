"""The slash commands of an App Server, which it runs in one conversation (``execute_command`` of the protocol)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.core.errors import AnswerInterrupted, UpstreamError, UpstreamUnreachable
from agent_bridge.core.results.server_commands import CommandRefusal
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import TextDelta, TextWithdrawn
from agent_bridge.upstream.capabilities import CommandOutput, Decision, ServerCommand
from agent_bridge.upstream.letta.approvals import requests_in
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.letta_messages import FAILURES, DeltaReader
from agent_bridge.upstream.transport.text import shorten, storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.upstream.letta.approvals import LettaApprovals
    from agent_bridge.upstream.letta.conversations import LaneConversations
    from agent_bridge.upstream.letta.feed import Feed
    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link

#: Seconds for a command, which may ask the agent; for the state of the conversation; for the end of a command behind
#: the response to it; and to end a turn.
_LIMIT, _STATE, _GRACE, _ABORT = 600.0, 30.0, 5.0, 5.0
#: Characters of the words of the server or the agent.
_MAX_WORDS = 8_000
#: The command that changes the id of the conversation, so that the bridge carries it out through other commands.
_CLEAR = "clear"
#: Names in the list that ``execute_command`` does not know (they announce other commands of the protocol), and
#: commands that the bridge does not run.
_REFUSED = {
    "browser_device_mcp_oauth": CommandRefusal.NEEDS_TERMINAL,
    "toolset": CommandRefusal.NEEDS_TERMINAL,
    "secret": CommandRefusal.NEEDS_TERMINAL,
    "monitor_stop": CommandRefusal.NEEDS_TERMINAL,
    "upgrade-letta-code": CommandRefusal.ENDS_SERVER,
    "clear-messages": CommandRefusal.ALL_ROOMS,
}
_DENIED = "no person can be asked during a command"
_OPTIONS = {"mode": "standard"}


class LettaCommands:
    """See :class:`agent_bridge.upstream.capabilities.Commands`."""

    def __init__(self, link: Link, conversations: LaneConversations, approvals: LettaApprovals, upstream: str) -> None:
        self._link = link
        self._conversations = conversations
        self._approvals = approvals
        self._upstream = upstream

    async def list(self, model: str, session: str, title: str) -> Sequence[ServerCommand]:
        """See :class:`agent_bridge.upstream.capabilities.Commands`."""
        runtime, _ = await self._conversations.current(model, session, title)
        with self._link.feed(runtime, _OPTIONS, None, whole_state=True) as feed:
            await self._link.follow(feed, state=True)
            try:
                async with asyncio.timeout(_STATE):
                    return _offered(await self._status(feed))
            except TimeoutError:
                slow = Text("upstream_slow", upstream=self._upstream, seconds=_STATE)
                raise UpstreamUnreachable(slow) from None

    async def run(self, model: str, session: str, title: str, name: str, arguments: str) -> CommandOutput:
        """See :class:`agent_bridge.upstream.capabilities.Commands`. Tools that need an approval are refused."""
        runtime, _ = await self._conversations.current(model, session, title)
        if name == _CLEAR:
            await self._conversations.replace(runtime, session, title, after="")
            return CommandOutput(succeeded=True)
        with self._link.feed(runtime, _OPTIONS, None) as feed:
            await self._link.follow(feed, state=False)
            return await self._execute(feed, name, arguments)

    async def _status(self, feed: Feed) -> Frame:
        while True:
            event = await feed.next(None)
            if event is None:
                raise UpstreamUnreachable(Text("upstream_cut", upstream=self._upstream))
            status = mapping(event.get("device_status"))
            if "supported_commands" in status:
                return dict(status)

    async def _execute(self, feed: Feed, name: str, arguments: str) -> CommandOutput:
        command = {"runtime": feed.runtime.as_json(), "command_id": name, "args": arguments}
        request = asyncio.create_task(self._link.request("execute_command", once=True, within=_LIMIT, **command))
        watch = asyncio.create_task(self._watch(feed, name))
        output: CommandOutput | None = None
        try:
            async with asyncio.timeout(_LIMIT):
                await asyncio.wait({request, watch}, return_when=asyncio.FIRST_COMPLETED)
                output = await (watch if watch.done() else self._responded(request, watch))
                return output
        except TimeoutError:
            slow = Text("upstream_slow", upstream=self._upstream, seconds=_LIMIT)
            raise AnswerInterrupted(slow) from None
        finally:
            for task in (request, watch):
                task.cancel()
            await asyncio.wait({request, watch})
            if output is None:
                await self._abort(feed)

    async def _responded(self, request: asyncio.Task[Frame], watch: asyncio.Task[CommandOutput]) -> CommandOutput:
        """Return the output after the end of *request*.

        Without a response the command goes on, and the events on the other connection tell its end.
        """
        error = request.exception()
        if isinstance(error, UpstreamUnreachable):
            if error.not_begun:
                raise error
            return await watch
        await asyncio.wait({watch}, timeout=_GRACE)
        if watch.done() or error is not None:
            return await watch
        return CommandOutput(succeeded=True, text=_words(request.result().get("output")))

    async def _watch(self, feed: Feed, name: str) -> CommandOutput:
        """Return the end of the command, and the words of the agent before it."""
        reader, said, failure = DeltaReader(), "", ""
        output: CommandOutput | None = None
        while True:
            event = await feed.next(None)
            if event is None:
                raise _interrupted(self._upstream)
            for request in requests_in(event, feed.runtime):
                with suppress(UpstreamError):
                    await self._approvals.decide(request.ref, Decision(allow=False, reason=_DENIED))
            delta = {} if "subagent_id" in event else mapping(event.get("delta"))
            for each in reader.read(delta):
                if isinstance(each, TextDelta):
                    said = shorten(said + each.text, _MAX_WORDS)
                elif isinstance(each, TextWithdrawn):
                    said = ""
            if event.get("type") == "turn_finished" and event.get("stop_reason") in FAILURES:
                failure = _words(event.get("error")) or reader.error or text(event.get("stop_reason"))
            if delta.get("message_type") == "slash_command_end" and delta.get("command_id") == name:
                output = CommandOutput(delta.get("success") is True, _words(delta.get("output")))
            # A command of an extension may go on with a question to the agent.
            asks = output is not None and output.text == f"Running /{name}..."
            if output is not None and (not asks or event.get("type") == "turn_finished"):
                words = "\n".join(filter(None, (output.text, failure)))
                return replace(output, succeeded=output.succeeded and not failure, text=words, said=said)

    async def _abort(self, feed: Feed) -> None:
        """End the turn that the command may have begun, so that the conversation accepts the next message."""
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(_ABORT):
                await self._link.request("abort_message", runtime=feed.runtime.as_json())


def _offered(status: Frame) -> tuple[ServerCommand, ...]:
    """Return the commands in the state of a device."""
    names = status.get("supported_commands")
    listed = [storable(text(each)) for each in names] if isinstance(names, list) else []
    own = [ServerCommand(each, refusal=_REFUSED.get(each)) for each in listed if each]
    added = [
        ServerCommand(
            storable(text(each.get("id"))),
            storable(text(each.get("description"))),
            storable(text(each.get("args"))),
        )
        for each in objects(status.get("mod_commands"))
    ]
    return (*own, *(each for each in added if each.name))


def _words(value: object) -> str:
    return shorten(storable(text(value)), _MAX_WORDS)


def _interrupted(upstream: str) -> AnswerInterrupted:
    return AnswerInterrupted(Text("upstream_cut", upstream=upstream))
