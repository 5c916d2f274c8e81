"""The objects of the A2A protocol, as far as the bridge uses them, read from the JSON of both versions.

Version 0.3 names the type of an object in its field ``kind``; in version 1.0 the name of a field tells it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Characters of an id. The database has to hold it.
_MAX_ID = 500
#: Parts of one message or artifact that are read.
_MAX_PARTS = 1_000


class State(Enum):
    """The state of a task, as far as it decides about the answer."""

    #: It goes on: submitted, working, or a state that the bridge does not know.
    OPEN = auto()
    #: It waits for a message of the person.
    ASKS = auto()
    COMPLETED = auto()
    FAILED = auto()
    CANCELED = auto()
    REJECTED = auto()

    @property
    def is_end(self) -> bool:
        """Whether the task takes no further messages."""
        return self not in (State.OPEN, State.ASKS)


_STATES = {
    "input-required": State.ASKS,
    "auth-required": State.ASKS,
    "completed": State.COMPLETED,
    "failed": State.FAILED,
    "canceled": State.CANCELED,
    "cancelled": State.CANCELED,
    "rejected": State.REJECTED,
}
_PREFIX = "task-state-"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message or of an artifact: one of *text*, *url*, *raw* and *data* is not None."""

    text: str | None = None
    url: str | None = None
    #: In base64.
    raw: str | None = None
    #: Any JSON value, wrapped because it may be None itself.
    data: tuple[Any] | None = None
    name: str = ""
    media_type: str = ""

    @property
    def size(self) -> int:
        """Characters of a text, or of the base64 of a file."""
        return len(self.text or self.raw or "")


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a task, with the words of the agent about it."""

    state: State
    parts: tuple[Part, ...] = ()
    #: The id of the message with these words; empty without one.
    message_id: str = ""
    #: Tells it from other statuses of the task; empty if the server gives no means for that.
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A result of a task."""

    id: str
    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """A task as a whole."""

    id: str
    context_id: str
    status: Status
    artifacts: tuple[Artifact, ...] = ()
    #: The ids of the messages in its history; the words of the agent's last one.
    message_ids: frozenset[str] = frozenset()
    last_words: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A message of the agent that is the whole answer, without a task."""

    context_id: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """A task has another status."""

    task_id: str
    context_id: str
    status: Status


@dataclass(frozen=True, slots=True)
class ArtifactUpdate:
    """A task has a new artifact, or (*appends*) more parts of a known one."""

    task_id: str
    artifact: Artifact
    appends: bool


Update = Task | Reply | StatusUpdate | ArtifactUpdate


def read_update(value: Mapping[str, Any]) -> Update | None:
    """Return the object in the result of a request that sends a message, or in an event; None for any other value."""
    kinds = {"task": "task", "message": "message", "statusUpdate": "status-update", "artifactUpdate": "artifact-update"}
    for field, kind in kinds.items():
        # A task of version 0.3 may have fields of these names.
        if isinstance(value.get(field), dict) and "kind" not in value:
            return _read(kind, value[field])
    return _read(text(value.get("kind")), value)


def read_task(value: Mapping[str, Any]) -> Task | None:
    """Return the task in the result of a request about tasks; None for any other value."""
    task_id = _id(value.get("id"))
    if not task_id or "status" not in value:
        return None
    history = objects(value.get("history"))
    said = [each for each in history if text(each.get("role")).lower().removeprefix("role_") == "agent"]
    return Task(
        task_id,
        _id(value.get("contextId")),
        _status(value.get("status")),
        tuple(_artifact(each) for each in objects(value.get("artifacts"))),
        frozenset(text(each.get("messageId")) for each in history) - {""},
        _parts(said[-1].get("parts")) if said else (),
    )


def _read(kind: str, value: Mapping[str, Any]) -> Update | None:
    match kind:
        case "task":
            return read_task(value)
        case "message":
            return Reply(_id(value.get("contextId")), _parts(value.get("parts")))
        case "status-update":
            return StatusUpdate(_id(value.get("taskId")), _id(value.get("contextId")), _status(value.get("status")))
        case "artifact-update":
            artifact = _artifact(mapping(value.get("artifact")))
            return ArtifactUpdate(_id(value.get("taskId")), artifact, value.get("append") is True)
    return None


def _status(value: Any) -> Status:
    status = mapping(value)
    message = mapping(status.get("message"))
    name = text(status.get("state")).lower().replace("_", "-").removeprefix(_PREFIX)
    message_id = text(message.get("messageId"))
    stamp = f"{message_id} {text(status.get('timestamp'))}".strip()
    return Status(_STATES.get(name, State.OPEN), _parts(message.get("parts")), message_id, storable(stamp)[:_MAX_ID])


def _artifact(value: Mapping[str, Any]) -> Artifact:
    return Artifact(text(value.get("artifactId")), text(value.get("name")), _parts(value.get("parts")))


def _parts(value: Any) -> tuple[Part, ...]:
    found = map(_part, objects(value)[:_MAX_PARTS])
    return tuple(part for part in found if part is not None)


def _part(value: Mapping[str, Any]) -> Part | None:
    file = mapping(value.get("file"))
    name = text(value.get("filename")) or text(file.get("name"))
    media_type = text(value.get("mediaType")) or text(file.get("mimeType"))
    if isinstance(said := value.get("text"), str):
        return Part(text=storable(said))
    if raw := text(value.get("raw")) or text(file.get("bytes")):
        return Part(raw=raw, name=name, media_type=media_type)
    if url := text(value.get("url")) or text(file.get("uri")):
        return Part(url=url, name=name, media_type=media_type)
    if "data" in value:
        return Part(data=(value["data"],), name=name, media_type=media_type)
    return None


def _id(value: Any) -> str:
    """Return an id, empty if it is none that can be stored and sent back."""
    found = text(value)
    return found if len(found) <= _MAX_ID and storable(found) == found else ""
