"""Endpoints of threads that have names."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.model import ApiModel, EventId, Text
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability
from agent_bridge.core.threads import LONGEST_NAME

_TAG = "Threads"
_ROOM = (Problem.ROOM_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.AGENT_NOT_FOUND)
_WRITES = (*_ROOM, Problem.ROLE_MISSING, Problem.MUTED, Problem.NOT_PERMITTED, Problem.ENCRYPTED)


class ThreadsQuery(ApiModel):
    """The query of threads."""

    archived: bool = Field(False, description="Those in the archive.")
    page: int = Field(1, ge=1, le=1_000)


class ThreadSeen(ApiModel):
    """A thread that has a name."""

    name: str
    room_id: str
    root: str | None = Field(description="Its first event. Null: the homeserver has refused it.")
    creator: str | None = Field(description="User id of the person or the agent. Null: erased.")
    used_at: datetime = Field(description="Of the newest message.")
    archived: bool


class ThreadPage(ApiModel):
    """Threads, the last used first."""

    threads: list[ThreadSeen]
    page: int
    pages: int


class NewThread(ApiModel):
    """A thread."""

    name: Text = Field(min_length=1, max_length=LONGEST_NAME)
    root: EventId | None = Field(
        None, description="The first event of a thread that people began. Default: the bridge begins a thread."
    )


class ThreadUpdate(ApiModel):
    """Another name, or another state; null: as it is."""

    name: Text | None = Field(None, min_length=1, max_length=LONGEST_NAME)
    archived: bool | None = Field(None, description="True: archive it. False: reopen it.")


@endpoint(
    "GET", "/v1/rooms/{room}/threads", tag=_TAG, capability=Capability.READ, permission=Permission.READ, problems=_ROOM
)
async def threads(call: ApiCall, room: str, query: ThreadsQuery) -> ThreadPage:
    """List the threads of a room that have names."""
    found = await call.services.threads.listed(call.token, room, archived=query.archived, page=query.page)
    return ThreadPage(**found)


@endpoint(
    "POST",
    "/v1/rooms/{room}/threads",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    status=201,
    problems=(*_WRITES, Problem.MESSAGE_NOT_FOUND, Problem.TOO_MANY),
)
async def new_thread(call: ApiCall, room: str, body: NewThread) -> ThreadSeen | Responded:
    """Begin a thread, whose first message has the name; or name a thread."""
    return Responded.of(await call.services.threads.create(call.once, room, body.name, body.root), ThreadSeen)


@endpoint(
    "PATCH",
    "/v1/rooms/{room}/threads/{root}",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(*_WRITES, Problem.THREAD_NOT_FOUND, Problem.THREAD_IN_USE),
)
async def update_thread(call: ApiCall, room: str, root: str, body: ThreadUpdate) -> ThreadSeen | Responded:
    """Rename or archive a thread (its creator, and moderators), or reopen it.

    The next message in an archived thread reopens it, too.
    """
    outcome = await call.services.threads.update(call.once, room, root, name=body.name, archived=body.archived)
    return Responded.of(outcome, ThreadSeen)
