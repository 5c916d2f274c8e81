"""Endpoints in the form of the OpenAI API: agents and people are models."""

from __future__ import annotations

import math
import time
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.api.endpoint import ApiCall, Responded, StreamedTexts, endpoint
from agent_bridge.api.model import ApiModel
from agent_bridge.api.openai_bodies import ChatRequest, ConversationRef, ResponseRequest, chat_prompt, response_prompt
from agent_bridge.api.openai_forms import (
    ChatChunks,
    ChatCompletion,
    ResponseForm,
    ResponseResource,
    chat_completion,
    problem_of,
)
from agent_bridge.api.streams import HEARTBEAT
from agent_bridge.core.errors import HomeserverError, StoreError
from agent_bridge.core.model_calls import ModelAnswer
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import Capability

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent_bridge.core.model_calls import Model, ModelCall

_TAG = "OpenAI API"
_PROBLEMS = (
    Problem.UNSUPPORTED_PARAMETER,
    Problem.AGENT_NOT_FOUND,
    Problem.USER_NOT_FOUND,
    Problem.AGENT_AMBIGUOUS,
    Problem.AGENT_AT_REST,
    Problem.ROOM_NOT_FOUND,
    Problem.NOBODY_ANSWERS,
    Problem.ROLE_MISSING,
    Problem.MUTED,
    Problem.ROOM_FULL,
    Problem.TEXT_TOO_LONG,
    Problem.ANSWER_TIMEOUT,
    Problem.ANSWER_FAILED,
    Problem.ANSWER_STOPPED,
    Problem.QUOTA_REACHED,
)
#: Seconds in which an error has a status of its own: a stream begins after them, or with the first words.
_SOON = 1.0
#: Seconds for which the reader of a stream counts as in the room; the end of the answer asks in any case.
_INSIDE = 0.5
_REVOKED = "it was revoked meanwhile"
#: A question that is said is not repeated, for any failure afterwards.
_FAILURES = (HomeserverError, StoreError)


class ModelItem(ApiModel):
    """A model."""

    id: str
    object: str = "model"
    created: int
    owned_by: str
    name: str


class ModelList(ApiModel):
    """The models."""

    object: str = "list"
    data: list[ModelItem]


@endpoint("GET", "/v1/models", tag=_TAG, capability=Capability.ASK, permission=Permission.SEND, is_openai=True)
async def models(call: ApiCall) -> ModelList:
    """List the agents that the token may ask, and the people who let programs ask them.

    The id of an agent is the localpart of its user, which stays when its name changes. The id of a person is the user
    id. ``owned_by`` is the upstream of the agent, or ``person``.
    """
    return ModelList(data=[_item(each) for each in await call.services.models.models(call.token)])


@endpoint(
    "GET",
    "/v1/models/{model}",
    tag=_TAG,
    capability=Capability.ASK,
    permission=Permission.SEND,
    problems=(Problem.AGENT_NOT_FOUND, Problem.USER_NOT_FOUND),
    is_openai=True,
)
async def model(call: ApiCall, model: str) -> ModelItem:
    """Return one of the models; *model* is its id, or the name of an agent."""
    found = await call.services.models.models(call.token)
    named = [each for each in found if each.id == model] or [each for each in found if each.name == model]
    if not named:
        raise ProgramRefused(Problem.AGENT_NOT_FOUND, f"the token may ask no model {model}")
    return _item(named[0])


def _item(model: Model) -> ModelItem:
    return ModelItem(id=model.id, created=int(model.created_at.timestamp()), owned_by=model.owner, name=model.name)


@endpoint(
    "POST",
    "/v1/chat/completions",
    tag=_TAG,
    capability=Capability.ASK,
    permission=Permission.SEND,
    problems=_PROBLEMS,
    waits=True,
    is_openai=True,
)
async def chat_completions(call: ApiCall, body: ChatRequest) -> ChatCompletion | StreamedTexts | Responded:
    """Ask a model, and return its answer as a chat completion.

    The question and the answer are in a thread of a room. See docs/openai-api.md.
    """
    asked = await call.services.models.ask(call.once, body.model, chat_prompt(body, call.headers))
    if not body.stream:
        return chat_completion(asked, await _whole(call, asked))
    with_usage = body.stream_options is not None and bool(body.stream_options.include_usage)
    return _stream(call, asked, ChatChunks(asked, with_usage=with_usage))


