"""Conversations of a scripted App Server, and parts of its frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from aiohttp import web

    Frame = dict[str, Any]


@dataclass(eq=False)
class Talk:
    """A conversation of the server."""

    id: str
    agent_id: str
    summary: str
    archived: bool = False
    messages: list[Frame] = field(default_factory=list)
    #: The connections that follow it.
    followers: set[web.WebSocketResponse] = field(default_factory=set)
    #: The answer that is given now.
    task: asyncio.Task[None] | None = None
    #: Whether its last turn was ended by a command, so that it takes no message before it is synchronised.
    interrupted: bool = False
    #: The run that was given up, and blocks the conversation.
    stuck: str = ""
    #: The run that goes on, empty without one.
    run: str = ""
    #: Requests for approval that are undecided.
    pending: dict[str, asyncio.Future[Frame]] = field(default_factory=dict)

    @property
    def runtime(self) -> dict[str, str]:
        """Its name in events."""
        return {"agent_id": self.agent_id, "conversation_id": self.id}

    @property
    def is_running(self) -> bool:
        """Whether an answer is given."""
        return self.task is not None and not self.task.done()


def lost_calls(talk: Talk) -> set[str]:
    """Return the tool calls without results: the conversation accepts no message then."""
    calls = {each["tool_call"]["tool_call_id"] for each in talk.messages if "tool_call" in each}
    return calls - {each["tool_call_id"] for each in talk.messages if "tool_call_id" in each}


def shown(talk: Talk) -> Frame:
    return {"id": talk.id, "agent_id": talk.agent_id, "summary": talk.summary, "archived": talk.archived}


def parts(content: object) -> object:
    """Return the content of a message as the history has it."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def asks(request_id: str) -> Frame:
    offer = {"id": "save-default", "text": "Yes, and do not ask again"}
    call_id = request_id.removeprefix("perm-")
    return {
        "subtype": "can_use_tool",
        "tool_name": "Bash",
        "input": {"command": "ls"},
        "tool_call_id": call_id,
        "permission_suggestions": [offer],
    }
