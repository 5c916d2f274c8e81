"""The ``matrix_*`` tools: an agent acts as its ghost, in the room in which it was asked, and nowhere else.

A tool does only what the people who asked the agent may do in that room, so no card asks for a decision. What it sends
is a part of the answer, so it is sent once, found again after a crash, and redacted together with the answer.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.answering.work_tools import WORK_TOOLS, Unusable, WorkTools
from agent_bridge.core.actors import Actor
from agent_bridge.core.answers import Part
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.ids import short_hash
from agent_bridge.files import data_urls
from agent_bridge.matrix.events import content_today
from agent_bridge.matrix.relayed import raw_as_said
from agent_bridge.matrix.said import message_of, without_fallback
from agent_bridge.matrix.visibility import HISTORY_VISIBILITY, MEMBER, visible
from agent_bridge.render.attachment import file_message, shown_name
from agent_bridge.render.content import in_thread, reaction
from agent_bridge.upstream.answer import FileDelta
from agent_bridge.upstream.client_tools import ClientTool, ToolOutput
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from yarl import URL

    from agent_bridge.bridge.answering.work_tools import WorkServices
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.bridge.delivery.uploads import Uploads
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.turns import Turns

#: Messages that one call reads, characters of each, and events among which they are looked for.
_MESSAGES, _LENGTH, _PAGE = 50, 2_000, 200
_READ = ("m.room.message", "m.sticker", HISTORY_VISIBILITY, MEMBER)
#: Files and reactions of one answer.
_ACTS = 10
#: Members that one call lists.
_MEMBERS = 200
#: Characters of a reaction, as clients send them.
_KEY = 100
_MESSAGE, _REACTION = "m.room.message", "m.reaction"

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

    def __init__(
        self,
        homeserver: Homeserver,
        roles: Roles,
        turns: Turns,
        uploads: Uploads,
        work: WorkServices,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._roles = roles
        self._turns = turns
        self._uploads = uploads
        self._work = work
        self._texts = texts

    def toolbox(self, turn: Turn, agent: Agent, own: URL, outbox: Outbox) -> MatrixToolbox:
        """Return the tools of *agent* for its answer to *turn* in *outbox*; *own* is the URL of its upstream."""
        return MatrixToolbox(
            self._homeserver, self._roles, self._turns, self._uploads, self._work, self._texts, turn, agent, own, outbox
        )


@dataclass(frozen=True, slots=True)
class MatrixToolbox:
    """The tools of one answer."""

    homeserver: Homeserver
    roles: Roles
    turns: Turns
    uploads: Uploads
    work: WorkServices
    texts: Texts
    turn: Turn
    agent: Agent
    #: URL of the upstream.
    own: URL
    outbox: Outbox

    @property
    def tools(self) -> Sequence[ClientTool]:
        """See :class:`agent_bridge.upstream.client_tools.Toolbox`."""
        return (*TOOLS, *WORK_TOOLS)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolOutput:
        """See :class:`agent_bridge.upstream.client_tools.Toolbox`.

        The number of the part derives from the arguments, so a repeated call sends nothing.
        """
        key = short_hash(json.dumps([self.turn.retries, name, arguments], sort_keys=True))
        run, work = self._runs.get(name), self._work_tools(key).runs.get(name)
        try:
            if work is not None:
                await self._permit(_MESSAGE)
                return ToolOutput(await work(arguments))
            if run is None:
                return ToolOutput(f"there is no tool {name}", is_error=True)
            return ToolOutput(await run(arguments, Part.ACTS[int(key, 16) % len(Part.ACTS)]))
        except Unusable as error:
            return ToolOutput(str(error), is_error=True)
        except BridgeError as error:
            return ToolOutput(error.says(self.texts), is_error=True)

    @property
    def _runs(self) -> Mapping[str, Callable[[Mapping[str, Any], int], Awaitable[str]]]:
        return {
            "matrix_react": self._react,
            "matrix_send_file": self._send_file,
            "matrix_read_messages": self._read_messages,
            "matrix_list_participants": self._list_participants,
        }

    def _work_tools(self, key: str) -> WorkTools:
        """Return the tools for tasks and events, for the call *key*."""
        actor = Actor(self.outbox.user_id, self.agent.id)
        key = f"tool.{self.turn.key}.{key}"
        return WorkTools(self.work, actor, self.agent.name, self.turn.room_id, self.turn.key, key)

    async def _room(self) -> tuple[RoomState, Sequence[str]]:
        """Return the state of the room, and the people who asked, who are in it."""
        state = await self.homeserver.room_state(self.turn.room_id, self.outbox.user_id)
        if state is None:
            raise Unusable("the room cannot be read")
        asking = await self.turns.senders(self.turn.id)
        if any(state.membership(user) != "join" for user in asking):
            raise Unusable("the person who asked is not in this room")
        return state, asking

    async def _permit(self, kind: str, part: int | None = None) -> None:
        """Raise unless the people who asked may send events of type *kind*, and the answer may have the act *part*.

        *part* None: it has no act.
        """
        state, asking = await self._room()
        if any(state.power(user) < state.level(kind) for user in asking):
            raise Unusable("the person who asked is not permitted to do that in this room")
        if part is not None and len(self.outbox.acts - {part}) >= _ACTS:
            raise Unusable(f"an answer can have at most {_ACTS} files and reactions of tools")

    async def _act(self, part: int, content: dict[str, Any], kind: str) -> str:
        event_id = await self.outbox.act(part, content, kind)
        if event_id is None:
            raise Unusable("the answer was redacted")
        return event_id

    async def _react(self, arguments: Mapping[str, Any], part: int) -> str:
        key, target = _text(arguments, "key").strip(), _text(arguments, "event_id") or self.turn.event_id
        if not key or len(key) > _KEY:
            raise Unusable(f"key must be one emoji, of at most {_KEY} characters")
        await self._permit(_REACTION, part)
        if await self.homeserver.event(self.turn.room_id, target, self.outbox.user_id) is None:
            raise Unusable(f"there is no message {target} in this room")
        try:
            await self._act(part, reaction(target, key), _REACTION)
        except HomeserverRefused as error:
            if error.errcode != "M_DUPLICATE_ANNOTATION":
                raise
        return f"reacted with {key}"

    async def _send_file(self, arguments: Mapping[str, Any], part: int) -> str:
        name, words, data = (_text(arguments, key) for key in ("name", "text", "base64"))
        if not name or bool(words) == bool(data):
            raise Unusable("give name, and either text or base64")
        try:
            content = base64.b64decode(data, validate=True) if data else words.encode()
        except ValueError:
            raise Unusable("base64 is not valid") from None
        await self._permit(_MESSAGE, part)
        # The homeserver puts the name into a header of each download, and clients refuse a long header.
        name, message = shown_name(name), {}
        if part not in self.outbox.acts:
            message = await self._uploaded(name, content, _text(arguments, "content_type"), is_text=bool(words))
        if self.turn.root is not None:
            message |= in_thread(self.turn.root, self.turn.event_id)
        return f"sent {name} as {await self._act(part, message, _MESSAGE)}"

    async def _uploaded(self, name: str, content: bytes, kind: str, *, is_text: bool) -> dict[str, Any]:
        """Upload a file, and return the message that shows it."""
        kind = kind or ("text/plain" if is_text else "application/octet-stream")
        files, notes = await self.uploads.upload_all(
            [FileDelta(data_urls.build(kind, content), name, kind)],
            self.turn.room_id,
            own=self.own,
            as_user=self.outbox.user_id,
            title=self.agent.name,
        )
        if not files:
            raise Unusable("; ".join(notes))
        return file_message(files[0])

    async def _read_messages(self, arguments: Mapping[str, Any], _part: int) -> str:
        wanted = arguments.get("limit", _MESSAGES)
        limit = min(max(wanted, 1), _MESSAGES) if isinstance(wanted, int) else _MESSAGES
        state, asking = await self._room()
        events, _ = await self.homeserver.messages(
            self.turn.room_id, limit=_PAGE, as_user=self.outbox.user_id, only={"types": list(_READ)}
        )
        visibility = str(state.content(HISTORY_VISIBILITY).get("history_visibility", "shared"))
        said = (raw_as_said(event, self.homeserver.namespace) for event in visible(events, asking, visibility))
        seen = (event for event in said if self._reads(str(event.get("sender"))))
        lines = list(islice((line for event in seen if (line := _line(event)) is not None), limit))
        return "\n".join(reversed(lines)) or "there are no messages"

    async def _list_participants(self, _arguments: Mapping[str, Any], _part: int) -> str:
        state, _ = await self._room()
        members = sorted(user for user in state.members("join") if self._reads(user))
        lines = [json.dumps({"user_id": user, "is_agent": self.homeserver.namespace.is_ours(user)}) for user in members]
        return "\n".join(lines[:_MEMBERS])

    def _reads(self, user: str) -> bool:
        return self.roles.reads(user, self.turn.room_id)


def _text(arguments: Mapping[str, Any], key: str) -> str:
    """Return an argument; empty if it is no text. JSON may contain half a surrogate pair, which nothing can send."""
    value = arguments.get(key)
    if not isinstance(value, str):
        return ""
    if value != storable(value):
        raise Unusable(f"{key} contains characters that cannot be sent")
    return value


def _line(event: Mapping[str, Any]) -> str | None:
    """Return a message as JSON; None for an edit, and for a message that was redacted or has no text."""
    content = event.get("content")
    if not isinstance(content, dict) or "m.new_content" in content:
        return None
    said = message_of(str(event.get("type")), content_today(event))
    if said is None:
        return None
    body = without_fallback(said.body, content) or ", ".join(each.name for each in said.files)
    fields = {key: event.get(key) for key in ("event_id", "sender", "origin_server_ts")}
    return json.dumps(fields | {"body": body[:_LENGTH]}, ensure_ascii=False) if body else None
