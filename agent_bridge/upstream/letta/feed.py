"""The events of one conversation, from two connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.letta.frames import identity, run_of
from agent_bridge.upstream.transport.json_values import mapping, objects, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.upstream.client_tools import Toolbox
    from agent_bridge.upstream.letta.connection import Connection
    from agent_bridge.upstream.letta.frames import Frame, Runtime

#: The status of a conversation in which the agent does nothing, and of one in which a tool waits for a person.
_IDLE, _ASKS = "WAITING_ON_INPUT", "WAITING_ON_APPROVAL"
_REQUEST, _STATUS = "control_request", "update_device_status"


class Feed:
    """The events of one conversation, each once, from whichever connection delivers them first.

    The slower connection may still deliver events of earlier turns, whose names and runs each connection remembers.
    With *whole_state*, the events contain every state of the device.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: Mapping[str, Any],
        toolbox: Toolbox | None,
        *,
        whole_state: bool = False,
    ) -> None:
        self.runtime = runtime
        self.whole_state = whole_state
        #: Runs the tools of the bridge for the agent.
        self.toolbox = toolbox
        #: Further fields of the command that follows the conversation.
        self.options = options
        #: Names and runs of earlier turns that no connection remembers.
        self._past: set[object] = set()
        self._events: asyncio.Queue[tuple[Connection, Frame] | None] = asyncio.Queue()
        #: Names and runs of the events so far.
        self._seen: set[object] = set()
        #: Those that each connection delivered before the question was accepted; None afterwards.
        self._early: dict[Connection, set[object]] | None = {}
        #: Whether the events have the end of a turn.
        self.turn_is_over = False
        #: The status of the conversation, as far as the events tell.
        self._status = _IDLE
        #: The last run of the turn, empty before the first one; and the one that goes on, as far as the status tells.
        self.run = self.active_run = ""

    @property
    def is_running(self) -> bool:
        """Whether the server works on a message of the conversation."""
        return self._status != _IDLE

    @property
    def waits_for_approval(self) -> bool:
        """Whether the agent waits for a person who decides about a tool."""
        return self._status == _ASKS

    def put(self, connection: Connection, event: Frame) -> None:
        """Add an event that *connection* delivers."""
        if event.get("type") == "update_loop_status":
            loop = mapping(event.get("loop_status"))
            self._status = text(loop.get("status"))
            runs = loop.get("active_run_ids")
            self.active_run = text(runs[-1]) if isinstance(runs, list) and runs else ""
        event = self._with_new_requests(connection, event)
        names = _names(event)
        if self._early is not None:
            self._early.setdefault(connection, set()).update(names)
        if self._is_past(connection, names) or identity(event) in self._seen:
            return
        self._seen |= names
        self._keep(connection, event)

    def begin(self, connection: Connection) -> None:
        """Drop the events of earlier turns: *connection* has just delivered the word that the question is accepted.

        The server sends that word before the events of the new turn, on this connection. So each event that it
        delivered before is of an earlier turn. The other connection may be ahead or behind.
        """
        self._past |= (self._early or {}).get(connection, set())
        self._early = None
        self.turn_is_over, self.run = False, ""
        for each in self._drain():
            if each is None:
                self._events.put_nowait(each)
            elif each[0] is not connection:
                event = self._with_new_requests(*each)
                if not self._is_past(each[0], _names(event)):
                    self._keep(each[0], event)

    def ended(self, connection: Connection) -> frozenset[object]:
        """Return the names and runs of the turn that is over, and of earlier turns, for *connection* to remember."""
        if not self.turn_is_over:
            return connection.past(self.runtime.conversation_id) | self._past
        return frozenset(each for each in self._seen if not isinstance(each, tuple) or each[0] != "stream_delta")

    def _is_past(self, connection: Connection, names: set[object]) -> bool:
        """Tell whether one of *names* belongs to an earlier turn, as far as *connection* may deliver its events."""
        past = connection.past(self.runtime.conversation_id)
        return not (past.isdisjoint(names) and self._past.isdisjoint(names))

    def lose(self) -> None:
        """Add the loss of the last connection."""
        self._events.put_nowait(None)

    def clear(self) -> bool:
        """Drop the events so far, which belong to earlier turns; tell whether a loss is among them."""
        return None in self._drain()

    async def next(self, within: float | None) -> Frame | None:
        """Return the next event; None if all connections that followed the conversation were lost.

        Raises:
            TimeoutError: there is none *within* so many seconds; None: any time.
        """
        async with asyncio.timeout(within):
            found = await self._events.get()
        return None if found is None else found[1]

    def _drain(self) -> list[tuple[Connection, Frame] | None]:
        drained = []
        while not self._events.empty():
            drained.append(self._events.get_nowait())
        return drained

    def _keep(self, connection: Connection, event: Frame) -> None:
        if not self.turn_is_over:
            self.run = run_of(event) or self.run
        self.turn_is_over = self.turn_is_over or event.get("type") == "turn_finished"
        self._events.put_nowait((connection, event))

    def _with_new_requests(self, connection: Connection, event: Frame) -> Frame:
        """Return a status without the requests for approval of earlier turns; other events as they are."""
        if event.get("type") != _STATUS:
            return event
        status = mapping(event.get("device_status"))
        pending = objects(status.get("pending_control_requests"))
        fresh = [each for each in pending if not self._is_past(connection, {(_REQUEST, each.get("request_id"))})]
        return {**event, "device_status": {**status, "pending_control_requests": fresh}}


def _names(event: Frame) -> set[object]:
    """Return the names by which an event, or what it reports, is known: its identity, its run, its requests."""
    names: set[object] = {each for each in (identity(event), run_of(event)) if each}
    if event.get("type") == _STATUS:
        status = mapping(event.get("device_status"))
        names |= {(_REQUEST, text(each.get("request_id"))) for each in objects(status.get("pending_control_requests"))}
    return names
