"""Messages, reactions and files of programs, and the changes of own ones."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.bridge.rooms.kinds import is_bots
from agent_bridge.core.errors import HomeserverRefused, TooLarge
from agent_bridge.core.ids import MARK, mark
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import BY_PROGRAM, SAID_BY
from agent_bridge.core.turns import NewTurn, TurnKind
from agent_bridge.matrix.events import RoomEvent, clean
from agent_bridge.matrix.relayed import as_said
from agent_bridge.render.attachment import encrypted_file, file_message, shown_name
from agent_bridge.render.content import edit, fits_event, in_reply_to, in_thread, message, reaction
from agent_bridge.render.relayed import by_agent, by_person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.delivery.uploads import Uploads
    from agent_bridge.bridge.groups.hand_on import HandOn
    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.bridge.programs.access import Access, ReachedRoom
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.programs import Token
    from agent_bridge.core.rooms import Participant
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.program_requests import ProgramRequest, ProgramRequests
    from agent_bridge.store.rooms import Rooms

_MESSAGE, _REACTION = "m.room.message", "m.reaction"
#: Characters of a reaction.
_KEY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A message as a program writes it: Markdown, and its place in the room."""

    text: str
    #: Root of the thread; empty: the room itself.
    thread: str = ""
    #: The event that it replies to; empty: none.
    reply_to: str = ""
    #: User ids, and names of agents.
    mentions: Sequence[str] = ()
    #: User id of the agent that is asked; empty: those of the room that would answer.
    to: str = ""


