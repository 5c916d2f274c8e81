"""The events of one conversation, from two connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.letta.frames import (
    END,
    REQUEST,
    STATUS,
    TIMES,
    identity,
    is_request,
    run_of,
    without_requests,
)
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.letta_messages import RUNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.upstream.client_tools import Toolbox
    from agent_bridge.upstream.letta.connection import Connection
    from agent_bridge.upstream.letta.frames import Frame, Runtime

#: The status of a conversation in which the agent does nothing, and of one in which a tool waits for a person.
_IDLE, _ASKS = "WAITING_ON_INPUT", "WAITING_ON_APPROVAL"


class Feed:
    """The events of one conversation, each once, from whichever connection delivers them first.

    The slower connection may still deliver events of earlier turns, whose names and runs each connection remembers. The
    id of a request for approval names another request after the end of the turn, and after its tool has run.
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
        #: The connections that deliver no requests of earlier turns any more.
        self._settled: set[Connection] = set()
        #: The connections that have delivered the end of the turn.
        self._finished: set[Connection] = set()
        #: By connection and the id of a call: the runs in which such calls have run, as far as it has told.
        self._ran: dict[Connection, dict[str, set[str]]] = {}
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
        event = self._with_new_requests(connection, self._counted(connection, event))
        names = _names(event)
        if self._early is not None:
            self._early.setdefault(connection, set()).update(names)
        if event.get("type") == END:
            self._settle(connection, is_past=self._is_past(connection, names))
        name = identity(event)
        if self._is_past(connection, names) or (name is not None and name in self._seen):
            return
        self._seen |= names | {name}
        self._keep(connection, event)

    def begin(self, connection: Connection) -> None:
        """Drop the events of earlier turns: *connection* has just delivered the word that the question is accepted.

        The server sends that word before the events of the new turn, on this connection. So each event that it
        delivered before is of an earlier turn. The other connection may be ahead or behind.
        """
        self._past |= (self._early or {}).get(connection, set())
        self._early = None
        self._settle(connection, is_past=True)
        self._ran = {
            each: {call: {run for run in runs if not self._is_past(each, {run})} for call, runs in calls.items()}
            for each, calls in self._ran.items()
        }
        self.turn_is_over, self.run = False, ""
        for each in self._drain():
            if each is None:
                self._events.put_nowait(each)
            elif each[0] is not connection:
                event = self._with_new_requests(each[0], self._counted(*each))
                if not self._is_past(each[0], _names(event)):
                    self._keep(each[0], event)

    def ended(self, connection: Connection) -> frozenset[object]:
        """Return the names and runs of the turn that is over, and of earlier turns, for *connection* to remember."""
        if not self.turn_is_over:
            return connection.past(self.runtime.conversation_id) | self._past
        names = frozenset(each for each in self._seen if not isinstance(each, tuple) or each[0] != "stream_delta")
        return without_requests(names) if connection in self._finished else names

    def _is_past(self, connection: Connection, names: set[object]) -> bool:
        """Tell whether one of *names* belongs to an earlier turn, as far as *connection* may deliver its events."""
        past, is_settled = connection.past(self.runtime.conversation_id), connection in self._settled
        return any((each in past or each in self._past) and not (is_settled and is_request(each)) for each in names)

    def _settle(self, connection: Connection, *, is_past: bool) -> None:
        """Note that *connection* has delivered the end of a turn; *is_past* tells whether of an earlier one."""
        if is_past:
            self._settled.add(connection)
            connection.settle(self.runtime.conversation_id)
        else:
            self._finished.add(connection)

    def _counted(self, connection: Connection, event: Frame) -> Frame:
        """Return *event* with the field that tells requests with the same id apart; note which calls have run."""
        if connection not in self._ran:
            # One that joins later gets the undecided requests first.
            joins = self.runtime.conversation_id not in connection.followed
            calls = {call for each in self._ran.values() for call in each} if joins else set()
            self._ran[connection] = {
                call: set().union(*(each.get(call, set()) for each in self._ran.values())) for call in calls
            }
        ran = self._ran[connection]
        delta = mapping(event.get("delta"))
        runs = text(delta.get("message_type")) in RUNS and not self._is_past(connection, {run_of(event)})
        if runs and (call_id := text(delta.get("tool_call_id"))):
            ran.setdefault(call_id, set()).add(run_of(event))
        if event.get("type") == REQUEST:
            return _counted(event, ran)
        if event.get("type") == STATUS:
            status = mapping(event.get("device_status"))
            pending = objects(status.get("pending_control_requests"))
            counted = [_counted(each, ran) for each in pending]
            return {**event, "device_status": {**status, "pending_control_requests": counted}}
        return event

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
        self.turn_is_over = self.turn_is_over or event.get("type") == END
        self._events.put_nowait((connection, event))

    def _with_new_requests(self, connection: Connection, event: Frame) -> Frame:
        """Return a status without the requests for approval of earlier turns; other events as they are."""
        if event.get("type") != STATUS:
            return event
        status = mapping(event.get("device_status"))
        pending = objects(status.get("pending_control_requests"))
        fresh = [each for each in pending if not self._is_past(connection, {(REQUEST, each.get("request_id"))})]
        return {**event, "device_status": {**status, "pending_control_requests": fresh}}


def _names(event: Frame) -> set[object]:
    """Return the names by which an event, or what it reports, is known: its identity, its run, its requests."""
    if event.get("type") == REQUEST:
        return {(REQUEST, text(event.get("request_id")))}
    names: set[object] = {each for each in (identity(event), run_of(event)) if each}
    if event.get("type") == STATUS:
        status = mapping(event.get("device_status"))
        names |= {(REQUEST, text(each.get("request_id"))) for each in objects(status.get("pending_control_requests"))}
    return names


def _counted(request: Frame, ran: Mapping[str, set[str]]) -> Frame:
    """Return *request* with the number of runs that had calls with the id of its call."""
    times = len(ran.get(text(mapping(request.get("request")).get("tool_call_id")), ()))
    return {**request, TIMES: times} if times else request