@endpoint(
    "POST",
    "/v1/responses",
    tag=_TAG,
    capability=Capability.ASK,
    permission=Permission.SEND,
    problems=(*_PROBLEMS, Problem.HANDLE_NOT_FOUND),
    waits=True,
    is_openai=True,
)
async def responses(call: ApiCall, body: ResponseRequest) -> ResponseResource | StreamedTexts | Responded:
    """Ask a model, and return its answer as a response of the Open Responses specification.

    The question and the answer are in a thread of a room. See docs/openai-api.md.
    """
    asked = await call.services.models.ask(call.once, body.model, response_prompt(body, call.headers))
    given = body.model_dump(include={"instructions", "previous_response_id", "metadata"})
    name = body.conversation
    given["conversation"] = None if name is None else {"id": name.id if isinstance(name, ConversationRef) else name}
    form = ResponseForm(asked, given)
    if not body.stream:
        return form.whole(await _whole(call, asked))
    return _stream(call, asked, form)


async def _whole(call: ApiCall, asked: ModelCall) -> ModelAnswer:
    """Return the answer.

    Raises:
        ProgramRefused: there is none.
    """
    answer = None
    with suppress(*_FAILURES):
        given = await call.services.models.answer(asked, call.services.longest_wait)
        await call.services.models.require_inside(call.token, asked)
        answer = given
    # Also if it cannot be read now: the question is said, and a client must not repeat it by itself.
    if answer is None:
        raise ProgramRefused(Problem.ANSWER_TIMEOUT, _later(asked))
    _check(answer)
    return answer


def _check(answer: ModelAnswer) -> None:
    """Return if *answer* has something of an answer.

    Raises:
        ProgramRefused: it has not.
    """
    if answer.status != "answered" and not answer.text:
        raise ProgramRefused(problem_of(answer), answer.error, retry_after=answer.again_in)


def _stream(call: ApiCall, asked: ModelCall, form: ChatChunks | ResponseForm) -> StreamedTexts:
    return StreamedTexts(_streamed(call, asked, form), partial(form.failed, Problem.TOKEN_INVALID, _REVOKED))


async def _streamed(call: ApiCall, asked: ModelCall, form: ChatChunks | ResponseForm) -> AsyncGenerator[str, None]:
    """Yield the events of an answer, with their end in any case.

    Raises:
        ProgramRefused: there is none, and nothing was yielded.
    """
    is_begun = False
    try:
        async with aclosing(_events(call, asked, form)) as events:
            async for each in events:
                is_begun = True
                yield each
    except ProgramRefused as error:
        if not is_begun:
            raise
        yield form.failed(error.problem, error.detail)


async def _events(call: ApiCall, asked: ModelCall, form: ChatChunks | ResponseForm) -> AsyncGenerator[str, None]:
    """Yield the events of an answer.

    Raises:
        ProgramRefused: it does not end, or there is none.
    """
    shown, is_begun, inside = 0, False, -math.inf
    pieces = call.services.models.growing(asked, call.services.longest_wait, HEARTBEAT, soon=_SOON)
    with suppress(*_FAILURES):
        async with aclosing(pieces):
            async for piece in pieces:
                if not is_begun and isinstance(piece, ModelAnswer):
                    _check(piece)
                if piece is not None and not await call.services.tokens.counts(call.token.id):
                    raise ProgramRefused(Problem.TOKEN_INVALID, _REVOKED)
                if isinstance(piece, ModelAnswer) or (piece is not None and time.monotonic() - inside > _INSIDE):
                    await call.services.models.require_inside(call.token, asked)
                    inside = time.monotonic()
                before, is_begun = "" if is_begun else form.begin(), True
                if isinstance(piece, ModelAnswer):
                    rest = piece.text[shown:]
                    yield before + (form.piece(rest) if rest else "") + form.end(piece)
                    return
                shown += len(piece or "")
                yield before + (form.piece(piece) if piece else "" if before else form.pause())
    # Also if the answer cannot be read now: the question is said, and a client must not repeat it by itself.
    raise ProgramRefused(Problem.ANSWER_TIMEOUT, _later(asked))


def _later(asked: ModelCall) -> str:
    return f"GET /v1/asks/{asked.handle} has the answer later, and so has a repeat with the same Idempotency-Key"
