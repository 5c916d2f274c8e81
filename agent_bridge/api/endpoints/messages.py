"""Endpoints about messages."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, FileBody, Responded, endpoint
from agent_bridge.api.model import ApiModel, EventId, RoomName, Text, UserName, VisibleText
from agent_bridge.bridge.programs.messages import Words
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability

if TYPE_CHECKING:
    from agent_bridge.bridge.programs.requests import Outcome

FILE_KEY = "`EncryptedFile` of the Matrix specification, which opens the file; null: it is not encrypted."
_TAG = "Messages"
_LONGEST = 50_000
_ROOM = (Problem.ROOM_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.AGENT_NOT_FOUND, Problem.AGENT_AT_REST)
_WRITE = (
    *_ROOM,
    Problem.ROLE_MISSING,
    Problem.MUTED,
    Problem.NOT_PERMITTED,
    Problem.ENCRYPTED,
    Problem.COMMANDS_ONLY,
    Problem.ROOM_FULL,
    Problem.TEXT_TOO_LONG,
    Problem.MESSAGE_NOT_FOUND,
)


class NewMessage(ApiModel):
    """A message."""

    text: Text = Field(min_length=1, max_length=_LONGEST, description="Markdown.", examples=["The build is **green**."])
    thread: EventId | None = Field(None, description="Root of the thread.")
    reply_to: EventId | None = Field(None, description="The event that it replies to.")
    mentions: list[UserName] = Field(
        default_factory=list, max_length=20, description="User ids, and names of agents. Agents in groups need it."
    )

    @property
    def words(self) -> Words:
        """The message as functions take it."""
        return Words(
            text=self.text, thread=self.thread or "", reply_to=self.reply_to or "", mentions=tuple(self.mentions)
        )


class AddressedMessage(NewMessage):
    """A message, and the room or the user that it is for."""

    to: RoomName = Field(description="A room id, an alias, the name of an agent, or a person's user id (for agents).")


class NewText(ApiModel):
    """The new text of a message."""

    text: Text = Field(min_length=1, max_length=_LONGEST, description="Markdown.")


class NewReaction(ApiModel):
    """A reaction."""

    key: Text = Field(min_length=1, max_length=100, description="An emoji, or a short text.", examples=["👍"])


class FileQuery(ApiModel):
    """The query of a file."""

    name: Text = Field(min_length=1, max_length=255, description="File name with its suffix.", examples=["report.pdf"])
    caption: Text = Field("", max_length=_LONGEST)
    thread: EventId | None = Field(None, description="Root of the thread.")
    reply_to: EventId | None = Field(None, description="The event that it replies to.")


class SentMessage(ApiModel):
    """The event is in the room, and the agents that it asks have it."""

    room_id: str
    event_id: str


class SentFile(SentMessage):
    """The file is in the room."""

    url: str = Field(description="mxc:// URL.")
    file: dict[str, Any] | None = Field(None, description=FILE_KEY)


class EditedMessage(SentMessage):
    """The message has the new text."""

    edit_event_id: str = Field(description="The event that has the new text.")


class MessagesQuery(ApiModel):
    """The query of messages."""

    limit: int = Field(50, ge=1, le=100)
    before: Text = Field("", max_length=2_000, description="Cursor of an earlier answer: the messages before it.")
    after: EventId | None = Field(None, description="Event id: the messages after it, the oldest of them first.")
    thread: EventId | None = Field(None, description="Root of a thread: only its messages.")


class Message(ApiModel):
    """A message as it is now."""

    event_id: str
    room_id: str
    sender: str = Field(description="The user who says it; for a message of a person's program, the person.")
    is_agent: bool
    sent_at: datetime
    text: str
    kind: str = Field(description="m.text, m.notice, m.image and so on.")
    html: str | None
    thread: str | None
    reply_to: str | None
    url: str | None = Field(description="mxc:// URL of a file.")
    file: dict[str, Any] | None = Field(None, description=FILE_KEY)
    edited: bool
    live: bool = Field(description="Whether it is an answer that still grows.")


class MessageList(ApiModel):
    """Messages, oldest first."""

    messages: list[Message]
    before: str | None = Field(description="Cursor of the messages before them; null: there are none.")
    after: str | None = Field(description="Id of the newest of them, for after.")


class SearchQuery(ApiModel):
    """The query of a search."""

    q: VisibleText = Field(min_length=1, max_length=200, description="Words that a message has, in any case.")
    room: RoomName | None = Field(None, description="Only in this room.")
    limit: int = Field(20, ge=1, le=100)


class SearchResult(ApiModel):
    """Messages, newest first."""

    messages: list[Message]
    rooms: int = Field(description="Rooms that were searched.")
    is_complete: bool = Field(description="Whether all messages of all rooms of the token were looked at.")


def _sent(outcome: Outcome) -> Responded:
    return Responded.of(outcome, SentMessage)


@endpoint(
    "POST",
    "/v1/rooms/{room}/messages",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=_WRITE,
)
async def send_message(call: ApiCall, room: str, body: NewMessage) -> SentMessage | Responded:
    """Send a message.

    Agents answer it as they answer a message of the person. It is never a command.
    """
    return _sent(await call.services.messages.send(call.once, room, body.words))


@endpoint("POST", "/v1/send", tag=_TAG, capability=Capability.SEND, permission=Permission.SEND, problems=_WRITE)
async def send(call: ApiCall, body: AddressedMessage) -> SentMessage | Responded:
    """Send a message to an agent, a person or a room.

    The name of an agent means its home, or else the direct chat with it. A person, and for a token of an agent another
    agent, means their direct room, which is made if there is none.
    """
    room = await call.services.places.addressed(call.token, body.to)
    return _sent(await call.services.messages.send(call.once, room, body.words))


@endpoint(
    "GET",
    "/v1/rooms/{room}/messages",
    tag=_TAG,
    capability=Capability.READ,
    permission=Permission.READ,
    problems=(*_ROOM, Problem.MESSAGE_NOT_FOUND),
)
async def read_messages(call: ApiCall, room: str, query: MessagesQuery) -> MessageList:
    """Read the messages of a room: the newest ones, those before a cursor, or those after an event.

    A person's token shows the messages that the person may see by the history visibility of the room. One request looks
    at up to 1,000 events: a page may be short although *before* leads on, and *after* is one of the newest 1,000.
    """
    page = await call.services.reading.messages(
        call.token,
        room,
        limit=query.limit,
        before=query.before,
        after=query.after or "",
        thread=query.thread or "",
    )
    messages = [Message(**asdict(each)) for each in page.messages]
    return MessageList(messages=messages, before=page.before, after=page.after)


@endpoint("GET", "/v1/search", tag=_TAG, capability=Capability.READ, permission=Permission.READ, problems=_ROOM)
async def search(call: ApiCall, query: SearchQuery) -> SearchResult:
    """Search the messages of the token's rooms.

    The bridge reads the newest messages of up to 20 rooms, and does not ask the index of the homeserver: that one knows
    what the bridge's bot may see, and not what the person may see.
    """
    services = call.services
    if query.room is None:
        reached = [each for _, each in await services.directory.rooms(call.token)]
    else:
        reached = [await services.access.reach(call.token, query.room, Permission.READ)]
    found = await services.reading.search(call.token, query.q, reached, limit=query.limit)
    messages = [Message(**asdict(each)) for each in found.messages]
    return SearchResult(messages=messages, rooms=found.rooms, is_complete=found.is_complete)


@endpoint(
    "PUT",
    "/v1/rooms/{room}/messages/{event_id}",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(*_WRITE, Problem.NOT_OWN_MESSAGE),
)
async def edit_message(call: ApiCall, room: str, event_id: str, body: NewText) -> EditedMessage | Responded:
    """Edit a message that a program of the identity has sent.

    Agents that answer the message of a person answer the new text. Agents that the message of an agent has asked go on
    with the old one.
    """
    outcome = await call.services.messages.edit(call.once, room, event_id, body.text)
    return Responded.of(outcome, EditedMessage)


@endpoint(
    "DELETE",
    "/v1/rooms/{room}/messages/{event_id}",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.READ,
    problems=(*_ROOM, Problem.NOT_OWN_MESSAGE, Problem.MESSAGE_NOT_FOUND),
)
async def redact_message(call: ApiCall, room: str, event_id: str) -> SentMessage | Responded:
    """Redact a message that a program of the identity has sent. The agents forget it."""
    return _sent(await call.services.messages.redact(call.once, room, event_id))


@endpoint(
    "POST",
    "/v1/rooms/{room}/messages/{event_id}/reactions",
    tag=_TAG,
    capability=Capability.REACT,
    permission=Permission.SEND,
    problems=(*_ROOM, Problem.MESSAGE_NOT_FOUND, Problem.NOT_PERMITTED, Problem.ALREADY_REACTED),
)
async def react(call: ApiCall, room: str, event_id: str, body: NewReaction) -> SentMessage | Responded:
    """React to a message. The event id is that of the reaction.

    A reaction of a person's program does what one of the person does: 🛑 stops an answer, 🔁 asks again.
    """
    return _sent(await call.services.messages.react(call.once, room, event_id, body.key))


@endpoint(
    "DELETE",
    "/v1/rooms/{room}/reactions/{event_id}",
    tag=_TAG,
    capability=Capability.REACT,
    permission=Permission.READ,
    problems=(*_ROOM, Problem.NOT_OWN_MESSAGE, Problem.MESSAGE_NOT_FOUND),
)
async def unreact(call: ApiCall, room: str, event_id: str) -> SentMessage | Responded:
    """Take a reaction back, by its event id."""
    return _sent(await call.services.messages.redact(call.once, room, event_id))


@endpoint(
    "POST",
    "/v1/rooms/{room}/files",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(*_WRITE, Problem.FILE_TOO_LARGE),
)
async def share_file(call: ApiCall, room: str, query: FileQuery, file: FileBody) -> SentFile | Responded:
    """Share a file: the body of the request, whose Content-Type is that of the file.

    The limit is that of the homeserver, and 50 MiB.
    """
    words = Words(text=query.caption, thread=query.thread or "", reply_to=query.reply_to or "")
    outcome = await call.services.messages.share(call.once, room, file.data, query.name, file.content_type, words)
    return Responded.of(outcome, SentFile)
