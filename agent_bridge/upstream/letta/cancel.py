"""Ends turns: those of this process, and those that another process of the bridge began."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import UpstreamError, UpstreamFailed, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.letta.frames import Runtime
from agent_bridge.upstream.letta.history import last_question

if TYPE_CHECKING:
    from agent_bridge.upstream.letta.feed import Feed
    from agent_bridge.upstream.letta.link import Link

#: Pauses between the tries to end a turn, and their number: five seconds in all.
_AGAIN, _TRIES = Backoff(first=0.05, cap=1), 10
_FIELDS = 4
#: Seconds for the end of a turn that this process follows.
_LIMIT = 5.0


def turn_ref(runtime: Runtime, otid: str, run: str) -> str:
    """Return the reference of the turn with the question *otid*; its first *run* is for people who read a log.

    A turn has several runs, and the server numbers them from 1 again when it starts. So the question identifies a turn.
    """
    return f"{runtime.agent_id} {runtime.conversation_id} {otid} {run}"


async def end_turn(link: Link, feed: Feed, run: str = "") -> bool:
    """End the turn that *feed* follows; tell whether it has ended. With *run*, only if that is its current run."""
    fields: dict[str, Any] = {"run_id": run} if run else {}
    with suppress(UpstreamError, TimeoutError):
        async with asyncio.timeout(_LIMIT):
            response = await link.request("abort_message", runtime=feed.runtime.as_json(), **fields)
            aborted = response.get("aborted") is True
            while aborted and not feed.turn_is_over:
                # The end is not to be mistaken for that of the next turn.
                if await feed.next(None) is None:
                    break
            return aborted
    return False


class LettaCancel:
    """Ends turns on the server at *link*."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def __call__(self, ref: str, /) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Cancel`."""
        fields = ref.split(" ")
        if len(fields) != _FIELDS:
            raise UpstreamRefused(Text("run_unknown", upstream=self._link.upstream))
        runtime, otid = Runtime(fields[0], fields[1]), fields[2]
        for tries in range(_TRIES):
            state = await self._link.state(runtime)
            if not state.is_running or await last_question(self._link, runtime.conversation_id) != otid:
                return
            # The server refuses a run that has ended: so a turn that begins at this moment goes on.
            response = await self._link.request(
                "abort_message", runtime=runtime.as_json(), run_id=state.active_run or None
            )
            if response.get("aborted") is True:
                return
            await asyncio.sleep(_AGAIN.delay(tries + 1))
        raise UpstreamFailed(Text("run_goes_on", upstream=self._link.upstream))
