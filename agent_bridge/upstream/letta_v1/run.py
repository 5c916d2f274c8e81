"""The events of one run of an agent, which may arrive over several connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.upstream.answer import ToolCall
from agent_bridge.upstream.letta_v1.approvals import Pending
from agent_bridge.upstream.letta_v1.rest import waits_for_approval
from agent_bridge.upstream.transport.error_body import parse_error
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.text import load_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.transport.error_body import ErrorReport
    from agent_bridge.upstream.transport.letta_messages import DeltaReader
    from agent_bridge.upstream.transport.sse import Event

_DONE = "[DONE]"
_ERROR, _ASKS, _CALLS = "error_message", "approval_request_message", "tool_call_message"
_LIMITED, _PING = "llm_rate_limit", "ping"
_APPROVAL = "requires_approval"
#: The reason of a run that ended by a command.
CANCELLED = "cancelled"
#: Reasons for the end of a complete answer; and of one that reached a limit.
_WHOLE = frozenset({"end_turn", "tool_rule", "no_tool_call"})
LIMITS = frozenset({"max_steps", "max_tokens_exceeded"})


class Run:
    """One run. *reader* has read the runs of the same answer before it."""

    def __init__(self, reader: DeltaReader) -> None:
        self._reader = reader
        #: The server's id, empty before the first event.
        self.id = ""
        #: The number of the last event, 0 if the events have no numbers.
        self.seq = 0
        #: The reason for its end, empty before.
        self.stop_reason = ""
        #: The error inside the stream; None without one.
        self.error: Mapping[str, Any] | None = None
        #: The ids of the calls that the server runs without a decision, and of all that wait for one.
        self.called: set[str] = set()
        self._asked: set[str] = set()
        self._asks: dict[str, ToolCall] = {}
        self._asking = ""
        #: Whether the server, after the first event, says only that it is there.
        self.is_silent = False

    @property
    def ended(self) -> bool:
        """Whether the end is known. A connection that ends earlier was lost."""
        return bool(self.stop_reason) or self.error is not None

    @property
    def is_whole(self) -> bool:
        """Whether it ended as it should, perhaps at a limit. No other sign tells that."""
        return self.error is None and self.stop_reason in _WHOLE | LIMITS

    @property
    def pending(self) -> Pending | None:
        """The calls because of which the run ended, None if it ended for another reason."""
        if self.error is not None or self.stop_reason != _APPROVAL or not self._asks:
            return None
        return Pending(self._asking, tuple(self._asks.values()))

    @property
    def was_refused(self) -> bool:
        """Whether it failed at once because an earlier request for approval is undecided."""
        return self.error is not None and waits_for_approval(_words(self.error)) and not self.called

    @property
    def report(self) -> ErrorReport:
        """The failure, as far as the server described it."""
        error: Mapping[str, Any] = self.error or {}
        report = {"code": self.stop_reason, "type": text(error.get("error_type")), "message": _words(error)}
        if report["type"] == _LIMITED:
            return parse_error({"code": "429", "error": report})
        return parse_error(report)

    def feed(self, event: Event) -> Iterator[AnswerEvent]:
        """Yield the events of the answer in one event of the stream. A repeated one has none."""
        if event.data.strip() == _DONE:
            return
        try:
            message = mapping(load_json(event.data))
        except ValueError:
            # A cut connection leaves the beginning of an event.
            return
        number, kind = message.get("seq_id"), message.get("message_type")
        if isinstance(number, int):
            # A sign of life has the number of the event before it.
            if number <= self.seq and kind not in (_ERROR, _PING):
                return
            self.seq = max(self.seq, number)
        yield from self.read(message)

    def read(self, message: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        """Yield the events of the answer in *message*."""
        kind = text(message.get("message_type"))
        self.is_silent = bool(self.id) and kind == _PING
        self.id = self.id or text(message.get("run_id"))
        if kind == _ERROR:
            self.error = message
            return
        if kind == "stop_reason":
            # A failure may give two reasons. The first one is the cause.
            self.stop_reason = self.stop_reason or text(message.get("stop_reason"))
        if kind in (_ASKS, _CALLS):
            calls = objects(message.get("tool_calls")) or [dict(mapping(message.get("tool_call")))]
            ids = {text(each.get("tool_call_id")) for each in calls} - {""}
            if kind == _ASKS:
                self._asked |= ids
                self._asking = text(message.get("id"))
            else:
                self.called |= ids
        yield from self._noted(self._reader.read(message))

    def close(self) -> Iterator[AnswerEvent]:
        """Yield the events that are left at the end of the run."""
        yield from self._noted(self._reader.close())

    def _noted(self, events: Iterator[AnswerEvent]) -> Iterator[AnswerEvent]:
        for each in events:
            if isinstance(each, ToolCall) and each.call_id in self._asked:
                self._asks[each.call_id] = each
            yield each


def _words(error: Mapping[str, Any]) -> str:
    """Return the words of an error: its ``message`` is the same for many causes, its ``detail`` names the cause."""
    return text(error.get("detail")) or text(error.get("message"))
