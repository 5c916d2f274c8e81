"""The tools by which an agent works on tasks and posts events, in the room in which it was asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.agent_events import MOST_TEXT, NewEvent
from agent_bridge.core.names import one_line
from agent_bridge.core.results.events import EventRefused
from agent_bridge.core.results.tasks import TaskRefused
from agent_bridge.core.tasks import MOST_TITLE, TaskAction, TaskState
from agent_bridge.render.tasks import structured
from agent_bridge.upstream.client_tools import ClientTool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_bridge.bridge.collaboration.events import AgentEvents
    from agent_bridge.bridge.collaboration.tasks import TaskService
    from agent_bridge.core.actors import Actor
    from agent_bridge.core.tasks import Task
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.tasks import Tasks

    #: Returns the output of a tool.
    Run = Callable[[Mapping[str, Any]], Awaitable[str]]

#: Tasks that one call lists.
_LISTED = 100
#: The states that an agent gives a task, with the actions that lead there.
_ACTIONS = {
    TaskState.WORKING: TaskAction.PROGRESS,
    TaskState.INPUT_REQUIRED: TaskAction.ASK_INPUT,
    TaskState.AUTH_REQUIRED: TaskAction.ASK_AUTH,
    TaskState.COMPLETED: TaskAction.DONE,
    TaskState.FAILED: TaskAction.FAIL,
    TaskState.REJECTED: TaskAction.REJECT,
    TaskState.CANCELED: TaskAction.CANCEL,
}
_NUMBER = {"type": "integer", "description": "Number of the task."}


def _tool(name: str, description: str, /, required: Sequence[str] = (), **properties: Mapping[str, Any]) -> ClientTool:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ClientTool(f"matrix_{name}", description, schema)


WORK_TOOLS = (
    _tool(
        "post_event",
        "Post an event about your work into the Matrix room of this conversation, for people and programs.",
        ("kind",),
        kind={
            "type": "string",
            "description": "progress, result, error, session_summary, or another word of a-z, 0-9, _ and .",
        },
        data={"type": "object", "description": "Any JSON object, for example {confidence: 0.87}."},
        text={"type": "string", "description": "Text for people. Default: one that is made of kind and data."},
    ),
    _tool("tasks", "List the open tasks of the Matrix room of this conversation, one JSON object in each line."),
    _tool(
        "task_new",
        "Make a task in the Matrix room of this conversation, which people and agents can claim.",
        ("title",),
        title={"type": "string", "description": f"At most {MOST_TITLE} characters."},
        parent={"type": "integer", "description": "Number of the task of which it is a part. Default: of none."},
    ),
    _tool("task_claim", "Claim a task that nobody works on, before you begin with it.", ("number",), number=_NUMBER),
    _tool(
        "task_update",
        "Tell how far a task is that you have claimed, or close it.",
        ("number",),
        number=_NUMBER,
        state={"type": "string", "enum": [str(each) for each in _ACTIONS], "description": "Default: working."},
        progress={"type": "integer", "minimum": 0, "maximum": 100, "description": "Percentage."},
        note={"type": "string", "description": "The result, the question, or the cause of a failure."},
    ),
)


class Unusable(Exception):
    """Arguments that a tool cannot use; the message is for the agent."""


@dataclass(frozen=True, slots=True)
class WorkServices:
    """The functions that the tools call."""

    database: Database
    events: AgentEvents
    tasks: TaskService
    store: Tasks


@dataclass(frozen=True, slots=True)
class WorkTools:
    """The tools of one answer. A repeated call acts once: the names of its requests derive from *key*."""

    services: WorkServices
    actor: Actor
    #: Name of the agent.
    name: str
    room_id: str
    #: Name of the turn, and of the call.
    turn: str
    key: str

    @property
    def runs(self) -> Mapping[str, Run]:
        """The tools by their names."""
        return {
            "matrix_post_event": self._post_event,
            "matrix_tasks": self._tasks,
            "matrix_task_new": self._task_new,
            "matrix_task_claim": self._task_claim,
            "matrix_task_update": self._task_update,
        }

    async def _post_event(self, arguments: Mapping[str, Any]) -> str:
        kind, text = _text(arguments, "kind"), _text(arguments, "text")
        data = arguments.get("data") or {}
        if not isinstance(data, dict):
            raise Unusable("data must be an object")
        if len(text) > MOST_TEXT:
            raise Unusable(f"text has up to {MOST_TEXT} characters")
        if (refused := await self.services.events.refusal(self.actor, self.room_id)) is not None:
            raise Unusable(_said(refused))
        new = NewEvent(
            key=self.key,
            room_id=self.room_id,
            actor=self.actor,
            kind=kind,
            data=data,
            text=text,
            turn=self.turn,
        )
        async with self.services.database.transaction() as connection:
            refused = await self.services.events.post(connection, new, self.name)
        if refused is not None:
            raise Unusable(_said(refused))
        return f"posted {kind}"

    async def _tasks(self, _arguments: Mapping[str, Any]) -> str:
        await self._permit()
        found, _ = await self.services.store.in_room(self.room_id, closed=False, limit=_LISTED)
        lines = [json.dumps(structured(each, ()), ensure_ascii=False) for each in found]
        return "\n".join(lines) or "there are no open tasks"

    async def _task_new(self, arguments: Mapping[str, Any]) -> str:
        await self._permit()
        title, parent = one_line(_text(arguments, "title")), arguments.get("parent")
        service, actor = self.services.tasks, self.actor
        if parent is None:
            return await self._changed(
                lambda connection: service.create(connection, actor, self.key, self.room_id, title)
            )
        number = await self._number({"number": parent})
        async with self.services.database.transaction() as connection:
            split = await service.split(connection, actor, self.key, number, [title])
        if isinstance(split, TaskRefused):
            raise Unusable(_said(split))
        found = await self.services.store.find(split[1][0])
        return "the task is gone" if found is None else _task(found)

    async def _task_claim(self, arguments: Mapping[str, Any]) -> str:
        await self._permit()
        number = await self._number(arguments)
        return await self._changed(lambda connection: self.services.tasks.claim(connection, self.actor, number))

    async def _task_update(self, arguments: Mapping[str, Any]) -> str:
        await self._permit()
        number, state = await self._number(arguments), arguments.get("state", str(TaskState.WORKING))
        action = next((action for each, action in _ACTIONS.items() if each == state), None)
        percent = arguments.get("progress")
        if action is None or not (percent is None or (isinstance(percent, int) and not isinstance(percent, bool))):
            raise Unusable("state or progress is none that a task can have")
        service, note = self.services.tasks, _text(arguments, "note")
        if action is TaskAction.CANCEL:
            return await self._changed(lambda connection: service.cancel(connection, self.actor, number))
        return await self._changed(
            lambda connection: service.report(connection, self.actor, number, action, percent=percent, note=note)
        )

    async def _permit(self) -> None:
        refused = await self.services.tasks.refusal(self.actor, self.room_id)
        if refused is not None:
            raise Unusable("there can be no tasks in this room: the bridge bot or you cannot write here")

    async def _number(self, arguments: Mapping[str, Any]) -> int:
        """Return the number of a task of the room."""
        number = arguments.get("number")
        is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63
        found = await self.services.store.find(number) if is_number and number is not None else None
        if found is None or found.room_id != self.room_id:
            raise Unusable("there is no such task in this room")
        return found.number

    async def _changed(self, change: Callable[[Connection], Awaitable[Task | TaskRefused]]) -> str:
        async with self.services.database.transaction() as connection:
            changed = await change(connection)
        if isinstance(changed, TaskRefused):
            raise Unusable(_said(changed))
        return _task(changed)


def _task(task: Task) -> str:
    return json.dumps(structured(task, ()), ensure_ascii=False)


def _said(refused: TaskRefused | EventRefused) -> str:
    """Return a refusal for the agent."""
    if isinstance(refused, EventRefused):
        facts = {"place": refused.place, "limit": refused.most}
    else:
        facts = {"task": refused.number, "state": refused.state, "by": refused.by, "limit": refused.most}
    return json.dumps({"refused": refused.problem} | {key: value for key, value in facts.items() if value})


def _text(arguments: Mapping[str, Any], key: str) -> str:
    value = arguments.get(key)
    return value if isinstance(value, str) else ""
