"""Endpoints that ask agents and wait for their answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.endpoints.messages import FILE_KEY, NewMessage
from agent_bridge.api.model import ApiModel, RoomName
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability

if TYPE_CHECKING:
    from agent_bridge.core.results.programs import Asked

_TAG = "Asking agents"
_LONGEST = 3_600


class Question(NewMessage):
    """A question to an agent."""

    to: RoomName = Field(
        description="Name or user id of the agent; or a room or channel, whose agents answer as usual."
    )
    room: RoomName | None = Field(None, description="The room in which the agent is asked. Default: its own.")
    timeout: float = Field(60, ge=0, le=_LONGEST, description="Seconds to wait; at most api.longest_wait.")


class AnswerWait(ApiModel):
    """The query of answers."""

    wait: float = Field(0, ge=0, le=_LONGEST, description="Seconds to wait for their ends; at most api.longest_wait.")


class AnswerFile(ApiModel):
    """A file of an answer."""

    url: str = Field(description="mxc:// URL.")
    file: dict[str, Any] | None = Field(None, description=FILE_KEY)
    name: str
    content_type: str


class Answer(ApiModel):
    """The answer of one agent."""

    user_id: str
    name: str
    status: str = Field(description="working, answered, stopped or failed.")
    text: str | None = Field(description="Markdown; null while the agent works, and without an answer.")
    event_ids: list[str] = Field(description="The events that show it.")
    error: str | None = Field(description="Why there is no complete answer.")
    files: list[AnswerFile] = Field(description="Files that the agent sent with it.")


class Answers(ApiModel):
    """The question, and the answers so far."""

    handle: str = Field(description="Name of the question for GET /v1/asks/{handle}.")
    room_id: str
    event_id: str
    is_complete: bool = Field(description="Whether all answers have ended.")
    answers: list[Answer]


def _responded(asked: Asked) -> Responded:
    values = asdict(asked)
    answers = [
        Answer(**{**each, "event_ids": list(each["event_ids"]), "files": list(each["files"])})
        for each in values.pop("answers")
    ]
    return Responded(Answers(**values, answers=answers), 200 if asked.is_complete else 202)


@endpoint(
    "POST",
    "/v1/ask",
    tag=_TAG,
    capability=Capability.ASK,
    permission=Permission.SEND,
    others=((202, "The answer is not complete yet: ask for it by its handle."),),
    problems=(
        Problem.AGENT_NOT_FOUND,
        Problem.AGENT_AMBIGUOUS,
        Problem.ROOM_NOT_FOUND,
        Problem.NOBODY_ANSWERS,
        Problem.ROLE_MISSING,
        Problem.MUTED,
        Problem.ROOM_FULL,
    ),
    waits=True,
)
async def ask(call: ApiCall, body: Question) -> Answers | Responded:
    """Ask an agent, and wait for the answer.

    The question and the answer are in the room, where people see them. A repeat with the same Idempotency-Key asks
    nobody again. A token of an agent asks agents in their direct room, or in rooms of several, within the budgets of
    chains.
    """
    services = call.services
    room, words = await services.asks.addressed(body.to, body.room, body.words)
    room = room if body.room is not None else await services.places.addressed(call.token, room)
    seconds = min(body.timeout, services.longest_wait)
    return _responded(await services.asks.ask(call.once, room, words, seconds))


@endpoint(
    "GET",
    "/v1/asks/{handle}",
    tag=_TAG,
    capability=Capability.ASK,
    permission=Permission.READ,
    others=((202, "The answer is not complete yet."),),
    problems=(Problem.HANDLE_NOT_FOUND,),
    waits=True,
)
async def answers(call: ApiCall, handle: str, query: AnswerWait) -> Answers | Responded:
    """Return the answers to an earlier question of the identity."""
    seconds = min(query.wait, call.services.longest_wait)
    return _responded(await call.services.asks.find(call.token, handle, seconds))
