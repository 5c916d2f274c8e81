"""The requests of the A2A protocol in both of its versions."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.answer import AnswerRequest


class Method(StrEnum):
    """The methods that the bridge calls, by their names in version 1.0."""

    SEND = "SendMessage"
    STREAM = "SendStreamingMessage"
    GET = "GetTask"
    LIST = "ListTasks"
    CANCEL = "CancelTask"
    SUBSCRIBE = "SubscribeToTask"


_OLD_NAMES = MappingProxyType(
    {
        Method.SEND: "message/send",
        Method.STREAM: "message/stream",
        Method.GET: "tasks/get",
        Method.LIST: "tasks/list",
        Method.CANCEL: "tasks/cancel",
        Method.SUBSCRIBE: "tasks/resubscribe",
    }
)


def message_id(request: AnswerRequest, repeats: int) -> str:
    """Return the id of the message of *request*, which is the same for every attempt."""
    return f"ab-{request.idempotency_key}" + (f"-{repeats}" if repeats else "")


@dataclass(frozen=True, slots=True)
class Address:
    """The place of a message among the conversations of an agent; each id may be empty."""

    context_id: str = ""
    #: The task that the message continues.
    task_id: str = ""
    #: A task that has ended, to which the message would have belonged.
    earlier_task: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A version of the protocol."""

    #: ``Major.Minor``.
    version: str
    is_old: bool = False

    def name(self, method: Method) -> str:
        """Return the name of *method*."""
        return _OLD_NAMES[method] if self.is_old else method

    def send(self, message: ChatMessage, message_id: str, address: Address) -> dict[str, Any]:
        """Return the parameters of a request that sends *message*. It returns before the task has ended."""
        body: dict[str, Any] = {
            "messageId": message_id,
            "role": "user" if self.is_old else "ROLE_USER",
            "parts": self._parts(message),
        }
        ids = {"contextId": address.context_id, "taskId": address.task_id}
        body |= {key: value for key, value in ids.items() if value}
        if address.earlier_task:
            body["referenceTaskIds"] = [address.earlier_task]
        if self.is_old:
            return {"message": body | {"kind": "message"}, "configuration": {"blocking": False}}
        return {"message": body, "configuration": {"returnImmediately": True}}

    def _parts(self, message: ChatMessage) -> list[dict[str, Any]]:
        parts = [self._text(message.content)] if message.content or not message.images else []
        for number, image in enumerate(message.images, 1):
            name = image.name or f"image-{number}.{image.content_type.rpartition('/')[2]}"
            parts.append(self._file(base64.b64encode(image.data).decode(), name, image.content_type))
        return parts

    def _text(self, content: str) -> dict[str, Any]:
        return {"kind": "text", "text": content} if self.is_old else {"text": content}

    def _file(self, raw: str, name: str, media_type: str) -> dict[str, Any]:
        if self.is_old:
            return {"kind": "file", "file": {"bytes": raw, "name": name, "mimeType": media_type}}
        return {"raw": raw, "filename": name, "mediaType": media_type}


#: The versions, the preferred one first.
DIALECTS = (Dialect("1.0"), Dialect("0.3", is_old=True))


def dialect_of(version: str) -> Dialect | None:
    """Return the dialect of a protocol version such as ``1.0`` or ``0.3.0``; None: the bridge does not speak it."""
    major_minor = ".".join(version.split(".")[:2])
    return next((each for each in DIALECTS if each.version == major_minor), None)
