"""The slash commands of an App Server, which it runs in one conversation (``execute_command`` of the protocol)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import StoreError, UpstreamError, UpstreamUnreachable
from agent_bridge.core.results.server_commands import CommandRefusal
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.capabilities import CommandOutput, ServerCommand
from agent_bridge.upstream.letta.running_command import RunningCommand
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.upstream.letta.approvals import LettaApprovals
    from agent_bridge.upstream.letta.conversations import LaneConversations
    from agent_bridge.upstream.letta.feed import Feed
    from agent_bridge.upstream.letta.frames import Frame, Runtime
    from agent_bridge.upstream.letta.link import Link

_log = structlog.stdlib.get_logger(__name__)

#: Seconds for the state of a conversation, and for a copy of one.
_STATE, _COPY = 30.0, 5.0
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
        """See :class:`agent_bridge.upstream.capabilities.Commands`. Tools that need an approval are refused.

        If the server goes on with a command that is given up, the lane goes on in a copy of the conversation.
        """
        runtime, _ = await self._conversations.current(model, session, title)
        if name == _CLEAR:
            await self._conversations.replace(runtime, session, title, after="")
            return CommandOutput(succeeded=True)
        with self._link.feed(runtime, _OPTIONS, None) as feed:
            await self._link.follow(feed, state=False)
            command = RunningCommand(self._link, feed, self._approvals, name)
            try:
                return await command.run(arguments)
            finally:
                if await command.end():
                    await self._leave(runtime, session, title)

    async def _status(self, feed: Feed) -> Frame:
        while True:
            event = await feed.next(None)
            if event is None:
                raise UpstreamUnreachable(Text("upstream_cut", upstream=self._upstream))
            status = mapping(event.get("device_status"))
            if "supported_commands" in status:
                return dict(status)

    async def _leave(self, runtime: Runtime, session: str, title: str) -> None:
        """Let a lane go on in a copy of its conversation *runtime*: the server still works on a command in that one.

        A summary replaces all messages that the agent remembers, also those that come while the server makes it.
        """
        try:
            async with asyncio.timeout(_COPY):
                await self._conversations.replace(runtime, session, title, after=None)
        except (UpstreamError, StoreError, TimeoutError) as error:
            _log.warning(
                "the server may go on with a command in a conversation", upstream=self._upstream, error=str(error)
            )


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
