"""The tools, by subject."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, FileBody, Responded
from agent_bridge.api.endpoints import agent_events, agents, directory, messages, places, tasks, votes
from agent_bridge.api.mcp import joined_tools
from agent_bridge.api.mcp.joined_tools import LONGEST_WAIT
from agent_bridge.api.mcp.tool import Tool, tool_of
from agent_bridge.api.model import ApiModel, RoomName, Text
from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes of a file.
MAX_FILE = 1024 * 1024


async def _share_file(call: ApiCall, given: Any) -> ApiModel | Responded:
    """Share the file that the arguments contain."""
    if (given.text is None) == (given.base64 is None):
        raise ProgramRefused(Problem.INVALID_REQUEST, "a file has either text or base64")
    try:
        data = given.text.encode() if given.base64 is None else base64.b64decode(given.base64, validate=True)
    except (ValueError, binascii.Error):
        raise ProgramRefused(Problem.INVALID_REQUEST, "base64: is no Base64") from None
    if len(data) > MAX_FILE:
        raise ProgramRefused(Problem.FILE_TOO_LARGE, f"a file of a tool has up to {MAX_FILE} bytes: use the HTTP API")
    file = FileBody(data, given.content_type or ("application/octet-stream" if given.text is None else "text/plain"))
    result: ApiModel | Responded = await messages.share_file.run(call, room=given.room, query=given, file=file)
    return result


def all_tools() -> Sequence[Tool]:
    """Return all tools, in the order of the documents."""
    return (
        joined_tools.me(),
        tool_of(
            directory.who,
            "List the agents and the people you can talk to: name, role, description, whether online, last seen.",
        ),
        tool_of(
            messages.send,
            "Send a message to an agent, a person or a room, without waiting. In rooms of several, agents answer only "
            "if you mention them. To get an answer, use ask.",
        ),
        joined_tools.ask(),
        joined_tools.read(),
        tool_of(messages.react, "React to a message with an emoji. 🛑 stops the answer of an agent, 🔁 asks it again."),
        tool_of(
            messages.share_file,
            "Share a file of up to 1 MiB in a room: pass its content as text, or as base64.",
            run=_share_file,
            text=(Text | None, Field(None, max_length=MAX_FILE, description="The content of a text file.")),
            base64=(str | None, Field(None, max_length=MAX_FILE * 4 // 3 + 4, description="Other content, as Base64.")),
            content_type=(
                Text | None,
                Field(None, max_length=200, pattern=r"^[\x21-\x7e]+/[\x20-\x7e]+$", examples=["text/csv"]),
            ),
        ),
        tool_of(places.new_chat, "Make a new private room of your person and an agent.", name="create_chat"),
        tool_of(
            agent_events.post_event,
            "Post an event about your work into a room, for people and programs: how far you are, or a result as data.",
            room=(
                RoomName,
                Field(
                    description="A room id, an alias, or the name of an agent or a channel; `-`: the log of the agents."
                ),
            ),
        ),
        tool_of(tasks.tasks, "List the open tasks of a room, or those that are assigned to you."),
        tool_of(
            tasks.new_task,
            "Make a task in a room, which people and agents can claim; with `parent`, a part of a task.",
            name="task_create",
        ),
        joined_tools.task_update(),
        tool_of(votes.votes, "List the votes of a room, with their answers and the numbers of votes."),
        tool_of(votes.new_vote, "Begin a vote of people and agents in a room.", name="vote_create"),
        joined_tools.vote(),
        tool_of(
            agents.inbox,
            "Get the messages that wait for your reply, if you are an agent that connects itself. They stay until you "
            "call reply for each.",
            wait=(float, Field(0, ge=0, description=f"Seconds to wait for one, at most {LONGEST_WAIT:g}.")),
        ),
        tool_of(agents.reply, "Reply to a message of your inbox. The room shows it as your message."),
        tool_of(
            agents.register_agent,
            "Register an agent that connects itself. It gets a room, and a token of its own for the inbox, which the "
            "result contains: keep it secret.",
        ),
    )
