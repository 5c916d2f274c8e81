"""A server with Letta's REST API, version 1, whose agents follow the test's script. It fails like the real one."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.demo.agents.openai_server import Reasoning, Refusal
from support.answer_chunks import Tool
from support.letta_v1_runs import (
    DATE,
    PENDING,
    Run,
    Talk,
    call_frames,
    chain,
    decided,
    error_frames,
    once,
    reply_frames,
    result_frame,
    shown,
    while_pending,
)
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

Frame = dict[str, Any]

_SDK = "X-Stainless-Package-Version"
_NO_REDIS = "Background streaming requires Redis to be running."


class ScriptedLettaV1(ScriptedUpstream):
    """:class:`ScriptedUpstream` with the REST API. Without *redis*, it has no background mode and no locks.

    A piece ``int`` is the status of an error response, an exception ends the run with an error, ``None`` cuts all
    connections, and the run goes on. A tool whose name is in :attr:`guarded` needs an approval. *remembers* tells
    whether a message with a known ``otid`` joins its run.
    """

    def __init__(self, *models: str, redis: bool = True, remembers: bool = True) -> None:
        super().__init__(*models)
        self.redis = redis
        self.remembers = remembers
        self.guarded: set[str] = set()
        self.offers_always = False
        self.talks: dict[str, Talk] = {}
        self.runs: dict[str, Run] = {}
        #: Requests that arrived: the method, the path, and the query or the body.
        self.requests: list[tuple[str, str, Frame]] = []
        #: Decisions that arrived, and the instructions that the agent invented because of repeated ones.
        self.decisions: list[Frame] = []
        self.invented = 0
        #: Whether a message that has to wait for a decision fails inside its stream.
        self.fails_in_stream = False
        #: Whether a cancelled run goes on, as one does whose language model says nothing.
        self.cancels_later = False
        #: The paths whose next request ends its connection after it was carried out, or before.
        self.cut_after: set[str] = set()
        self.cut_before: set[str] = set()
        self.knows_cursors = True
        #: Whether streams end without the mark ``[DONE]``.
        self.no_done = False
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """The URL of the server."""
        return self.api_url.removesuffix("/v1")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [run.task for run in self.runs.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().__aexit__(kind, error, trace)

    @property
    def verdicts(self) -> list[str]:
        """The decisions."""
        return ["allow" if each["approve"] else "deny" for each in self.decisions]

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the server."""
        conversation = "/v1/conversations/{talk}"
        return [
            web.get("/v1/health/", self._health),
            web.get("/v1/agents/", self._list_agents),
            web.post("/v1/conversations/", self._make),
            web.get("/v1/conversations/", self._list),
            web.patch(conversation, self._rename),
            web.delete(conversation, self._delete),
            web.post(f"{conversation}/fork", self._fork),
            web.get(f"{conversation}/messages", self._history),
            web.post(f"{conversation}/messages", self._send),
            web.post(f"{conversation}/stream", self._find_stream),
            web.post(f"{conversation}/cancel", self._cancel),
            web.get("/v1/runs/", self._list_runs),
            web.get("/v1/runs/{run}", self._show_run),
            web.get("/v1/runs/{run}/messages", self._run_messages),
            web.post("/v1/runs/{run}/stream", self._run_stream),
        ]

    def remember(self, conversation_id: str, question: str, answer: str) -> None:
        """Add what another client asked, and the answer; ``default`` is the main conversation of the first agent."""
        talk = self.talks.setdefault(conversation_id, Talk(conversation_id, self.models[0]["id"], ""))
        run_id = self.new_id("run")
        said = {"message_type": "user_message", "otid": "of another client", "content": question}
        for message in (said, {"message_type": "assistant_message", "content": answer}):
            talk.messages.append({"id": self.new_id("message"), "date": DATE, "run_id": run_id, **message})

    def cut(self) -> None:
        """End the connections of all streams."""
        for run in self.runs.values():
            run.cut()

    async def _note(self, request: web.Request) -> Frame:
        """Record *request*, and return its body."""
        if _SDK not in request.headers:
            raise _refuse(422, "streaming=true is only supported for SDK v1.0+ clients.")
        body: Frame = await request.json() if request.can_read_body else {}
        self.requests.append((request.method, request.path.removeprefix("/v1"), {**request.query, **body}))
        await self._cut_at(request, self.cut_before)
        return body

    async def _cut_at(self, request: web.Request, paths: set[str]) -> None:
        kind = f"{request.method} {request.path.rstrip('/').rpartition('/')[2]}"
        if kind in paths:
            paths.remove(kind)
            assert request.transport is not None
            request.transport.abort()
            # The lost connection ends the request.
            await asyncio.Event().wait()

    def _talk(self, request: web.Request) -> Talk:
        talk = self.talks.get(request.match_info["talk"])
        if talk is None:
            raise _refuse(404, f"Conversation {request.match_info['talk']} not found")
        return talk

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": "0.16.8", "status": "ok"})

    async def _list_agents(self, request: web.Request) -> web.Response:
        await self._note(request)
        if self.status != 200:
            raise _refuse(self.status, "scripted")
        entries = [{"name": each["id"], "description": None, **each} for each in self.models]
        return web.json_response(self._after(entries, request))

    def _after(self, entries: list[Frame], request: web.Request) -> list[Frame]:
        """Return the page of *entries* for *request*. A cursor that is not known is ignored."""
        ids, after = [each["id"] for each in entries], request.query.get("after")
        start = ids.index(after) + 1 if after in ids and self.knows_cursors else 0
        return entries[start : start + int(request.query.get("limit", "50"))]

    async def _make(self, request: web.Request) -> web.Response:
        body = await self._note(request)
        if self.models and request.query["agent_id"] not in {each["id"] for each in self.models}:
            raise _refuse(404, f"Agent with ID {request.query['agent_id']} not found")
        talk = Talk(self.new_id("conv"), request.query["agent_id"], body["summary"])
        self.talks[talk.id] = talk
        await self._cut_at(request, self.cut_after)
        return web.json_response(talk.shown())

    async def _list(self, request: web.Request) -> web.Response:
        await self._note(request)
        words, agent_id = request.query.get("summary_search", ""), request.query["agent_id"]
        of_agent = [each for each in self.talks.values() if each.agent_id == agent_id and each.id != "default"]
        found = [each.shown() for each in reversed(of_agent) if words in each.summary]
        return web.json_response(self._after(found, request))

    async def _fork(self, request: web.Request) -> web.Response:
        await self._note(request)
        old = self._talk(request)
        talk = Talk(self.new_id("conv"), old.agent_id, "", [dict(each) for each in old.messages])
        self.talks[talk.id] = talk
        return web.json_response(talk.shown())

    async def _rename(self, request: web.Request) -> web.Response:
        body, talk = await self._note(request), self._talk(request)
        talk.summary = body["summary"]
        return web.json_response(talk.shown())

    async def _delete(self, request: web.Request) -> web.Response:
        await self._note(request)
        del self.talks[self._talk(request).id]
        return web.json_response(None)

    async def _history(self, request: web.Request) -> web.Response:
        await self._note(request)
        messages = list(self._talk(request).messages)
        if request.query.get("order", "desc") == "desc":
            messages.reverse()
        ids, after = [each["id"] for each in messages], request.query.get("after")
        if after is not None and after not in ids:
            raise _refuse(404, f"No message found with id '{after}'")
        # The cursor stands for a message, of which the server may make several entries.
        start = len(ids) - ids[::-1].index(after) if after is not None and self.knows_cursors else 0
        return web.json_response(messages[start : start + int(request.query.get("limit", "100"))])

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body, talk = await self._note(request), self._talk(request)
        message = body["messages"][0]
        background = bool(body.get("background"))
        if background and not self.redis:
            raise _refuse(503, f"INTERNAL_SERVER_ERROR: {_NO_REDIS}")
        known = self._known(talk, message.get("otid")) if background and self.remembers else None
        if known is not None:
            return await self._follow(request, known, 0)
        busy = talk.running
        if busy is not None and self.redis:
            detail = f"CONFLICT: Cannot send a new message: Another request (run_id={busy.id}) is being processed"
            raise _refuse(409, detail, run_id=busy.id)
        run = self._run(talk, message, background=background)
        await run.begun.wait()
        if run.refused is not None:
            raise run.refused
        await self._cut_at(request, self.cut_after)
        return await self._follow(request, run, 0)

    def _run(self, talk: Talk, message: Frame, *, background: bool) -> Run:
        """Start the run of *message*."""
        if message.get("type") == "approval":
            pieces = self._decide(talk, message["approvals"])
        elif talk.asks is not None and not self.fails_in_stream:
            detail = {"code": PENDING, "message": while_pending(), "pending_request_id": talk.asks["id"]}
            raise _refuse(409, detail)
        else:
            pieces = self._script(talk, message)
        run = Run(self.new_id("run"), str(message.get("otid")), background=background)
        talk.runs.append(run)
        self.runs[run.id] = run
        run.task = asyncio.create_task(self._act(talk, run, message, pieces))
        return run

    def _script(self, talk: Talk, message: Frame) -> AsyncIterator[object]:
        if talk.asks is not None:
            return once(RuntimeError(while_pending()))
        content = message["content"]
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        self.asked.append({"messages": [{"content": text}]})
        return (self.scripts.popleft() if self.scripts else self.script)(text)

    def _decide(self, talk: Talk, decisions: list[Frame]) -> AsyncIterator[object]:
        """Return the rest of the script after *decisions*."""
        ids = {each["tool_call_id"] for each in decisions}
        if talk.asks is None and ids <= talk.decided:
            self.invented += 1
            return once("An invented turn.")
        if talk.asks is None:
            raise _refuse(400, "Cannot process approval response: No tool call is currently awaiting approval.")
        expected = {each.call_id for each in talk.tools}
        if ids != expected:
            raise _refuse(400, f"Invalid tool call IDs. Expected {expected}, received {ids}")
        self.decisions += decisions
        talk.decided |= ids
        tools, rest = talk.tools, talk.rest
        assert rest is not None
        talk.asks, talk.tools, talk.rest = None, [], None
        denied = {each["tool_call_id"]: each.get("reason") for each in decisions if not each["approve"]}
        return decided(tools, denied, rest)

    async def _act(self, talk: Talk, run: Run, message: Frame, pieces: AsyncIterator[object]) -> None:
        """Carry the script out."""
        is_kept = message.get("type") == "approval" or talk.asks is not None
        try:
            async for piece in pieces:
                if isinstance(piece, int):
                    run.refuse(_refuse(piece, "scripted"))
                    return
                if not is_kept:
                    is_kept = True
                    said = {"id": self.new_id("message"), "message_type": "user_message", "otid": run.otid}
                    talk.messages.append({**said, "run_id": run.id, "date": DATE, "content": message["content"]})
                if not await self._play(talk, run, piece, pieces):
                    return
            run.end("end_turn")
        except asyncio.CancelledError:
            run.end("cancelled")
            raise

    async def _play(self, talk: Talk, run: Run, piece: object, pieces: AsyncIterator[object]) -> bool:
        """Send *piece*, and tell whether the run goes on."""
        run.ping()
        if piece is None:
            run.cut()
        elif isinstance(piece, Exception):
            run.say(*error_frames(str(piece)))
            run.end("", "failed")
            return False
        elif isinstance(piece, Tool):
            return await self._use(talk, run, piece, pieces)
        elif isinstance(piece, dict):
            talk.messages.append({**piece, "run_id": run.id})
            run.say(piece)
        elif isinstance(piece, Reasoning | str):
            run.say(*reply_frames(run, talk.messages, piece, self.new_id))
        return True

    async def _use(self, talk: Talk, run: Run, tool: Tool, pieces: AsyncIterator[object]) -> bool:
        """Call *tool*. A guarded one ends the run, with the guarded ones that follow it."""
        tools = [replace(tool, call_id=tool.call_id or self.new_id("call"))]
        asks = tool.name in self.guarded
        rest = pieces
        if asks:
            async for piece in pieces:
                if not isinstance(piece, Tool):
                    rest = chain(piece, pieces)
                    break
                tools.append(replace(piece, call_id=piece.call_id or self.new_id("call")))
        run.say(*call_frames(run, talk.messages, tools, self.new_id("message"), asks=asks))
        if asks:
            talk.asks, talk.tools, talk.rest = talk.messages[-1], tools, rest
            run.end("requires_approval")
            return False
        result = result_frame(tools[0].call_id, tool.result or "done", self.new_id("message"))
        talk.messages.append({**result, "run_id": run.id})
        run.say(result)
        return True

    def _known(self, talk: Talk, otid: object) -> Run | None:
        return next((each for each in talk.runs if each.otid == otid and each.refused is None), None)

    async def _find_stream(self, request: web.Request) -> web.StreamResponse:
        body, talk = await self._note(request), self._talk(request)
        if not self.redis:
            raise _refuse(503, _NO_REDIS)
        run = self._known(talk, body["otid"]) if "otid" in body else talk.running
        if run is None:
            raise _refuse(400, "INVALID_ARGUMENT: No active runs found for this conversation.")
        return await self._stored_stream(request, run, body)

    async def _run_stream(self, request: web.Request) -> web.StreamResponse:
        body = await self._note(request)
        return await self._stored_stream(request, self._found(request), body)

    async def _stored_stream(self, request: web.Request, run: Run, body: Frame) -> web.StreamResponse:
        if not run.background:
            raise _refuse(400, "INVALID_ARGUMENT: Run was not created in background mode, so it cannot be retrieved.")
        return await self._follow(request, run, body.get("starting_after", 0))

    async def _cancel(self, request: web.Request) -> web.Response:
        await self._note(request)
        talk = self._talk(request)
        if (run := talk.running) is None or run.task is None:
            raise _refuse(409, f"CONFLICT: No active runs to cancel for conversation {talk.id}")
        if self.cancels_later:
            run.cancel_later()
        else:
            run.task.cancel()
            with suppress(asyncio.CancelledError):
                await run.task
        return web.json_response({run.id: "cancelled"})

    def _found(self, request: web.Request) -> Run:
        run = self.runs.get(request.match_info["run"])
        if run is None:
            raise _refuse(404, f"Run {request.match_info['run']} not found")
        return run

    async def _list_runs(self, request: web.Request) -> web.Response:
        await self._note(request)
        running = self.talks[request.query["conversation_id"]].running
        return web.json_response([shown(running)] if running else [])

    async def _show_run(self, request: web.Request) -> web.Response:
        await self._note(request)
        return web.json_response(shown(self._found(request)))

    async def _run_messages(self, request: web.Request) -> web.Response:
        await self._note(request)
        run = self._found(request)
        talk = next(each for each in self.talks.values() if run in each.runs)
        return web.json_response([each for each in talk.messages if each.get("run_id") == run.id])

    async def _follow(self, request: web.Request, run: Run, after: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with suppress(ConnectionError):
            await response.prepare(request)
            await run.follow(request, response, after)
            if not self.no_done:
                await response.write(b"data: [DONE]\n\n")
        return response

    def new_id(self, kind: str) -> str:
        """Return a new id."""
        return f"{kind}-{next(self._numbers)}"


def _refuse(status: int, detail: object, **more: object) -> Refusal:
    """Return the response with the error *detail*."""
    refusal = Refusal("", status, headers={"Retry-After": "0"})
    refusal.body = {"detail": detail, **more}  # type: ignore[dict-item]  # the shape of this API, not of OpenAI's
    return refusal
