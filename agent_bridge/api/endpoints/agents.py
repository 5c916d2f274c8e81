"""Endpoints of agents that connect themselves."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.model import ApiModel, EventId, Text, number_in
from agent_bridge.core.client_agents import LONGEST_DESCRIPTION, LONGEST_NAME, LONGEST_REPLY
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability

_TAG = "Agents that connect themselves"
_LONGEST_WAIT, _MOST = 3_600, 50


class NewAgent(ApiModel):
    """An agent without a server."""

    name: Text = Field(min_length=1, max_length=LONGEST_NAME, examples=["Crawler"])
    description: Text = Field("", max_length=LONGEST_DESCRIPTION)
    ephemeral: bool = Field(False, description="Whether it is removed when it was away for ephemeral_after.")


class RegisteredAgent(ApiModel):
    """The agent, with its token, which is shown to nobody else."""

    name: str
    user_id: str
    room_id: str | None = Field(description="Null: its room is not made yet.")
    ephemeral: bool
    token: str


class AgentChange(ApiModel):
    """A change of an agent. What is missing stays."""

    name: Text | None = Field(None, min_length=1, max_length=LONGEST_NAME)
    description: Text | None = Field(None, max_length=LONGEST_DESCRIPTION)


class AgentRef(ApiModel):
    """An agent."""

    user_id: str


class InboxQuery(ApiModel):
    """The query of questions."""

    after: int = Field(0, ge=0, description="Only questions behind this one.")
    limit: int = Field(20, ge=1, le=_MOST)
    wait: float = Field(0, ge=0, le=_LONGEST_WAIT, description="Seconds to wait; at most api.longest_wait.")


class WaitingQuestion(ApiModel):
    """A message that waits for the reply of the agent."""

    id: int
    room_id: str
    event_id: EventId
    thread: str | None
    sender: str
    text: str
    asked_at: datetime
    deadline: datetime = Field(description="The room is told then that the agent did not reply.")


class Questions(ApiModel):
    """The questions, oldest first. A conversation shows its next question after the reply to this one."""

    questions: list[WaitingQuestion]


class Reply(ApiModel):
    """A reply."""

    text: Text = Field(min_length=1, max_length=LONGEST_REPLY, description="Markdown.")


class Replied(ApiModel):
    """The reply is committed, and the agent's user says it in the room."""

    is_new: bool = Field(description="False: the same reply was given before.")


@endpoint(
    "POST",
    "/v1/agents",
    tag=_TAG,
    capability=Capability.REGISTER,
    permission=Permission.CHANNELS,
    status=201,
    problems=(Problem.NAME_TAKEN, Problem.TOO_MANY_AGENTS, Problem.ROOM_NOT_FOUND),
)
async def register_agent(call: ApiCall, body: NewAgent) -> RegisteredAgent | Responded:
    """Register an agent that connects itself.

    It gets a user, a room, a place in the Space, and a token of its own. A token that is limited to rooms registers
    none.
    """
    desk = call.services.client_agents
    outcome, token = await desk.register(call.once, body.name, body.description, ephemeral=body.ephemeral)
    return Responded.of(outcome, RegisteredAgent, token=token)


@endpoint(
    "PATCH",
    "/v1/agents/{agent}",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.READ,
    problems=(Problem.AGENT_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.ROLE_MISSING, Problem.NAME_TAKEN),
)
async def change_agent(call: ApiCall, agent: str, body: AgentChange) -> AgentRef:
    """Give an agent that connects itself another name or description.

    An agent changes its own; an admin those of all.
    """
    changed = await call.services.client_agents.change(
        call.token, agent, new_name=body.name, description=body.description
    )
    return AgentRef(user_id=changed)


@endpoint(
    "DELETE",
    "/v1/agents/{agent}",
    tag=_TAG,
    capability=Capability.REGISTER,
    permission=Permission.READ,
    problems=(Problem.AGENT_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.ROLE_MISSING),
)
async def remove_agent(call: ApiCall, agent: str) -> AgentRef:
    """Remove an agent that connects itself."""
    return AgentRef(user_id=await call.services.client_agents.remove(call.token, agent))


@endpoint(
    "GET",
    "/v1/inbox",
    tag=_TAG,
    capability=Capability.READ,
    permission=Permission.READ,
    problems=(Problem.AGENTS_ONLY,),
    waits=True,
)
async def inbox(call: ApiCall, query: InboxQuery) -> Questions:
    """Take the questions that wait for the agent of the token.

    They stay until the reply: an agent that was killed gets them again. The agent is shown as online meanwhile.
    """
    wait = min(query.wait, call.services.longest_wait)
    found = await call.services.client_agents.questions(call.token, after=query.after, most=query.limit, wait=wait)
    return Questions(
        questions=[
            WaitingQuestion(
                id=each.id,
                room_id=each.room_id,
                event_id=each.event_id,
                thread=each.thread or None,
                sender=each.sender,
                text=each.text,
                asked_at=each.asked_at,
                deadline=each.deadline,
            )
            for each in found
        ]
    )


@endpoint(
    "POST",
    "/v1/inbox/{question}/reply",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(Problem.AGENTS_ONLY, Problem.QUESTION_NOT_FOUND, Problem.QUESTION_OVER),
)
async def reply(call: ApiCall, question: str, body: Reply) -> Replied:
    """Reply to a question, once. The same reply again changes nothing, and another one is refused."""
    number = number_in(question, "question", Problem.QUESTION_NOT_FOUND)
    return Replied(is_new=await call.services.client_agents.reply(call.token, number, body.text))
