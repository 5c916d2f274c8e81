"""Tools that stand for several endpoints, where one set of arguments is as clear as several tools."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from agent_bridge.api.endpoint import Responded
from agent_bridge.api.endpoints import asking, directory, messages, tasks, votes
from agent_bridge.api.endpoints.asking import Answers
from agent_bridge.api.endpoints.directory import Me, RoomEntry
from agent_bridge.api.endpoints.messages import Message
from agent_bridge.api.endpoints.tasks import TaskSeen
from agent_bridge.api.mcp.tool import tool_of
from agent_bridge.api.model import LARGEST, ApiModel, RoomName, Text, UserName
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import Capability
from agent_bridge.core.tasks import MOST_SUBTASKS
from agent_bridge.core.votes import LONGEST_ANSWER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.api.endpoint import ApiCall
    from agent_bridge.api.mcp.tool import Tool

#: Seconds for which a tool waits at most, and by default: well-known clients give a call up after 60 seconds.
LONGEST_WAIT, _WAIT = 50.0, 45.0
#: Messages that one call of a tool reads, and their characters: well-known clients refuse, or cut, results of more than
#: 25,000 tokens.
_MOST_READ, _MOST_CHARACTERS = 50, 40_000


class Identity(Me):
    """The token, its identity, and the rooms in which that is."""

    in_rooms: list[RoomEntry] | None = Field(description="Those that were used last come first; null: not asked for.")


class FoundMessages(ApiModel):
    """Messages, oldest first."""

    messages: list[Message]
    before: str | None = Field(description="Cursor of the messages before them; null: there are none, or of a search.")
    after: str | None = Field(description="Id of the newest of them, for after; null for a search.")
    is_complete: bool = Field(description="Whether a search has looked at all messages of all rooms.")


class ChangedTask(TaskSeen):
    """A task as it is now."""

    subtasks: list[TaskSeen] = Field(description="Those that the split has made.")


class VoteChange(ApiModel):
    """What is done about a vote."""

    action: Literal["for", "take_back", "close"] = Field(
        "for", description="for: vote. close: end it, with its result, which its creator and moderators do."
    )
    answer: Text | None = Field(
        None, min_length=1, max_length=LONGEST_ANSWER, description="Text or number of the answer, to vote for."
    )
    number: int | None = Field(None, ge=1, le=LARGEST, description="Number of the vote. Default: the only open one.")


class ChangedVote(ApiModel):
    """The change counts."""

    number: int
    answer: str | None = Field(description="The answer that counts; null: none.")


def me() -> Tool:
    """Return the tool about the identity and its rooms."""

    async def run(call: ApiCall, given: Any) -> ApiModel | Responded:
        identity = await directory.me.run(call)
        if not given.list_rooms:
            return Identity(**identity.model_dump(), in_rooms=None)
        if Capability.READ not in call.token.capabilities:
            raise ProgramRefused(Problem.CAPABILITY_MISSING, f"the token is not for {Capability.READ}")
        return Identity(**identity.model_dump(), in_rooms=(await directory.rooms.run(call, query=given)).rooms)

    return tool_of(
        directory.me,
        "Tell who you are here: your user id and your role; with list_rooms, also your rooms.",
        run=run,
        also=(directory.rooms,),
        response=Identity,
        list_rooms=(bool, Field(False, description="Also list your rooms.")),
        unread=(bool, Field(False, description="Count the unread messages: one request for each room.")),
    )


def ask() -> Tool:
    """Return the tool that asks, and that waits for the answer to an earlier question."""

    async def run(call: ApiCall, given: Any) -> ApiModel | Responded:
        if given.handle is not None:
            _lacks(given, "a handle waits for an earlier question: ask a new one without it", "text")
            wait = SimpleNamespace(wait=given.timeout)
            earlier: Responded = await asking.answers.run(call, handle=given.handle, query=wait)
            return earlier
        _needs(given, "to", "text")
        asked: Responded = await asking.ask.run(call, body=given)
        return asked

    handle = Field(None, min_length=1, max_length=255, description="Wait for that earlier question, and ask nothing.")
    return tool_of(
        asking.ask,
        "Ask an agent, and wait for its answer. If is_complete is false, the agent still works: call this again with "
        "the handle alone, and do not ask again.",
        run=run,
        also=(asking.answers,),
        response=Answers,
        to=(RoomName | None, Field(None, description="Name or user id of the agent; or a room.")),
        text=(Text | None, Field(None, min_length=1, max_length=50_000, description="Markdown.")),
        timeout=(float, Field(_WAIT, ge=0, description=f"Seconds to wait, at most {LONGEST_WAIT:g}.")),
        handle=(Text | None, handle),
    )


def read() -> Tool:
    """Return the tool that reads a room, or searches rooms."""

    async def run(call: ApiCall, given: Any) -> ApiModel | Responded:
        if given.q is None:
            _needs(given, "room")
            page = await messages.read_messages.run(call, room=given.room, query=given)
            is_forward = given.after is not None
            fitting = _fitting(page.messages if is_forward else page.messages[::-1])
            if fitting < len(page.messages):
                # Cursors stand between pages.
                fewer = given.model_copy(update={"limit": fitting})
                page = await messages.read_messages.run(call, room=given.room, query=fewer)
            return FoundMessages(**dict(page), is_complete=True)
        if given.before or given.after or given.thread:
            raise ProgramRefused(Problem.INVALID_REQUEST, "q: a search has no before, after or thread")
        if given.room is None:
            call.services.access.require(call.token, Permission.READ)
        found = await messages.search.run(call, query=given)
        newest = found.messages[: _fitting(found.messages)]
        return FoundMessages(messages=newest[::-1], before=None, after=None, is_complete=found.is_complete)

    return tool_of(
        messages.read_messages,
        "Read the newest messages of a room, oldest first. For older ones, pass `before` of the result; for newer "
        "ones, the last event id as `after`. Long messages come fewer at a time. With `q`, search a room, or all of "
        "yours, for words.",
        name="read",
        run=run,
        also=(messages.search,),
        response=FoundMessages,
        room=(RoomName | None, Field(None, description="A room id, an alias, or the name of an agent or a channel.")),
        q=(Text | None, Field(None, min_length=1, max_length=200, description="Words, in any case.")),
        limit=(int, Field(20, ge=1, le=_MOST_READ)),
    )


def task_update() -> Tool:
    """Return the tool that changes a task in any way."""
    acts = {"claim": tasks.claim_task, "assign": tasks.assign_task, "split": tasks.split_task}

    async def run(call: ApiCall, given: Any) -> ApiModel | Responded:
        if given.action == "assign":
            _needs(given, "assignee")
        else:
            _lacks(given, "only the action assign takes it", "assignee")
        if given.action == "split" and not given.titles:
            raise ProgramRefused(Problem.INVALID_REQUEST, "titles: a split needs some")
        if given.action != "split":
            _lacks(given, "only the action split takes them", "titles")
        if given.action != "report":
            _lacks(given, "only the action report takes it: make another call", "state", "progress", "note")
        body = {} if given.action == "claim" else {"body": given}
        done = await acts.get(given.action, tasks.update_task).run(call, task=str(given.task), **body)
        content: dict[str, Any] = {"subtasks": []} | dict(done.model)
        return Responded(ChangedTask(**content), done.status, done.is_repeat)

    return tool_of(
        tasks.update_task,
        "Change a task. Claim one that nobody works on before you begin with it; then report how far it is, and close "
        "it with its result.",
        name="task_update",
        run=run,
        also=tuple(acts.values()),
        response=ChangedTask,
        action=(
            Literal["report", "claim", "assign", "split"],
            Field("report", description="report: state, progress and note. assign: assignee. split: titles."),
        ),
        assignee=(UserName | None, Field(None, description="User id of a person, or name of an agent, in the room.")),
        titles=(list[Text], Field(default_factory=list, max_length=MOST_SUBTASKS, description="Of new subtasks.")),
    )


def vote() -> Tool:
    """Return the tool that votes, takes a vote back, or closes a vote."""

    async def run(call: ApiCall, given: Any) -> ApiModel | Responded:
        if given.action == "close":
            _needs(given, "number")
            closed = await call.services.votes.close(call.once, given.number, given.room)
            return Responded(ChangedVote(number=given.number, answer=None), closed.status, closed.is_repeat)
        if given.action == "for":
            _needs(given, "answer")
        answer = given.answer if given.action == "for" else None
        cast = await votes.vote.run(call, room=given.room, body=SimpleNamespace(number=given.number, answer=answer))
        return Responded(ChangedVote(**dict(cast.model)), cast.status, cast.is_repeat)

    return tool_of(
        votes.vote,
        "Vote in a room, where your last answer counts; or take your vote back, or close a vote.",
        run=run,
        also=(votes.close_vote,),
        response=ChangedVote,
        body=VoteChange,
    )


def _fitting(found: Sequence[Message]) -> int:
    """Return how many messages, from the first of *found* on, a result has: one at least."""
    left = _MOST_CHARACTERS
    for count, each in enumerate(found):
        left -= len(each.text) + len(each.html or "")
        if left < 0:
            return max(1, count)
    return len(found)


def _needs(given: Any, *names: str) -> None:
    """Return if *given* has all arguments *names*.

    Raises:
        ProgramRefused: one is missing.
    """
    for name in names:
        if getattr(given, name) is None:
            fault = {"field": name, "message": "Field required"}
            raise ProgramRefused(Problem.INVALID_REQUEST, f"{name}: is missing", more={"errors": [fault]})


def _lacks(given: Any, why: str, *names: str) -> None:
    """Return if *given* has no other values than the defaults of *names*: the call would not heed them.

    Raises:
        ProgramRefused: it has one; *why* is for the model that has passed it.
    """
    fields = type(given).model_fields
    for name in names:
        if getattr(given, name) != fields[name].get_default(call_default_factory=True):
            fault = {"field": name, "message": why}
            raise ProgramRefused(Problem.INVALID_REQUEST, f"{name}: {why}", more={"errors": [fault]})
