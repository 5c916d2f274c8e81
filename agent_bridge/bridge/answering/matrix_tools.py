"""The ``matrix_*`` tools: an agent acts as its ghost, in the room in which it was asked, and nowhere else.

The person who asked the agent is in that room and may do the same there, so no card asks for a decision.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.ids import MARK, short_hash
from agent_bridge.matrix.events import content_today
from agent_bridge.matrix.said import message_of
from agent_bridge.render.attachment import file_message
from agent_bridge.render.content import in_thread, reaction
from agent_bridge.upstream.answer import FileDelta
from agent_bridge.upstream.client_tools import ClientTool, ToolOutput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from yarl import URL

    from agent_bridge.bridge.delivery.uploads import Uploads
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver

#: Messages that one call reads, and characters of each.
_MESSAGES, _LENGTH = 50, 2_000
#: Members that one call lists.
_MEMBERS = 200
#: Characters of a reaction, as clients send them.
_KEY = 100

_EVENT_ID = {"type": "string", "description": "Event id of the message. Default: the message that you answer."}


def _tool(name: str, description: str, /, required: Sequence[str] = (), **properties: Mapping[str, Any]) -> ClientTool:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ClientTool(f"matrix_{name}", description, schema)


TOOLS = (
    _tool(
        "react",
        "React with an emoji to a message in the Matrix room of this conversation.",
        ("key",),
        key={"type": "string", "description": "One emoji."},
        event_id=_EVENT_ID,
    ),
    _tool(
        "send_file",
        "Send a file to the Matrix room of this conversation. Give its content as text, or as base64.",
        ("name",),
        name={"type": "string", "description": "File name with its suffix."},
        text={"type": "string", "description": "Content of a text file."},
        base64={"type": "string", "description": "Content of any other file, in base64."},
        content_type={"type": "string", "description": "Media type, for example image/png."},
    ),
    _tool(
        "read_messages",
        "Read the last messages of the Matrix room of this conversation, oldest first, one JSON object in each line.",
        limit={"type": "integer", "minimum": 1, "maximum": _MESSAGES, "description": "Number of messages."},
    ),
    _tool("list_participants", "List the people and the agents in the Matrix room of this conversation."),
)


class MatrixTools:
    """Makes the toolbox of each answer."""

    def __init__(self, homeserver: Homeserver, uploads: Uploads, texts: Texts) -> None:
        self._homeserver = homeserver
        self._uploads = uploads
        self._texts = texts

    def toolbox(self, turn: Turn, agent: Agent, own: URL) -> MatrixToolbox:
        """Return the tools of *agent* for its answer to *turn*; *own* is the URL of its upstream."""
        return MatrixToolbox(self._homeserver, self._uploads, self._texts, turn, agent, own)


@dataclass(frozen=True, slots=True)
class MatrixToolbox:
    """The tools of one answer."""

    homeserver: Homeserver
    uploads: Uploads
    texts: Texts
    turn: Turn
    agent: Agent
    #: URL of the upstream.
    own: URL

    @property
    def tools(self) -> Sequence[ClientTool]:
        """See :class:`agent_bridge.upstream.client_tools.Toolbox`."""
        return TOOLS

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolOutput:
        """See :class:`agent_bridge.upstream.client_tools.Toolbox`.

        The transaction id derives from the arguments, so the homeserver swallows a repeated call.
        """
        run = self._runs.get(name)
        if run is None:
            return ToolOutput(f"there is no tool {name}", is_error=True)
        key = short_hash(json.dumps([name, arguments], sort_keys=True))
        try:
            return ToolOutput(await run(arguments, f"ab.{self.turn.key}.tool.{key}"))
        except _Unusable as error:
            return ToolOutput(str(error), is_error=True)
        except BridgeError as error:
            return ToolOutput(error.says(self.texts), is_error=True)

    @property
    def _runs(self) -> Mapping[str, Callable[[Mapping[str, Any], str], Awaitable[str]]]:
        return {
            "matrix_react": self._react,
            "matrix_send_file": self._send_file,
            "matrix_read_messages": self._read_messages,
            "matrix_list_participants": self._list_participants,
        }

    @property
    def _ghost(self) -> str:
        return self.homeserver.namespace.user_id(self.agent.ghost)

    async def _react(self, arguments: Mapping[str, Any], txn_id: str) -> str:
        key, target = _text(arguments, "key").strip(), _text(arguments, "event_id") or self.turn.event_id
        if not key or len(key) > _KEY:
            raise _Unusable(f"key must be one emoji, of at most {_KEY} characters")
        if await self.homeserver.event(self.turn.room_id, target, self._ghost) is None:
            raise _Unusable(f"there is no message {target} in this room")
        content = reaction(target, key) | {MARK: f"{self.turn.key}.tool"}
        try:
            await self.homeserver.send(
                self.turn.room_id, content, kind="m.reaction", txn_id=txn_id, as_user=self._ghost
            )
        except HomeserverRefused as error:
            if error.errcode != "M_DUPLICATE_ANNOTATION":
                raise
        return f"reacted with {key}"

    async def _send_file(self, arguments: Mapping[str, Any], txn_id: str) -> str:
        name, words, data = (_text(arguments, key) for key in ("name", "text", "base64"))
        if not name or bool(words) == bool(data):
            raise _Unusable("give name, and either text or base64")
        try:
            content = base64.b64decode(data, validate=True) if data else words.encode()
        except binascii.Error:
            raise _Unusable("base64 is not valid") from None
        kind = _text(arguments, "content_type") or ("application/octet-stream" if data else "text/plain")
        url = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        files, notes = await self.uploads.upload_all(
            [FileDelta(url, name, kind)], own=self.own, as_user=self._ghost, title=self.agent.name
        )
        if not files:
            raise _Unusable("; ".join(notes))
        message = file_message(files[0]) | {MARK: f"{self.turn.key}.tool"}
        if self.turn.root is not None:
            message |= in_thread(self.turn.root, self.turn.event_id)
        event_id = await self.homeserver.send(self.turn.room_id, message, txn_id=txn_id, as_user=self._ghost)
        return f"sent {name} as {event_id}"

    async def _read_messages(self, arguments: Mapping[str, Any], _txn_id: str) -> str:
        wanted = arguments.get("limit", _MESSAGES)
        limit = min(max(wanted, 1), _MESSAGES) if isinstance(wanted, int) else _MESSAGES
        only = {"types": ["m.room.message", "m.sticker"]}
        events, _ = await self.homeserver.messages(self.turn.room_id, limit=limit, as_user=self._ghost, only=only)
        lines = [line for event in reversed(events) if (line := _line(event)) is not None]
        return "\n".join(lines) or "there are no messages"

    async def _list_participants(self, _arguments: Mapping[str, Any], _txn_id: str) -> str:
        state = await self.homeserver.room_state(self.turn.room_id, self._ghost)
        if state is None:
            raise _Unusable("the room cannot be read")
        members = sorted(state.members("join"))
        lines = [json.dumps({"user_id": user, "is_agent": self.homeserver.namespace.is_ours(user)}) for user in members]
        return "\n".join(lines[:_MEMBERS])


class _Unusable(Exception):
    """Arguments that the tool cannot use; the message is for the agent."""


def _text(arguments: Mapping[str, Any], key: str) -> str:
    value = arguments.get(key)
    return value if isinstance(value, str) else ""


def _line(event: Mapping[str, Any]) -> str | None:
    """Return a message as JSON; None for an edit, and for a message that was redacted or has no text."""
    content = event.get("content")
    if not isinstance(content, dict) or "m.new_content" in content:
        return None
    said = message_of(str(event.get("type")), content_today(event))
    if said is None:
        return None
    body = said.body or ", ".join(each.name for each in said.files)
    fields = {key: event.get(key) for key in ("event_id", "sender", "origin_server_ts")}
    return json.dumps(fields | {"body": body[:_LENGTH]}, ensure_ascii=False) if body else None
