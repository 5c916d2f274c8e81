"""Endpoints of agent events in rooms."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.model import ApiModel, Text
from agent_bridge.core.agent_events import MOST_KIND, MOST_TEXT
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability

_TAG = "Agent events"
#: Seconds that a program may wait for an event to appear.
_LONGEST_WAIT = 30
_PROBLEMS = (
    Problem.ROOM_NOT_FOUND,
    Problem.AGENT_NOT_FOUND,
    Problem.AGENT_AMBIGUOUS,
    Problem.ROLE_MISSING,
    Problem.AGENT_AT_REST,
)


class NewAgentEvent(ApiModel):
    """An event for programs, with a text for people."""

    kind: Text = Field(
        min_length=1,
        max_length=MOST_KIND,
        description="started, progress, result, error, session_summary, or another word of a-z, 0-9, _ and .",
        examples=["research_complete"],
    )
    text: Text = Field("", max_length=MOST_TEXT, description="Markdown. Empty: a text is made of kind and data.")
    data: dict[str, Any] = Field(default_factory=dict, examples=[{"subtask": 1, "sources": 12, "confidence": 0.87}])
    wait: float = Field(0.25, ge=0, le=_LONGEST_WAIT, description="Seconds to wait until the room shows it.")


class AcceptedEvent(ApiModel):
    """The event is committed, and the room shows it within a moment."""

    room_id: str
    event_id: str | None = Field(description="Null: it is not shown yet; a repeat with the same key tells it.")


class EventsQuery(ApiModel):
    """The query of events."""

    limit: int = Field(20, ge=1, le=100)


class AgentEvent(ApiModel):
    """An agent event."""

    event_id: str
    sender: str = Field(description="User id of the agent or the person from whom it comes.")
    sender_name: str
    sent_at: datetime
    kind: str
    turn: str | None = Field(description="Name of the turn that it is about.")
    text: str
    data: dict[str, Any] = Field(description="With its numbers as numbers.")


class AgentEvents(ApiModel):
    """The newest events, oldest first."""

    events: list[AgentEvent]


@endpoint(
    "POST",
    "/v1/rooms/{room}/events",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    others=((202, "The room does not show the event yet."),),
    problems=(*_PROBLEMS, Problem.MUTED, Problem.NOT_PERMITTED, Problem.REFUSED),
)
async def post_event(call: ApiCall, room: str, body: NewAgentEvent) -> AcceptedEvent | Responded:
    """Post an agent event into a room.

    The room is a channel (`name`, `server/name`), an agent's name, a room id, an alias, or `-`: the first channel of
    the type *log* that the identity reaches. A person who may make channels is invited into the first one, and if there
    is none, `-` makes `agent-logs`. In channels of the type *log*, people need the role alone; elsewhere also the power
    to write messages.
    """
    outcome, event_id = await call.services.agent_events.post(
        call.once, room, body.kind, body.text, body.data, wait=body.wait
    )
    made = AcceptedEvent(room_id=outcome.content["room_id"], event_id=event_id)
    return Responded(made, 202 if event_id is None else 200, is_repeat=outcome.is_repeat)


@endpoint(
    "GET",
    "/v1/rooms/{room}/events",
    tag=_TAG,
    capability=Capability.READ,
    permission=Permission.READ,
    problems=_PROBLEMS,
)
async def read_events(call: ApiCall, room: str, query: EventsQuery) -> AgentEvents:
    """Read the newest agent events of a room, named as for posting."""
    found = await call.services.agent_events.read(call.token, room, limit=query.limit)
    return AgentEvents(events=[_event(asdict(each)) for each in found])


def _event(values: dict[str, Any]) -> AgentEvent:
    sent_at = datetime.fromtimestamp(values.pop("sent_at") / 1000, UTC)
    values.pop("room_id")
    return AgentEvent(**values, sent_at=sent_at)