class Messages:
    """Sends for programs. *max_queued*: messages that may wait in one room.

    An event of a person is sent by the bot, or by a ghost where the bot is not; one of an agent by its ghost. Intake
    takes it in at once: when a method returns, the agents that it asks have it. The homeserver delivers it, too, so a
    kill in between loses nothing.
    """

    def __init__(
        self,
        access: Access,
        requests: Requests,
        store: ProgramRequests,
        rooms: Rooms,
        intake: Intake,
        rules: Rules,
        hand_on: HandOn,
        homeserver: Homeserver,
        uploads: Uploads,
        *,
        max_queued: int,
    ) -> None:
        self._access = access
        self._requests = requests
        self._store = store
        self._rooms = rooms
        self._intake = intake
        self._rules = rules
        self._hand_on = hand_on
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._uploads = uploads
        self._max_queued = max_queued

    async def send(self, call: Call, room: str, words: Words, *, asks: bool = False) -> Outcome:
        """Send a message. *asks*: it is refused if no agent would answer it.

        Raises:
            ProgramRefused, HomeserverError, StoreError: see :meth:`Requests.once`.
        """

        async def act(request: ProgramRequest) -> dict[str, Any]:
            return await self.say(call, request, room, words, asks=asks)

        return await self._requests.once(call, act)

    async def say(
        self, call: Call, request: ProgramRequest, room: str, words: Words, *, asks: bool = False
    ) -> dict[str, Any]:
        """Send the message of a *request*, see :meth:`send`, within :meth:`Requests.once`; return its place."""
        reached = await self._writable(call.token, room)
        await self._check_place(request, reached, words)
        content = await self._content(call, reached, words)
        if asks:
            self._check_answer(call.token, await self._with_context(reached, words), content, words.to)
        event_id = await self._sent(call, request, reached, content, words)
        await self._take(reached, event_id, _MESSAGE, content)
        return {"room_id": reached.room_id, "event_id": event_id}

    async def share(self, call: Call, room: str, data: bytes, name: str, content_type: str, words: Words) -> Outcome:
        """Send a file; its caption is the text of *words*."""

        async def act(request: ProgramRequest) -> dict[str, Any]:
            reached = await self._writable(call.token, room)
            await self._check_place(request, reached, words)
            try:
                file = await self._uploads.upload_data(
                    reached.room_id, data, content_type, shown_name(name), reached.voice
                )
            except TooLarge as error:
                raise ProgramRefused(Problem.FILE_TOO_LARGE, f"the homeserver takes {error.limit} bytes") from error
            content = file_message(file) | {MARK: mark(call.name, 0)}
            if words.text:
                content["body"] = clean(words.text)
            content = self._as_identity(call.token, reached, content | _placed(words))
            event_id = await self._sent(call, request, reached, content, words)
            await self._take(reached, event_id, _MESSAGE, content)
            sealed = encrypted_file(file.media.url, file.media.key)
            return {"room_id": reached.room_id, "event_id": event_id, "url": file.media.url, "file": sealed}

        return await self._requests.once(call, act)

    async def edit(self, call: Call, room: str, event_id: str, text: str) -> Outcome:
        """Replace the text of an own message. Agents that have it answer the new text, as for edits of people."""

        async def act(request: ProgramRequest) -> dict[str, Any]:
            reached = await self._writable(call.token, room)
            await self._own(call.token, event_id)
            content = edit(await self._content(call, reached, Words(text=text)), event_id)
            # The homeserver applies edits of the sender alone.
            voice = await self._sender(reached, event_id, is_there=True)
            sent = await self._requests.send(call, request, reached.room_id, content, _MESSAGE, voice)
            await self._take(reached, sent, _MESSAGE, content, voice)
            return {"room_id": reached.room_id, "event_id": event_id, "edit_event_id": sent}

        return await self._requests.once(call, act)

    async def redact(self, call: Call, room: str, event_id: str) -> Outcome:
        """Redact an own message or reaction: the agents forget it, as after redactions of people."""

        async def act(request: ProgramRequest) -> dict[str, Any]:
            # A muted person may take words back, too.
            reached = await self._access.reach(call.token, room, Permission.READ)
            await self._own(call.token, event_id)
            voice = await self._sender(reached, event_id)
            key = BY_PROGRAM if call.token.is_agent else SAID_BY
            content: dict[str, Any] = {
                key: True if call.token.is_agent else call.token.user_id,
                MARK: mark(call.name, 0),
            }
            if request.event_id is None:
                sent = await self._homeserver.redact_with(
                    reached.room_id, event_id, content, txn_id=f"ab.{call.name}", as_user=voice
                )
                await self._store.sent(request.id, reached.room_id, sent)
            else:
                sent = request.event_id
            await self._take(reached, sent, "m.room.redaction", content | {"redacts": event_id}, voice)
            return {"room_id": reached.room_id, "event_id": event_id}

        return await self._requests.once(call, act)

    async def react(self, call: Call, room: str, event_id: str, key: str) -> Outcome:
        """React to a message with an emoji or a short text."""
        key = clean(key).strip()
        if not key or len(key) > _KEY:
            raise ProgramRefused(Problem.INVALID_REQUEST, f"key has 1 to {_KEY} characters")

        async def act(request: ProgramRequest) -> dict[str, Any]:
            reached = await self._access.reach(call.token, room, Permission.SEND)
            await self._access.may_send(call.token, reached, _REACTION)
            await self._sender(reached, event_id, is_there=True)
            content = reaction(event_id, key) | {MARK: mark(call.name, 0)}
            content = self._as_identity(call.token, reached, content)
            try:
                sent = await self._requests.send(call, request, reached.room_id, content, _REACTION, reached.voice)
            except HomeserverRefused as error:
                if error.errcode != "M_DUPLICATE_ANNOTATION":
                    raise
                text = "the bridge shows this reaction there already"
                raise ProgramRefused(Problem.ALREADY_REACTED, text) from error
            await self._take(reached, sent, _REACTION, content)
            return {"room_id": reached.room_id, "event_id": sent}

        return await self._requests.once(call, act)

    def agents_asked(self, reached: ReachedRoom, token: Token, content: dict[str, Any]) -> Sequence[str]:
        """Return the user ids of the agents that a message of the token with this *content* asks."""
        event = _event("$new", reached, _MESSAGE, content, reached.voice)
        if token.is_agent:
            found: Sequence[Participant] = self._hand_on.askable(token.user_id, event.mentions, reached.room)
            return [self._namespace.user_id(each.ghost) for each in found]
        decided = self._rules.decide(as_said(event, self._namespace), reached.room)
        if isinstance(decided, NewTurn) and decided.kind is TurnKind.MESSAGE:
            return [self._namespace.user_id(each.localpart) for each in decided.addressees]
        return []

    async def _writable(self, token: Token, room: str) -> ReachedRoom:
        reached = await self._access.reach(token, room, Permission.SEND)
        if is_bots(reached.room):
            raise ProgramRefused(Problem.COMMANDS_ONLY, "programs give no commands: each has a function")
        if reached.room.waiting >= self._max_queued:
            raise ProgramRefused(Problem.ROOM_FULL, "too many messages wait in the room", retry_after=30)
        is_illegible, _ = await asyncio.gather(
            self._access.is_illegible(reached), self._access.may_send(token, reached)
        )
        if is_illegible:
            raise ProgramRefused(Problem.ENCRYPTED, "the messages of the room are encrypted")
        return reached

    async def _check_place(self, request: ProgramRequest, reached: ReachedRoom, words: Words) -> None:
        """Return if the room has the event that is replied to: clients show an event of another room as missing.

        The homeserver takes any id. A message that is there already is not looked at.
        """
        if not words.reply_to or request.event_id is not None:
            return
        event = await self._homeserver.event(reached.room_id, words.reply_to, reached.voice)
        if event is None or event.get("room_id", reached.room_id) != reached.room_id:
            raise ProgramRefused(Problem.MESSAGE_NOT_FOUND, f"there is no message {words.reply_to} in the room")

    async def _sent(
        self, call: Call, request: ProgramRequest, reached: ReachedRoom, content: dict[str, Any], words: Words
    ) -> str:
        try:
            return await self._requests.send(call, request, reached.room_id, content, _MESSAGE, reached.voice)
        except HomeserverRefused as error:
            # Synapse refuses threads that begin with no event of the room, or with one of another thread.
            if not words.thread or error.status != HTTPStatus.BAD_REQUEST:
                raise
            text = f"no thread can begin with {words.thread} in the room"
            raise ProgramRefused(Problem.MESSAGE_NOT_FOUND, text) from error

    async def _with_context(self, reached: ReachedRoom, words: Words) -> ReachedRoom:
        """Return the room with the agents of the thread, and of the message that is replied to."""
        if not (words.thread or words.reply_to):
            return reached
        replied_to = [each for each in (words.reply_to,) if each]
        threads = [each for each in (words.thread,) if each]
        known = await self._rooms.contexts([reached.room_id], replied_to=replied_to, threads=threads)
        room = known.get(reached.room_id)
        return reached if room is None else type(reached)(room, reached.voice, reached.member)

    def _check_answer(self, token: Token, reached: ReachedRoom, content: dict[str, Any], to: str) -> None:
        asked = self.agents_asked(reached, token, content)
        if not asked:
            raise ProgramRefused(Problem.NOBODY_ANSWERS, "no agent in the room would answer the message")
        if to and to not in asked:
            raise ProgramRefused(Problem.NOBODY_ANSWERS, f"{to} would not answer the message in this room")

    async def _content(self, call: Call, reached: ReachedRoom, words: Words) -> dict[str, Any]:
        mentions = [await self._user(each) for each in words.mentions]
        text = clean(words.text)
        if not text.strip():
            raise ProgramRefused(Problem.INVALID_REQUEST, "text has a character that can be seen")
        marked = mark(call.name, 0)
        content = await rendered(len(text), lambda: message(text, mark=marked, mentions=mentions))
        content = self._as_identity(call.token, reached, content | _placed(words))
        if not fits_event(content):
            raise ProgramRefused(Problem.TEXT_TOO_LONG, "the text does not fit an event: share a file")
        return content

    def _as_identity(self, token: Token, reached: ReachedRoom, content: dict[str, Any]) -> dict[str, Any]:
        return by_agent(content) if token.is_agent else by_person(content, token.user_id, reached.member)

    async def _user(self, name: str) -> str:
        if name.startswith("@") and ":" in name:
            return name
        return self._namespace.user_id((await self._access.agent(name)).agent.ghost)

    async def _own(self, token: Token, event_id: str) -> None:
        """Return if a program of the identity has sent the event."""
        found = await self._store.sender(event_id)
        if found is None:
            raise ProgramRefused(Problem.NOT_OWN_MESSAGE, "no program of this identity has sent the message")
        person, ghost = found
        owner = person if ghost is None else self._namespace.user_id(ghost)
        if owner != token.user_id:
            raise ProgramRefused(Problem.NOT_OWN_MESSAGE, "no program of this identity has sent the message")

    async def _sender(self, reached: ReachedRoom, event_id: str, *, is_there: bool = False) -> str:
        """Return the bridge's user that has sent an event: the bot may have come after a ghost spoke for a person.

        *is_there*: an event that was redacted is none any more.
        """
        event = await self._homeserver.event(reached.room_id, event_id, reached.voice)
        if event is None:
            raise ProgramRefused(Problem.MESSAGE_NOT_FOUND, f"there is no message {event_id} in the room")
        if is_there and "redacted_because" in (event.get("unsigned") or {}):
            raise ProgramRefused(Problem.MESSAGE_NOT_FOUND, f"the message {event_id} was redacted")
        sender = str(event.get("sender"))
        return sender if self._namespace.is_ours(sender) else reached.voice

    async def _take(
        self, reached: ReachedRoom, event_id: str, kind: str, content: dict[str, Any], voice: str = ""
    ) -> None:
        event = _event(event_id, reached, kind, content, voice or reached.voice)
        await self._intake.take_sent(event)


def _event(event_id: str, reached: ReachedRoom, kind: str, content: dict[str, Any], sender: str) -> RoomEvent:
    return RoomEvent(
        event_id=event_id,
        room_id=reached.room_id,
        type=kind,
        sender=sender,
        state_key=None,
        content=content,
        timestamp=int(time.time() * 1000),
    )


def _placed(words: Words) -> dict[str, Any]:
    if words.thread:
        placed = in_thread(words.thread, words.reply_to or words.thread)
        if words.reply_to:
            placed["m.relates_to"]["is_falling_back"] = False
        return placed
    return in_reply_to(words.reply_to) if words.reply_to else {}
