"""The routes of A2A: a task is a question that a token asks in a room, and people see both there."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.api.a2a.objects import VERSION, TaskView, card_of, parsed_id
from agent_bridge.api.a2a.rpc import (
    BAD_PARAMETERS,
    NO_METHOD,
    NOT_CANCELABLE,
    UNSUPPORTED,
    WRONG_VERSION,
    NewMessage,
    RpcError,
    RpcRequest,
)
from agent_bridge.api.bodies import MAX_JSON, read_body
from agent_bridge.bridge.programs.messages import Words
from agent_bridge.bridge.programs.requests import Call
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import Capability

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent_bridge.api.routes import ApiRoutes
    from agent_bridge.api.services import ApiServices
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.programs import Token

_HEADER = "A2A-Version"
#: Some clients send the second one, which belongs to another binding of the protocol.
_JSON_TYPES = frozenset({"application/json", "application/a2a+json"})
_STOP = "🛑"
#: Seconds between two signs of life in a stream, and for the end of a task that is cancelled.
_SIGN, _CANCEL = 15.0, 10.0
_METHODS = frozenset({"SendMessage", "SendStreamingMessage", "GetTask", "SubscribeToTask", "CancelTask"})
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class A2ARoutes:
    """``/a2a/{agent}`` and the card below it, at *url*. *api* recognises and limits the requests."""

    def __init__(self, api: ApiRoutes, services: ApiServices, url: str) -> None:
        self._api = api
        self._services = services
        self._url = url.rstrip("/")

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/a2a/{agent}/.well-known/agent-card.json", self._card)
        app.router.add_post("/a2a/{agent}", self._call)

    async def _card(self, request: web.Request) -> web.StreamResponse:
        return await self._api.guarded("agent_card", request, partial(self._shown_card, request))

    async def _call(self, request: web.Request) -> web.StreamResponse:
        return await self._api.guarded("a2a", request, partial(self._answer, request), waits=True)

    async def _shown_card(self, request: web.Request, token: Token) -> web.Response:
        self._require(token, Capability.READ, Permission.READ)
        agent = await self._agent(request)
        return web.json_response(card_of(agent, f"{self._url}/a2a/{agent.ghost}"), headers=_HEADERS)

    async def _answer(self, request: web.Request, token: Token) -> web.StreamResponse:
        self._require(token, Capability.ASK, Permission.READ)
        agent = await self._agent(request)
        if request.content_type not in _JSON_TYPES:
            raise ProgramRefused(Problem.UNSUPPORTED_MEDIA_TYPE, "Content-Type is application/json")
        body = await read_body(request, MAX_JSON)
        request_id: str | int | None = None
        try:
            rpc = RpcRequest.parse(body)
            request_id = rpc.id
            _check_version(request)
            return await _Exchange(self._api, self._services, token, agent, rpc).respond(request)
        except RpcError as error:
            return _json(error.response(request_id))
        except ProgramRefused as refused:
            if (found := RpcError.of(refused)) is None:
                raise
            return _json(found.response(request_id))

    async def _agent(self, request: web.Request) -> Agent:
        return (await self._services.access.agent(request.match_info["agent"])).agent

    def _require(self, token: Token, capability: Capability, permission: Permission) -> None:
        if capability not in token.capabilities:
            raise ProgramRefused(Problem.CAPABILITY_MISSING, f"the token is not for {capability}")
        self._services.access.require(token, permission)


class _Exchange:
    """One request of a token to *agent*."""

    def __init__(self, api: ApiRoutes, services: ApiServices, token: Token, agent: Agent, rpc: RpcRequest) -> None:
        self._api = api
        self._services = services
        self._token = token
        self._rpc = rpc
        self._user = services.asks.user_id(agent)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Return the response.

        Raises:
            RpcError, ProgramRefused: the request is refused.
        """
        longest = self._services.longest_wait
        match self._rpc.method:
            case "SendMessage":
                configuration = self._rpc.params.get("configuration")
                is_quick = isinstance(configuration, dict) and configuration.get("returnImmediately") is True
                result = {"task": (await self._send(0 if is_quick else longest)).shown()}
            case "SendStreamingMessage":
                return await self._api.stream(request, self._token, self._events(await self._send(0)))
            case "GetTask":
                result = (await self._find(0)).shown()
            case "SubscribeToTask":
                task = await self._find(0)
                if task.rests:
                    raise RpcError(UNSUPPORTED, "the task has ended")
                return await self._api.stream(request, self._token, self._events(task))
            case "CancelTask":
                result = (await self._cancel()).shown()
            case _:
                raise RpcError(NO_METHOD, f"the methods are {', '.join(sorted(_METHODS))}")
        if not await self._services.tokens.counts(self._token.id):
            # It was revoked meanwhile.
            raise ProgramRefused(Problem.TOKEN_INVALID)
        return _json({"jsonrpc": "2.0", "id": self._rpc.id, "result": result})

    async def _send(self, seconds: float) -> TaskView:
        """Ask the question once, and return its task as soon as it has ended, or after *seconds*."""
        self._services.access.require(self._token, Permission.SEND)
        message = NewMessage.parse(self._rpc.params.get("message"))
        if message.task_id:
            await self._found(message.task_id, 0)
            raise RpcError(UNSUPPORTED, "a task takes no further messages: send them to its context")
        room, thread = parsed_id(message.context_id)
        if (room and not room.startswith("!")) or (thread and not thread.startswith("$")):
            raise RpcError(BAD_PARAMETERS, "contextId is that of an earlier task, or a room id")
        words = Words(text=message.text, thread=thread)
        room, words = await self._services.asks.addressed(self._user, room or None, words)
        digest = hashlib.sha256(f"{self._user} {message.context_id} {message.text}".encode()).hexdigest()
        call = Call(self._token, f"a2a:{message.id}", digest, "a2a")
        return TaskView(await self._services.asks.ask(call, room, words, seconds), thread, self._user)

    async def _find(self, seconds: float) -> TaskView:
        return await self._found(self._rpc.text("id"), seconds)

    async def _found(self, task: str, seconds: float) -> TaskView:
        handle, thread = parsed_id(task)
        return TaskView(await self._services.asks.find(self._token, handle, seconds), thread, self._user)

    async def _cancel(self) -> TaskView:
        """End the answer, as a person does by 🛑.

        Raises:
            RpcError: it has ended, or ends, in another way.
        """
        self._services.access.require(self._token, Permission.SEND)
        task = await self._find(0)
        if task.rests:
            raise RpcError(NOT_CANCELABLE, "the task has ended")
        call = Call(self._token, f"a2a-cancel:{task.id}", task.id, "a2a")
        with suppress(ProgramRefused):
            # It may stand there already.
            await self._services.messages.react(call, *task.question, _STOP)
        task = await self._find(_CANCEL)
        if task.rests and not task.is_canceled:
            raise RpcError(NOT_CANCELABLE, "the task has ended")
        return task

    async def _events(self, task: TaskView) -> AsyncGenerator[str, None]:
        """Yield the task, signs of life, and its end; a task that takes longer can be subscribed to again."""
        yield self._event({"task": task.shown()})
        left = 0.0 if task.rests else self._services.longest_wait
        while left > 0:
            task = await self._found(task.id, min(_SIGN, left))
            if not await self._services.tokens.counts(self._token.id):
                # It was revoked meanwhile.
                return
            if task.rests:
                yield "".join(map(self._event, task.updates()))
                return
            left -= _SIGN
            yield ": the agent works\n\n"

    def _event(self, result: Any) -> str:
        return f"data: {json.dumps({'jsonrpc': '2.0', 'id': self._rpc.id, 'result': result})}\n\n"


def _check_version(request: web.Request) -> None:
    if (request.headers.get(_HEADER) or request.query.get(_HEADER, "")) != VERSION:
        raise RpcError(WRONG_VERSION, f"{_HEADER} is {VERSION}")


def _json(content: dict[str, Any]) -> web.Response:
    return web.json_response(content, headers=_HEADERS)
