"""The tools, by subject."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, FileBody, Responded
from agent_bridge.api.endpoints import agents, asking, directory, messages, places, work
from agent_bridge.api.mcp.tool import Tool, tool_of
from agent_bridge.api.model import ApiModel, Text
from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seconds for which a tool waits at most, and by default: well-known clients give a call up after 60 seconds.
LONGEST_WAIT, _WAIT = 50.0, 45.0
#: Bytes of a file.
MAX_FILE = 1024 * 1024
_WAITS = Field(_WAIT, ge=0, description=f"Seconds to wait, at most {LONGEST_WAIT:g}.")


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
        tool_of(directory.me, "Tell who you are here: your user id, your role, and the rooms of your token."),
        tool_of(
            directory.who,
            "List the agents and the people you can talk to: name, role, description, whether online, last seen.",
        ),
        tool_of(directory.rooms, "List your rooms, those that were used last first."),
        tool_of(
            messages.send,
            "Send a message to an agent, a person or a room, without waiting. In rooms of several, agents answer only "
            "if you mention them. To get an answer, use ask.",
        ),
        tool_of(
            asking.ask,
            "Ask an agent, and wait for its answer. If is_complete is false, the agent still works: call ask_result "
            "with the handle. Do not ask again.",
            timeout=(float, _WAITS),
        ),
        tool_of(
            asking.answers,
            "Wait for the answer to an earlier question. Call it again while is_complete is false.",
            name="ask_result",
            wait=(float, _WAITS),
        ),
        tool_of(
            messages.read_messages,
            "Read the newest messages of a room, oldest first. For older ones, pass `before` of the result; for newer "
            "ones, the last event id as `after`.",
            name="read",
            limit=(int, Field(20, ge=1, le=50)),
        ),
        tool_of(messages.search, "Search the messages of your rooms, or of one room, for words."),
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
            work.post_event,
            "Post an event about your work into a room, for people and programs: how far you are, or a result as data.",
        ),
        tool_of(work.tasks, "List the open tasks of a room, or those that are assigned to you."),
        tool_of(
            work.new_task,
            "Make a task in a room, which people and agents can claim; with `parent`, a part of a task.",
            name="task_create",
        ),
        tool_of(work.claim_task, "Claim a task that nobody works on, before you begin with it.", name="task_claim"),
        tool_of(
            work.update_task,
            "Tell how far a task is that you have claimed, or close it with its result.",
            name="task_update",
        ),
        tool_of(work.votes, "List the votes of a room, with their answers and the numbers of votes."),
        tool_of(work.vote, "Vote in a room. Your last answer counts."),
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
