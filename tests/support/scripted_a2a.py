"""A server whose agents speak A2A and follow the test's script. It fails like real ones."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.demo.agents.openai_server import Reasoning, Refusal
from support.a2a_tasks import ENDS, Asks, Chunk, Ends, Json, Task, as_old, file_part
from support.answer_chunks import File
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from support.scripted_upstream import Script

_WELL_KNOWN = "/.well-known/agent-card.json"
_OLD = {
    "message/send": "SendMessage",
    "message/stream": "SendStreamingMessage",
    "tasks/get": "GetTask",
    "tasks/list": "ListTasks",
    "tasks/cancel": "CancelTask",
    "tasks/resubscribe": "SubscribeToTask",
}
_NOT_FOUND, _NOT_CANCELABLE, _UNSUPPORTED, _NO_METHOD, _BAD_PARAMETERS = -32001, -32002, -32004, -32601, -32602
_ANSWER = "answer"


def acts(*pieces: object) -> Script:
    """Return a script of *pieces*, which may be those of a task, or updates as they are, besides the usual ones."""

    async def script(_question: str) -> AsyncIterator[Any]:
        for piece in pieces:
            yield piece

    return script


class RpcError(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ScriptedA2A(ScriptedUpstream):
    """:class:`ScriptedUpstream` with an agent card at each path, and an endpoint for JSON-RPC.

    A piece ``int`` is the status of an error response, an exception ends the task with a failure, ``None`` cuts all
    connections, and the task goes on. The end of the script completes the task.
    """

    def __init__(self, *models: str, streams: bool = True, old: bool = False) -> None:
        super().__init__(*models)
        self.streams = streams
        self.old = old
        #: Whether the server lists its tasks, and whether their histories have messages.
        self.lists = True
        self.has_history = True
        #: Whether an answer that is one text is a message, without a task.
        self.direct = False
        #: Whether the first event of a stream that is joined is the whole task.
        self.shows_task = True
        self.tasks: dict[str, Task] = {}
        #: Contexts that the server knows; None: all.
        self.contexts: set[str] | None = None
        #: The methods, by their names of version 1.0, and the parameters; the headers of requests for cards.
        self.calls: list[tuple[str, Json]] = []
        self.card_headers: list[dict[str, str]] = []
        #: Fields of the cards.
        self.card: Json = {}
        #: The methods whose next request ends its connection before it is carried out, or after.
        self.cut_before: set[str] = set()
        self.cut_after: set[str] = set()
        self._numbers = itertools.count(1)
        self._open: list[web.Request] = []

    @property
    def url(self) -> str:
        """The URL of the server."""
        return self.root_url

    @property
    def methods(self) -> list[str]:
        """The methods that were called."""
        return [method for method, _ in self.calls]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        work = [task.work for task in self.tasks.values() if task.work is not None]
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await super().__aexit__(kind, error, trace)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the server."""
        return [
            web.get(_WELL_KNOWN, self._show_card),
            web.get("/{model}" + _WELL_KNOWN, self._show_card),
            web.post("/{model}/rpc", self._call),
            web.get("/picture.png", self._picture),
        ]

    def cut(self) -> None:
        """End all connections."""
        for request in list(self._open):
            if request.transport is not None:
                request.transport.abort()

    async def _picture(self, _request: web.Request) -> web.Response:
        return web.Response(body=b"no picture", content_type="image/png")

    async def _show_card(self, request: web.Request) -> web.Response:
        self.card_headers.append(dict(request.headers))
        if self.status != 200:
            return web.Response(status=self.status)
        model = request.match_info.get("model", "Dora")
        name = next((each.get("name", model) for each in self.models if each["id"] == model), model)
        url = f"{self.root_url}/{model}/rpc"
        interfaces: Json = {
            "supportedInterfaces": [
                {"url": f"{self.root_url}/grpc", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
                {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
            ]
        }
        if self.old:
            interfaces = {"url": url, "protocolVersion": "0.3.0", "preferredTransport": "JSONRPC"}
        card = {"name": name, "description": "Says things.", "version": "1", "skills": [], **interfaces}
        return web.json_response(card | {"capabilities": {"streaming": self.streams}} | self.card)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        method = _OLD.get(body["method"], "?") if self.old else body["method"]
        assert request.headers["A2A-Version"] == ("0.3" if self.old else "1.0")
        self.calls.append((method, body["params"]))
        self.headers.append(dict(request.headers))
        await self._cut_at(request, method, self.cut_before)
        self._open.append(request)
        try:
            return await self._answer(request, method, body)
        except RpcError as error:
            failure = {"code": error.code, "message": str(error)}
            return web.json_response({"jsonrpc": "2.0", "id": body["id"], "error": failure})
        finally:
            self._open = [each for each in self._open if each is not request]

    @staticmethod
    async def _cut_at(request: web.Request, method: str, methods: set[str]) -> None:
        if method in methods:
            methods.remove(method)
            assert request.transport is not None
            request.transport.abort()
            # The lost connection ends the request.
            await asyncio.Event().wait()

    async def _answer(self, request: web.Request, method: str, body: Json) -> web.StreamResponse:
        params = body["params"]
        match method:
            case "SendStreamingMessage" if self.streams:
                task, after, shown = await self._take(params["message"])
                await self._cut_at(request, method, self.cut_after)
                return await self._send(request, body["id"], task, self._reply(task) or {"task": shown}, after)
            case "SubscribeToTask" if self.streams:
                task = self._found(params)
                if task.state in ENDS:
                    raise RpcError(_UNSUPPORTED, "the task has ended")
                whole = {"task": task.shown()} if self.shows_task else None
                return await self._send(request, body["id"], task, whole, len(task.updates))
            case "SendMessage":
                task, _, _ = await self._take(params["message"])
                result = self._reply(task) or {"task": task.shown()}
            case "GetTask":
                result = self._found(params).shown()
            case "CancelTask":
                result = (await self._cancel(params)).shown()
            case "ListTasks" if self.lists:
                return web.json_response(self._list(body["id"], params))
            case _:
                raise RpcError(_NO_METHOD, "no such method")
        await self._cut_at(request, method, self.cut_after)
        return web.json_response(self._response(body["id"], result))

    def _list(self, request_id: Any, params: Json) -> Json:
        wanted = params.get("contextId")
        found = [each.shown() for each in self.tasks.values() if wanted in (None, each.context_id)]
        return {"jsonrpc": "2.0", "id": request_id, "result": {"tasks": found, "nextPageToken": ""}}

    def _response(self, request_id: Any, result: Json) -> Json:
        if not self.has_history:
            for task in (result, result.get("task", {})):
                task.pop("history", None)
        return {"jsonrpc": "2.0", "id": request_id, "result": as_old(result) if self.old else result}

    def _reply(self, task: Task) -> Json | None:
        """Return the answer as a message, if the server does not show its task."""
        if not self.direct:
            return None
        parts = [part for artifact in task.artifacts.values() for part in artifact["parts"]]
        message = {"messageId": task.id, "contextId": task.context_id, "role": "ROLE_AGENT", "parts": parts}
        return {"message": message}

    async def _send(
        self, request: web.Request, request_id: Any, task: Task, first: Json | None, after: int
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with suppress(ConnectionError):
            await response.prepare(request)
            if first is not None:
                await self._write(response, request_id, first)
            if self.direct:
                return response
            async with aclosing(task.follow(after)) as updates:  # type: ignore[type-var]  # an async generator
                async for update in updates:
                    await self._write(response, request_id, update)
        return response

    async def _write(self, response: web.StreamResponse, request_id: Any, result: Json) -> None:
        await response.write(b"data: " + json.dumps(self._response(request_id, result)).encode() + b"\n\n")

    async def _take(self, message: Json) -> tuple[Task, int, Json]:
        """Begin to work on *message*; return its task, with the number of updates and the state before."""
        text = "".join(part.get("text", "") for part in message["parts"])
        if task_id := message.get("taskId"):
            task = self._found({"id": task_id})
            if task.state in ENDS:
                raise RpcError(_UNSUPPORTED, "the task has ended")
            task.state, task.words = "WORKING", None
        else:
            context = message.get("contextId") or self.new_id("context")
            if self.contexts is not None and message.get("contextId") not in {None, *self.contexts}:
                raise RpcError(_BAD_PARAMETERS, "unknown context")
            task = Task(self.new_id("task"), context)
            self.tasks[task.id] = task
        task.history.append(message)
        self.asked.append({"messages": [{"content": text}]})
        after, shown = len(task.updates), task.shown()
        script = self.scripts.popleft() if self.scripts else self.script
        task.begun.clear()
        task.work = asyncio.create_task(self._act(task, script(text)))
        if self.direct:
            await task.work
            self.tasks.pop(task.id, None)
        await task.begun.wait()
        if task.refused is not None:
            raise task.refused
        return task, after, shown

    async def _act(self, task: Task, pieces: AsyncIterator[object]) -> None:
        """Carry the script out."""
        asyncio.get_running_loop().call_later(0.05, task.begun.set)
        try:
            async for piece in pieces:
                if isinstance(piece, int):
                    task.refused = Refusal("scripted", piece, headers={"Retry-After": "0"})
                    del self.tasks[task.id]
                    return
                task.begun.set()
                if not self._play(task, piece):
                    return
            task.turn("COMPLETED")
        except asyncio.CancelledError:
            task.turn("CANCELED")
            raise
        finally:
            task.begun.set()

    def _play(self, task: Task, piece: object) -> bool:
        """Show *piece*, and tell whether the task goes on."""
        match piece:
            case None:
                self.cut()
            case Exception():
                task.turn("FAILED", str(piece))
            case Asks(text, state) | Ends(state, text):
                task.turn(state, text)
            case Reasoning(text):
                task.turn("WORKING", text)
            case Chunk():
                task.add(piece)
            case File():
                task.add(Chunk(self.new_id("file"), (file_part(piece),)))
            case dict():
                task.tell(piece)
            case str() if piece:
                task.add(Chunk(_ANSWER, ({"text": piece},)))
        return not isinstance(piece, Exception | Asks | Ends)

    def _found(self, params: Json) -> Task:
        task = self.tasks.get(params["id"])
        if task is None:
            raise RpcError(_NOT_FOUND, "Task not found")
        return task

    async def _cancel(self, params: Json) -> Task:
        task = self._found(params)
        if task.state in ENDS or task.work is None:
            raise RpcError(_NOT_CANCELABLE, "Task cannot be canceled")
        task.work.cancel()
        with suppress(asyncio.CancelledError):
            await task.work
        return task

    def new_id(self, kind: str) -> str:
        """Return a new id."""
        return f"{kind}-{next(self._numbers)}"
