"""A server with the App Server protocol of Letta, whose agents follow the test's script. It fails like the real one."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from agent_bridge.demo.agents.openai_server import Reasoning
from support.answer_chunks import Tool
from support.app_server_talks import Talk, asks, lost_calls, parts, shown
from support.scripted_server_extras import ServerExtras
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Iterable

    Frame = dict[str, Any]

_CAPABILITIES = ("agent_management", "conversation_management", "memory_management", "runtime_start")


class ScriptedAppServer(ServerExtras, ScriptedUpstream):
    """:class:`ScriptedUpstream` with the WebSocket of an App Server.

    A piece ``int`` or an exception ends the turn with an error, ``None`` ends all connections. A tool whose name is in
    :attr:`guarded` needs an approval.
    """

    def __init__(self, *models: str) -> None:
        ScriptedUpstream.__init__(self, *models)
        ServerExtras.__init__(self)
        self.version = "0.0"
        self.protocol_version = 1
        self.capabilities = dict.fromkeys(_CAPABILITIES, True)
        self.guarded: set[str] = set()
        #: Whether a request for approval offers to allow calls like this one.
        self.offers_always = True
        self.talks: dict[str, Talk] = {}
        #: Commands that arrived, in their order; and those that get no response, or end their connection.
        self.commands: list[Frame] = []
        self.silent: set[str] = set()
        self.cut_at: set[str] = set()
        #: Where its WebSocket is now, empty if it is here.
        self.moved_to = ""
        #: Whether no conversation accepts a message.
        self.refuses = False
        #: The number of conversations that the server refuses to archive.
        self.refused_archives = 0
        #: Decisions that arrived and counted.
        self.decisions: list[Frame] = []
        #: The schedules of the agents, as the server lists them.
        self.tasks: list[Frame] = []
        #: The number of commands that end a turn and find its next step, which is another run.
        self.next_steps = 0
        #: Bytes of an event at which the server ends the connection.
        self.max_event = 16 * 1024**2
        #: Seconds between the command that ends a turn and the report of its end.
        self.late_ends = 0.0
        #: Whether the server finds the cursors of pages.
        self.knows_cursors = True
        self.sockets: list[web.WebSocketResponse] = []
        self._numbers = itertools.count(1)
        #: The numbers of the next runs.
        self.runs = itertools.count(1)

    @property
    def url(self) -> str:
        """The URL of the server."""
        return self.api_url.removesuffix("/v1")

    @property
    def verdicts(self) -> list[str]:
        """The decisions in short."""
        return [each["behavior"] for each in self.decisions]

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the server."""
        return [*super().routes(), web.get("/ws", self._serve)]

    def cut(self) -> None:
        """End all connections without a goodbye."""
        for socket in self.sockets:
            _abort(socket)

    def cut_one(self) -> None:
        """End the oldest connection without a goodbye."""
        _abort(self.sockets[0])

    def remember(self, conversation_id: str, question: str, answer: str, **keys: str) -> None:
        """Add what another client asked, and the answer; ``default`` is the main conversation of the first agent.

        *keys* are further fields of both messages.
        """
        agent_id = self.models[0]["id"]
        talk = self.talks.setdefault(conversation_id, Talk(conversation_id, agent_id, ""))
        said = {"message_type": "user_message", "otid": "of another client", "content": parts(question), **keys}
        talk.messages.append(self._kept(said))
        talk.messages.append(self._kept({"message_type": "assistant_message", "content": parts(answer), **keys}))

    def say_goodbye(self) -> None:
        """Close all connections, as a server does that ends."""
        self._goodbyes = [
            asyncio.create_task(socket.close(code=WSCloseCode.GOING_AWAY)) for socket in list(self.sockets)
        ]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.moved_to:
            raise web.HTTPTemporaryRedirect(self.moved_to)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self.sockets.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(socket, json.loads(message.data))
        finally:
            self.sockets.remove(socket)
            for talk in self.talks.values():
                self._leave(talk, socket)
        return socket

    def _leave(self, talk: Talk, socket: web.WebSocketResponse) -> None:
        """Give the answer of *talk* up if *socket* was the last connection that follows it."""
        if socket in talk.followers:
            talk.followers.remove(socket)
            if not talk.followers and talk.is_running and talk.task is not None:
                talk.task.cancel()
                talk.stuck = "local-run-0"
                talk.pending.clear()

    async def _take(self, socket: web.WebSocketResponse, frame: Frame) -> None:
        kind = frame["type"]
        self.commands.append(frame)
        if kind in self.cut_at:
            self.cut_at.remove(kind)
            self.cut()
            return
        if kind in self.silent:
            return
        handler = getattr(self, f"_on_{kind}", None)
        if handler is not None:
            response = await handler(socket, frame)
            if response is not None:
                await _send(socket, {"request_id": frame.get("request_id"), "success": True, **response})

    async def _on_app_server_info(self, _socket: web.WebSocketResponse, _frame: Frame) -> Frame:
        return {
            "type": "app_server_info_response",
            "letta_code_version": self.version,
            "protocol_version": self.protocol_version,
            "capabilities": self.capabilities,
        }

    async def _on_agent_list(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        query = frame.get("query", {})
        entries = [{"name": each["id"], **each} for each in self.models]
        ids = [each["id"] for each in entries]
        start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
        return {"type": "agent_list_response", "agents": entries[start : start + query.get("limit", 50)]}

    async def _on_agent_retrieve(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        known = any(each["id"] == frame["agent_id"] for each in self.models)
        return {"type": "agent_retrieve_response", "success": known} | ({} if known else {"error": "not found"})

    async def _on_conversation_retrieve(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        talk = self.talks.get(frame["conversation_id"])
        if talk is None:
            return {"type": "conversation_retrieve_response", "success": False, "error": "not found"}
        remembered = {"in_context_message_ids": [each["id"] for each in talk.messages]}
        return {"type": "conversation_retrieve_response", "conversation": shown(talk) | remembered}

    async def _on_conversation_create(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        talk = self._new(frame["body"]["agent_id"], frame["body"]["summary"])
        return {"type": "conversation_create_response", "conversation": shown(talk)}

    async def _on_conversation_fork(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        old = self.talks[frame["conversation_id"]]
        until = frame["body"].get("message_id")
        if until and until not in {each["id"] for each in old.messages}:
            error = f"Message {until} not found"
            return {"type": "conversation_fork_response", "success": False, "conversation": None, "error": error}
        talk = self._new(old.agent_id, old.summary)
        for message in old.messages:
            talk.messages.append({**message, "id": f"copy-{message['id']}"})
            if message["id"] == until:
                break
        return {"type": "conversation_fork_response", "conversation": {"id": talk.id}}

    async def _on_conversation_update(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        talk = self.talks[frame["conversation_id"]]
        if self.refused_archives and "archived" in frame["body"]:
            self.refused_archives -= 1
            return {"type": "conversation_update_response", "success": False, "error": "scripted"}
        talk.summary = frame["body"].get("summary", talk.summary)
        talk.archived = frame["body"].get("archived", talk.archived)
        return {"type": "conversation_update_response", "conversation": shown(talk)}

    async def _on_conversation_list(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        query = frame["query"]
        words = query.get("summary_search", "")
        of_agent = [each for each in self.talks.values() if each.agent_id == query["agent_id"] and each.id != "default"]
        found = [shown(each) for each in reversed(of_agent) if words in each.summary]
        page = self._after(found, query.get("after"))[: query.get("limit", 20)]
        return {"type": "conversation_list_response", "conversations": page}

    async def _on_cron_list(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        tasks = [each for each in self.tasks if each["agent_id"] == frame["agent_id"]]
        return {"type": "cron_list_response", "tasks": tasks}

    async def _on_conversation_messages_list(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        query, talk = frame["query"], self.talks.get(frame["conversation_id"])
        if talk is None:
            return {"type": "conversation_messages_list_response", "success": False, "error": "not found"}
        newest = talk.messages[::-1]
        rest = self._after(newest, query.get("before"))
        page = rest[: query["limit"]]
        before = page[-1]["id"] if page else None
        return {
            "type": "conversation_messages_list_response",
            "messages": page,
            "next_before": before,
            "has_more": len(page) < len(rest),
        }

    async def _on_runtime_start(self, socket: web.WebSocketResponse, frame: Frame) -> Frame:
        talk = self.talks.get(frame["conversation_id"])
        if talk is None:
            error = f"Conversation {frame['conversation_id']} not found"
            return {"type": "runtime_start_response", "success": False, "error": error}
        talk.followers.add(socket)
        running = "WAITING_ON_APPROVAL" if talk.pending else "PROCESSING_API_RESPONSE"
        status = running if talk.is_running else "WAITING_ON_INPUT"
        loop = {"status": status, "active_run_ids": [talk.run] if talk.is_running and talk.run else []}
        await _send(socket, {"type": "update_loop_status", "loop_status": loop, "runtime": talk.runtime})
        requests = [{"request_id": each, "request": asks(each)} for each in talk.pending]
        device: Frame = {"pending_control_requests": requests, "supported_commands": self.offered}
        if self.extensions:
            device["mod_commands"] = self.extensions
        await _send(socket, {"type": "update_device_status", "device_status": device, "runtime": talk.runtime})
        return {"type": "runtime_start_response", "runtime": talk.runtime}

    async def _on_input(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        talk, payload = self.talks[frame["runtime"]["conversation_id"]], frame["payload"]
        response = {"type": "input_accepted", "runtime": talk.runtime}
        if payload["kind"] == "approval_response":
            decision = talk.pending.pop(payload["request_id"], None)
            if decision is None:
                return {**response, "accepted": False, "error": "Approval request is no longer pending"}
            self.decisions.append(payload["decision"])
            decision.set_result(payload["decision"])
            return {**response, "accepted": True}
        if self.refuses or talk.is_running or talk.interrupted or lost_calls(talk):
            return {**response, "accepted": False, "error": "Input was rejected by the queue or durable ledger"}
        talk.task = asyncio.create_task(self._turn(talk, payload["messages"][0]))
        return {**response, "accepted": True, "disposition": "started"}

    def talk(self, frame: Frame) -> Talk:
        """Return the conversation that *frame* names."""
        return self.talks[frame["runtime"]["conversation_id"]]

    async def run(self, talk: Talk, question: str) -> None:
        """Answer *question* in a conversation, as if a command had asked it."""
        await self._turn(talk, {"content": question, "otid": "of a command"})

    async def tell(self, talk: Talk, delta: Frame) -> None:
        """Send *delta* to all who follow a conversation."""
        await self._tell(talk, {"type": "stream_delta", "delta": delta})

    def begin(self, talk: Talk, question: str) -> None:
        """Begin an answer that no client of now has asked for."""
        talk.task = asyncio.create_task(self._turn(talk, {"content": question, "otid": "of another client"}))

    async def _on_sync(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        talk = self.talks[frame["runtime"]["conversation_id"]]
        assert not lost_calls(talk), "the server goes on with the turn"
        if frame.get("resume_interrupted_turn") and not talk.is_running:
            talk.interrupted = False
        return {"type": "sync_response", "runtime": talk.runtime}

    async def _on_abort_message(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        talk = self.talks[frame["runtime"]["conversation_id"]]
        if self.next_steps:
            self.next_steps -= 1
            talk.run = f"local-run-{next(self.runs)}"
        aborted = talk.is_running and frame.get("run_id", talk.run) in (None, talk.run)
        if talk.task is not None and aborted:
            talk.task.cancel()
            with suppress(asyncio.CancelledError):
                await talk.task
            talk.interrupted = True
            asyncio.get_running_loop().call_later(self.late_ends, self._end_late, talk)
        return {"type": "abort_message_response", "runtime": talk.runtime, "aborted": aborted}

    def _end_late(self, talk: Talk) -> None:
        talk.task = asyncio.create_task(self.finish(talk, "cancelled"))

    async def _turn(self, talk: Talk, said: Frame) -> None:
        if talk.stuck:
            error = f"Conversation {talk.id} already has an active run ({talk.stuck})"
            await self.finish(talk, "error", error)
            return
        question = said["content"]
        kept = {"message_type": "user_message", "otid": said["otid"], "content": parts(question)}
        talk.messages.append(self._kept(kept))
        text = question if isinstance(question, str) else "".join(part.get("text", "") for part in question)
        self.asked.append({"messages": [{"content": text}]})
        script = self.scripts.popleft() if self.scripts else self.script
        run, number = f"local-run-{next(self.runs)}", itertools.count(1)
        talk.run = run
        async for piece in script(text):
            if piece is None:
                self.cut()
                return
            if isinstance(piece, int | Exception):
                report = {"error": {"message": str(piece) if isinstance(piece, Exception) else "scripted"}}
                if isinstance(piece, int):
                    report["error"]["code"] = str(piece)
                await self.finish(talk, "error", json.dumps(report))
                return
            if isinstance(piece, Tool) and piece.call_id is None:
                piece = replace(piece, call_id=self._id("call"))  # noqa: PLW2901
            for delta in self._deltas(talk, piece):
                await self.tell(talk, {**delta, "run_id": run, "seq_id": next(number)})
            if isinstance(piece, Tool):
                await self._use(talk, piece, run)
        await self.tell(talk, {"message_type": "stop_reason", "stop_reason": "end_turn", "run_id": run, "seq_id": 0})
        await self.finish(talk, "end_turn")

    def _deltas(self, talk: Talk, piece: object) -> Iterable[Frame]:
        """Yield the deltas that bring *piece*, and keep it in the history."""
        last = talk.messages[-1]
        if isinstance(piece, Reasoning):
            talk.messages.append(self._kept({"message_type": "reasoning_message"}))
            yield {"message_type": "reasoning_message", "reasoning": str(piece.text)}
        elif isinstance(piece, Tool):
            call = {"tool_call_id": piece.call_id, "name": piece.name, "arguments": piece.arguments}
            message = self._kept({"message_type": "approval_request_message", "tool_call": call})
            talk.messages.append(message)
            yield message
        elif isinstance(piece, str) and piece:
            if last["message_type"] != "assistant_message":
                last = self._kept({"message_type": "assistant_message", "content": ""})
                talk.messages.append(last)
            last["content"] += piece
            yield {"message_type": "assistant_message", "id": last["id"], "content": [{"type": "text", "text": piece}]}

    async def _use(self, talk: Talk, tool: Tool, run: str) -> None:
        """Run *tool*, after an approval if it needs one."""
        result, status = "done", "success"
        if tool.name in self.guarded:
            request_id = f"perm-{tool.call_id}"
            decision = talk.pending[request_id] = asyncio.get_running_loop().create_future()
            await self._tell(talk, {"type": "control_request", "request_id": request_id, "request": asks(request_id)})
            if (await decision)["behavior"] != "allow":
                result, status = str(decision.result()["message"]), "error"
        common = {"run_id": run, "tool_call_id": tool.call_id}
        if status == "success":
            await self.tell(talk, {**common, "id": self._id("start"), "message_type": "client_tool_start"})
        talk.messages.append(self._kept({"message_type": "tool_return_message", **common}))
        for _ in range(2):
            # The server sends each result twice.
            delta = {**common, "id": self._id("return"), "message_type": "tool_return_message"}
            await self.tell(talk, {**delta, "tool_return": result, "status": status})

    async def finish(self, talk: Talk, reason: str, error: str = "") -> None:
        """Tell the end of a turn."""
        end = {"type": "turn_finished", "turn_id": self._id("turn"), "stop_reason": reason}
        await self._tell(talk, end | ({"error": error} if error else {}))

    async def _tell(self, talk: Talk, event: Frame) -> None:
        data = json.dumps({**event, "runtime": talk.runtime})
        for socket in list(talk.followers):
            if len(data) > self.max_event:
                _abort(socket)
            else:
                await _send(socket, data)

    def _new(self, agent_id: str, summary: str) -> Talk:
        talk = Talk(self._id("local-conv"), agent_id, summary)
        self.talks[talk.id] = talk
        return talk

    def _kept(self, message: Frame) -> Frame:
        """Return *message* as the history has it."""
        return {"id": self._id("ui-msg"), "date": f"2026-11-21T01:{len(self.asked):02}:00.500Z", **message}

    def _after(self, entries: list[Frame], cursor: object) -> list[Frame]:
        """Return the entries after *cursor*; all if it is not known, as the server does."""
        ids = [each["id"] for each in entries]
        return entries[ids.index(cursor) + 1 :] if cursor in ids and self.knows_cursors else entries

    def _id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"


def _abort(socket: web.WebSocketResponse) -> None:
    request = socket._req  # aiohttp has no way to end a WebSocket without a goodbye
    if request is not None and request.transport is not None:
        request.transport.abort()


async def _send(socket: web.WebSocketResponse, frame: Frame | str) -> None:
    with suppress(ConnectionError):
        await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
