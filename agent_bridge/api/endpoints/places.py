"""Endpoints that make rooms."""

from __future__ import annotations

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.model import ApiModel, Text, UserName
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability

_TAG = "Chats"
_PROBLEMS = (Problem.AGENT_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.AGENT_AT_REST, Problem.ROLE_MISSING)


class NewChat(ApiModel):
    """A chat with an agent."""

    agent: UserName
    title: Text = Field("", max_length=200)


class MadeChat(ApiModel):
    """The chat, to which the person is invited."""

    room_id: str
    number: int
    agent: str


class DirectWith(ApiModel):
    """The other one of a direct room."""

    to: UserName = Field(description="Name or user id of an agent, or user id of a person.")


class DirectChat(ApiModel):
    """The direct room, into which people are invited, and agents enter by themselves."""

    room_id: str
    user_id: str = Field(description="The other one.")
    name: str


@endpoint(
    "POST",
    "/v1/chats",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.JOIN,
    status=201,
    problems=(*_PROBLEMS, Problem.TOO_MANY_CHATS),
)
async def new_chat(call: ApiCall, body: NewChat) -> MadeChat | Responded:
    """Make a private room of the person and an agent."""
    outcome = await call.services.places.new_chat(call.once, body.agent, body.title)
    return Responded.of(outcome, MadeChat)


@endpoint(
    "POST",
    "/v1/direct",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.SEND,
    problems=(*_PROBLEMS, Problem.USER_NOT_FOUND),
)
async def direct_chat(call: ApiCall, body: DirectWith) -> DirectChat | Responded:
    """Return the direct room of the identity with an agent or a person; it is made if there is none.

    Two users have one, also if the other one begins: a person and an agent, two agents, or two people. In the room of
    two agents each message asks the other one, within the budgets of chains. The room of two people is one of the bot,
    which invites both.
    """
    outcome = await call.services.places.direct_chat(call.once, body.to)
    return Responded.of(outcome, DirectChat)
