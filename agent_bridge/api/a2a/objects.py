"""The objects of A2A: the card of an agent, and the task that a question is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent_bridge.core.agents import Agent
    from agent_bridge.core.results.programs import Answered, AnsweredFile, Asked

Json = dict[str, Any]

#: The version of the protocol.
VERSION = "1.0"
_BEARER, _MARKDOWN = "token", "text/markdown"
_STATES = {
    "answered": "TASK_STATE_COMPLETED",
    "stopped": "TASK_STATE_CANCELED",
    "failed": "TASK_STATE_FAILED",
    "working": "TASK_STATE_WORKING",
}
WORKING, _REJECTED = _STATES["working"], "TASK_STATE_REJECTED"
#: The words of a task that no agent was asked.
_NOBODY = "no agent was asked: the message is beyond the budget of agents that ask one another"
#: Stands between the parts of a task's id and of a context's id: no id of Matrix, and no handle, has it.
_THREAD = "|"


def card_of(agent: Agent, url: str) -> Json:
    """Return the card of *agent*, whose endpoint is at *url*."""
    about = agent.settings.description or agent.description or agent.name
    skill = {"id": "conversation", "name": agent.name, "description": about, "tags": ["matrix"]}
    return {
        "name": agent.name,
        "description": about,
        "version": __version__,
        "supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": VERSION}],
        "capabilities": {"streaming": True, "pushNotifications": False},
        "securitySchemes": {_BEARER: {"httpAuthSecurityScheme": {"scheme": "bearer"}}},
        "securityRequirements": [{"schemes": {_BEARER: {"list": []}}}],
        "defaultInputModes": ["text/plain", _MARKDOWN],
        "defaultOutputModes": [_MARKDOWN],
        "skills": [skill],
    }


def context_id(room_id: str, thread: str) -> str:
    """Return the id of the context that a room, or a thread in it, is."""
    return f"{room_id}{_THREAD}{thread}" if thread else room_id


def task_id(handle: str, thread: str) -> str:
    """Return the id of the task of a question."""
    return f"{handle}{_THREAD}{thread}" if thread else handle


def parsed_id(text: str) -> tuple[str, str]:
    """Return the two parts of the id of a context or of a task; the thread is empty outside of threads."""
    first, _, thread = text.partition(_THREAD)
    return first, thread


class TaskView:
    """The task that the question *asked* in *thread* is, as far as *agent* (a user id) answers it."""

    def __init__(self, asked: Asked, thread: str, agent: str) -> None:
        own = [each for each in asked.answers if each.user_id == agent]
        self._answers: Sequence[Answered] = own or asked.answers
        self._asked = asked
        self.id = task_id(asked.handle, thread)
        self.context_id = context_id(asked.room_id, thread)

    @property
    def question(self) -> tuple[str, str]:
        """The room and the event of the question."""
        return self._asked.room_id, self._asked.event_id

    @property
    def rests(self) -> bool:
        """Whether it has ended."""
        return self._state != WORKING

    @property
    def is_canceled(self) -> bool:
        """Whether somebody has ended it."""
        return self._state == _STATES["stopped"]

    @property
    def _state(self) -> str:
        states = {each.status for each in self._answers}
        if not self._answers:
            return _REJECTED if self._asked.is_complete else WORKING
        order = ("working", "answered", "stopped")
        return _STATES[next((each for each in order if each in states), "failed")]

    def shown(self) -> Json:
        """Return the whole task."""
        return {
            "id": self.id,
            "contextId": self.context_id,
            "status": self._status(),
            "artifacts": [*self._artifacts()],
        }

    def updates(self) -> Iterator[Json]:
        """Yield the events of its end."""
        ids = {"taskId": self.id, "contextId": self.context_id}
        for artifact in self._artifacts():
            yield {"artifactUpdate": {**ids, "artifact": artifact, "append": False, "lastChunk": True}}
        yield {"statusUpdate": {**ids, "status": self._status()}}

    def _status(self) -> Json:
        errors = [each.error for each in self._answers if each.error and each.status == "failed"]
        if self._state == _REJECTED:
            errors = [_NOBODY]
        if not errors or self._state not in (_STATES["failed"], _REJECTED):
            return {"state": self._state}
        message = {
            "messageId": f"{self.id}-error",
            "contextId": self.context_id,
            "taskId": self.id,
            "role": "ROLE_AGENT",
            "parts": [{"text": each} for each in errors],
        }
        return {"state": self._state, "message": message}

    def _artifacts(self) -> Iterator[Json]:
        for number, each in enumerate(self._answers):
            parts: list[Json] = [{"text": each.text, "mediaType": _MARKDOWN}] if each.text else []
            parts += [_file_part(file) for file in each.files]
            if self.rests and parts:
                yield {"artifactId": f"answer-{number}", "name": each.name, "parts": parts}


def _file_part(file: AnsweredFile) -> Json:
    """Return the part with a file; the metadata of an encrypted one open it."""
    part: Json = {"url": file.url, "filename": file.name, "mediaType": file.content_type}
    return part if file.file is None else part | {"metadata": {"file": dict(file.file)}}
