"""The memory files and the slash commands of the scripted App Server."""

from __future__ import annotations

import asyncio
import base64
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

    from support.app_server_talks import Talk

    Frame = dict[str, Any]


class ServerExtras(ABC):
    """A part of :class:`~support.scripted_app_server.ScriptedAppServer`."""

    def __init__(self) -> None:
        #: The pictures of agents, each with the number of its commit.
        self.pictures: dict[str, tuple[bytes, int]] = {}
        #: The commands that it offers; those that fail; and those that ask the agent, with the words of :attr:`script`.
        self.offered: list[str] = ["compact", "init", "clear", "upgrade-letta-code", "secret"]
        self.extensions: list[Frame] = []
        self.failing: set[str] = set()
        self.asking: set[str] = set()
        #: Those that work without the agent until their event is set: no command ends them.
        self.working: dict[str, asyncio.Event] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    @abstractmethod
    def talk(self, frame: Frame) -> Talk:
        """Return the conversation that *frame* names."""

    @abstractmethod
    async def run(self, talk: Talk, question: str) -> None:
        """Answer *question* in a conversation."""

    @abstractmethod
    async def tell(self, talk: Talk, delta: Frame) -> None:
        """Send *delta* to all who follow a conversation."""

    async def _on_read_memory_file(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        response = {"type": "read_memory_file_response", "agent_id": frame["agent_id"], "path": frame["path"]}
        if frame["agent_id"] not in self.pictures:
            return {**response, "content": None, "success": False, "error": "ENOENT: no such file or directory"}
        return {**response, "content": base64.b64encode(self.pictures[frame["agent_id"]][0]).decode()}

    async def _on_memory_history(self, _socket: web.WebSocketResponse, frame: Frame) -> Frame:
        commits = (
            [{"sha": f"commit-{self.pictures[frame['agent_id']][1]}"}] if frame["agent_id"] in self.pictures else []
        )
        return {"type": "memory_history_response", "commits": commits}

    async def _on_execute_command(self, socket: web.WebSocketResponse, frame: Frame) -> None:
        talk = self.talk(frame)
        task = asyncio.create_task(self._execute(socket, talk, frame))
        if frame["command_id"] in self.working:
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
        else:
            talk.task = task

    async def _execute(self, socket: web.WebSocketResponse, talk: Talk, frame: Frame) -> None:
        """Run a command. One of an extension gets no response, and asks the agent behind its end."""
        name = frame["command_id"]
        is_added = name in {each["id"] for each in self.extensions}
        if name in self.asking and not is_added:
            await self.run(talk, f"/{name}")
        if name in self.working:
            await self.working[name].wait()
        success, output = name not in self.failing, f"/{name} {frame['args']}".strip()
        end = {"success": success, "output": f"Running /{name}..." if is_added else output}
        await self.tell(talk, {"message_type": "slash_command_end", "id": f"end-{name}", "command_id": name, **end})
        if is_added:
            await self.run(talk, f"/{name}")
        else:
            response = {"type": "execute_command_response", "request_id": frame["request_id"]}
            await socket.send_json({**response, **end})
