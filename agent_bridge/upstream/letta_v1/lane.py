"""A conversation with an agent on the server, and questions about its runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import UpstreamError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.letta_v1.approvals import find_pending
from agent_bridge.upstream.letta_v1.run import CANCELLED
from agent_bridge.upstream.transport.json_values import mapping, objects, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.upstream.letta_v1.approvals import Pending
    from agent_bridge.upstream.letta_v1.rest import Rest
    from agent_bridge.upstream.transport.errors import RequestContext

#: The statuses of runs that have ended, and the reasons for their ends if they name none.
ENDS = {"completed": "end_turn", "failed": "error", "cancelled": CANCELLED}
#: Seconds after which a server without the background mode is asked for it again.
_FOREGROUND = 300.0
#: Pauses between two looks at a run.
_LOOK = Backoff(first=0.1, cap=2)
#: Statuses of a conversation without a run, and of one that does not exist.
_NOTHING = frozenset({HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND})


class Background:
    """Whether the server has the background mode, as far as the bridge knows. *clock* returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._missing_until = clock()

    @property
    def is_on(self) -> bool:
        """Whether messages ask for the background mode."""
        return self._clock() >= self._missing_until

    def note_missing(self) -> None:
        """Do without the background mode for some minutes."""
        self._missing_until = self._clock() + _FOREGROUND


class Lane:
    """A conversation with an agent, and the settings of its requests.

    *look* is the number of seconds between two looks whether a request for approval still exists.
    """

    def __init__(
        self,
        rest: Rest,
        background: Background,
        context: RequestContext,
        conversation_id: str,
        *,
        idle_timeout: float,
        look: float,
    ) -> None:
        self.rest = rest
        self.background = background
        self.context = context
        self.conversation_id = conversation_id
        self.idle_timeout = idle_timeout
        self.look = look

    @property
    def model(self) -> str:
        """The agent."""
        return self.context.model or ""

    @property
    def path(self) -> str:
        """The path of the conversation."""
        return f"/conversations/{self.conversation_id}"

    async def still_waits(self, pending: Pending) -> bool:
        """Tell whether the server still waits for decisions about *pending*.

        Raises:
            UpstreamError: the server did not tell.
        """
        found = await find_pending(self.rest, self.model, self.conversation_id)
        calls = {each.call_id for each in pending.calls}
        return any(each.has(calls) for each in found)

    async def is_busy(self) -> bool:
        """Tell whether a run of the conversation goes on.

        Raises:
            UpstreamError: the server did not tell.
        """
        query = {"conversation_id": self.conversation_id, "active": "true", "limit": "1"}
        return bool(objects(await self.rest.request("GET", "/runs/", model=self.model, params=query)))

    async def was_cancelled(self, run_id: str) -> bool:
        """Tell whether a run was ended by a command; False if the server does not tell."""
        try:
            found = mapping(await self.rest.request("GET", f"/runs/{run_id}", model=self.model))
        except UpstreamError:
            return False
        return ENDS.get(text(found.get("status"))) == CANCELLED

    async def until_ended(self, run_id: str) -> Mapping[str, Any]:
        """Wait for the end of a run, and return it; an unknown run has no fields.

        Raises:
            TimeoutError: it did not end within the time that an answer may be silent.
        """
        looks = 0
        async with asyncio.timeout(self.idle_timeout):
            while True:
                try:
                    found = mapping(await self.rest.request("GET", f"/runs/{run_id}", model=self.model))
                except UpstreamError as error:
                    if error.status == HTTPStatus.NOT_FOUND:
                        return {}
                else:
                    if text(found.get("status")) in ENDS:
                        return found
                looks += 1
                await asyncio.sleep(_LOOK.delay(looks))

    async def cancel(self) -> None:
        """End the runs of the conversation. That there is none is no error.

        Raises:
            UpstreamError: a run may still be going on.
        """
        await _cancel(self.rest, self.conversation_id)


@dataclass(frozen=True, slots=True)
class RunRef:
    """The reference of a run, as the bridge stores it."""

    conversation_id: str
    run_id: str
    #: The key of the question, by which the server knows decisions about the calls of the run.
    key: str
    agent_id: str

    def __str__(self) -> str:
        """Return the text from which :meth:`parse` makes it."""
        return f"{self.conversation_id} {self.run_id} {self.key} {self.agent_id}"

    @classmethod
    def parse(cls, ref: str, upstream: str) -> RunRef:
        """Return the reference that *ref* is.

        Raises:
            UpstreamRefused: another kind of upstream made it.
        """
        try:
            conversation_id, run_id, key, agent_id = ref.split(" ", 3)
        except ValueError:
            raise UpstreamRefused(Text("run_unknown", upstream=upstream)) from None
        return cls(conversation_id, run_id, key, agent_id)


async def cancel(rest: Rest, ref: str, /) -> None:
    """End the run *ref*. See :class:`agent_bridge.upstream.capabilities.Cancel`."""
    found = RunRef.parse(ref, rest.errors.upstream)
    try:
        run = mapping(await rest.request("GET", f"/runs/{found.run_id}"))
    except UpstreamError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
    else:
        # A conversation has one run at a time.
        if run.get("status") not in ENDS:
            await _cancel(rest, found.conversation_id)


async def _cancel(rest: Rest, conversation_id: str) -> None:
    try:
        await rest.request("POST", f"/conversations/{conversation_id}/cancel", json={})
    except UpstreamError as error:
        if error.status not in _NOTHING:
            raise
