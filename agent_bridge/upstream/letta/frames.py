"""The frames of the App Server protocol, version 1: JSON objects, one in each text message of the WebSocket.

A command has a ``type`` and a ``request_id``, and its response has the same id. All other frames are events of a
runtime, which is one conversation with one agent. The declarations in ``dist/types`` of the package ``letta`` define
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent_bridge.upstream.transport.json_values import mapping, text

Frame = dict[str, Any]

#: Kinds of events: the end of a turn, a request for approval, and a state of the device with the undecided requests.
END, REQUEST, STATUS = "turn_finished", "control_request", "update_device_status"
#: The field that :class:`~agent_bridge.upstream.letta.feed.Feed` adds to a request: the number of times that calls with
#: the same id have run in the turn. Language models use the id of a call again, and with it the id of its request.
TIMES = "times"

PROTOCOL_VERSION = 1
#: Bytes of a frame that the bridge reads: a page of the list of agents has about 3 MB.
MAX_FRAME = 64 * 1024**2
#: Bytes of an event at which the server ends the connection. Measured with version 0.34.12.
MAX_EVENT = 16_000_000
#: Capabilities without which the bridge cannot use a server.
NEEDED = ("agent_management", "conversation_management", "runtime_start")


@dataclass(frozen=True, slots=True)
class Runtime:
    """One conversation with one agent, as commands and events name it."""

    agent_id: str
    conversation_id: str

    def as_json(self) -> dict[str, str]:
        """Return the value of ``runtime`` in a command."""
        return {"agent_id": self.agent_id, "conversation_id": self.conversation_id}


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The response to ``app_server_info``."""

    version: str
    protocol_version: int
    #: The names of the capabilities that are true.
    capabilities: frozenset[str]

    def __str__(self) -> str:
        """Return the versions for operators."""
        return f"App Server {self.version or '?'}, protocol {self.protocol_version}"

    @property
    def missing(self) -> tuple[str, ...]:
        """The needed capabilities that the server lacks."""
        return tuple(name for name in NEEDED if name not in self.capabilities)


def server_info(frame: Frame) -> ServerInfo:
    """Read the response to ``app_server_info``; missing fields count as an unknown version without capabilities."""
    version, found = frame.get("protocol_version"), mapping(frame.get("capabilities"))
    return ServerInfo(
        text(frame.get("letta_code_version")),
        version if isinstance(version, int) else 0,
        frozenset(name for name, value in found.items() if value is True),
    )


def conversation_of(frame: Frame) -> str:
    """Return the id of the conversation to which an event belongs, empty for other frames."""
    return text(mapping(frame.get("runtime")).get("conversation_id")) or text(frame.get("conversation_id"))


def identity(frame: Frame) -> tuple[object, ...] | None:
    """Return the identity of an event, the same on every connection; None for a state, which may be repeated.

    ``event_seq`` and ``idempotency_key`` differ between connections. The chunks of a run are numbered by ``seq_id``.
    """
    kind = frame.get("type")
    if kind == END:
        return kind, text(frame.get("turn_id"))
    if kind == REQUEST:
        return kind, text(frame.get("request_id")), frame.get(TIMES, 0)
    if kind != "stream_delta":
        return None
    delta = mapping(frame.get("delta"))
    run, number = text(delta.get("run_id")), delta.get("seq_id")
    if run and isinstance(number, int):
        return kind, run, number
    return kind, run, *(text(delta.get(key)) for key in ("id", "message_type", "tool_call_id"))


def is_request(name: object) -> bool:
    """Tell whether *name* is the identity of a request for approval."""
    return isinstance(name, tuple) and name[0] == REQUEST


def without_requests(names: frozenset[object]) -> frozenset[object]:
    """Return *names* of events without those of requests for approval."""
    return frozenset(each for each in names if not is_request(each))


def run_of(frame: Frame) -> str:
    """Return the id of the run to which an event belongs, empty if it names none."""
    return text(frame.get("run_id")) or text(mapping(frame.get("delta")).get("run_id"))
