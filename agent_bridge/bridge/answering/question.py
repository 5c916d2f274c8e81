"""Questions: the person's message as the agent gets it, with replies, files, and the history of the conversation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.bridge.answering.catch_up import Place
from agent_bridge.bridge.answering.history import History, alternating, question_of
from agent_bridge.bridge.answering.incoming_files import FileContent
from agent_bridge.bridge.answering.recap import Recaps
from agent_bridge.bridge.rooms.kinds import is_of_several_kind
from agent_bridge.core.answers import Part
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.ids import THREAD_HEAD
from agent_bridge.core.names import one_line
from agent_bridge.core.transcript import NO_CATCH_UP, ChatMessage
from agent_bridge.matrix.events import content_today
from agent_bridge.matrix.relayed import raw_as_said
from agent_bridge.matrix.said import answer_aloud, message_of, without_fallback
from agent_bridge.render.content import escape
from agent_bridge.render.schedules import scheduled_head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.bridge.answering.catch_up import RoomReader
    from agent_bridge.bridge.answering.incoming_files import IncomingFiles
    from agent_bridge.bridge.answering.speakers import Speakers
    from agent_bridge.config.conversations import ThreadsConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.payloads import MessagePayload
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.transcript import CatchUp
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.contexts import Contexts
    from agent_bridge.store.transcript import Transcripts
    from agent_bridge.store.turns import Turns
    from agent_bridge.upstream.base import Upstream

#: Messages of a transcript that are read at most; the token budget usually ends earlier.
_TRANSCRIPT = 200
#: Attempts at a file that the homeserver does not give while it gives other things: ten seconds or so.
_TRIES = 4
#: Characters of a quotation.
_QUOTED = 4_000


@dataclass(frozen=True, slots=True)
class Question:
    """A question to an agent."""

    #: Earlier messages.
    history: History
    #: The new message.
    message: ChatMessage
    #: The text of the new message as the transcript keeps it.
    kept: str
    #: Sentences for the person about files that were not taken, without a full stop.
    notes: tuple[str, ...]
    #: The messages that were said to others since the last turn; they are in the history or in the new message.
    caught_up: CatchUp = NO_CATCH_UP

    @property
    def empty(self) -> bool:
        """Whether nothing is left to ask."""
        return not self.message.content.strip() and not self.message.images


class Questions:
    """Puts questions together from events, files and transcripts."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        roles: Roles,
        transcripts: Transcripts,
        contexts: Contexts,
        turns: Turns,
        rooms: RoomReader,
        incoming_files: IncomingFiles,
        threads: ThreadsConfig,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._roles = roles
        self._transcripts = transcripts
        self._contexts = contexts
        self._turns = turns
        self._rooms = rooms
        self._recaps = Recaps(transcripts, texts)
        self._incoming_files = incoming_files
        self._room_messages = threads.room_messages
        self._texts = texts

    def messages(self, question: Question, agent: Agent, tokens: int) -> tuple[ChatMessage, ...]:
        """Return the messages of the request for *question* to *agent*, with a history of at most *tokens*."""
        return self._alternating((*question.history.within(tokens), question.message), agent)

    async def earlier(
        self, lane: int, room_id: str, thread: str, agent: Agent, sender: str, tokens: int
    ) -> tuple[ChatMessage, ...]:
        """Return the messages that *agent*, on a stateless upstream, gets before the next question in a lane.

        *thread* is the root of the thread that is the lane; empty: the room itself. The messages have at most *tokens*;
        *sender* is the person who asks next.

        Raises:
            HomeserverUnavailable: the root of the thread cannot be fetched now.
            StoreError: the transcript cannot be read.
        """
        ghost = self._namespace.user_id(agent.ghost)
        speakers, heard = None, NO_CATCH_UP
        if is_of_several_kind(await self._transcripts.room_kind(lane)):
            place = Place(lane, room_id, thread, ghost, (sender,), None)
            speakers = await self._rooms.speakers(place)
            heard = await self._rooms.since_last_turn(place, tokens)
        root = await self._root(room_id, thread, ghost, speakers)
        return self._alternating((await self._history(lane, root, heard)).within(tokens), agent)

    def _alternating(self, messages: Sequence[ChatMessage], agent: Agent) -> tuple[ChatMessage, ...]:
        def quote(text: str) -> str:
            return self._quote(ChatMessage("assistant", text), agent).text

        return alternating(messages, quote)

    async def build(self, turn: Turn, agent: Agent, upstream: Upstream, tokens: int) -> Question:
        """Return the question of *turn* to *agent*.

        A stateful upstream gets no history: it remembers the conversation. It does not know which message a thread is
        about, so the first question of a thread quotes the thread's root. One that forgot the conversation gets about
        *tokens* of it. It gets the instructions of people with the first question after them.

        Raises:
            HomeserverUnavailable: an event or a file that the message refers to cannot be fetched now.
            StoreError: the transcript cannot be read.
        """
        ghost = self._namespace.user_id(agent.ghost)
        speakers, heard, senders = None, NO_CATCH_UP, [turn.sender] * len(turn.questions)
        if is_of_several_kind(turn.room_kind):
            place = await self._place(turn, ghost)
            speakers = await self._rooms.speakers(place)
            heard = await self._rooms.since_last_turn(place, tokens)
            senders = await self._turns.speakers(turn.id)
        parts: list[FileContent] = []
        for message, sender in zip(turn.questions, senders, strict=True):
            own = await self._parts(message, turn, agent, upstream, ghost, speakers)
            parts += own if speakers is None else _spoken(own, sender, speakers)
        root = await self._root(turn.room_id, turn.thread, ghost, speakers)
        history = History()
        if not upstream.traits.stateful:
            history = await self._history(turn.conversation, root, heard)
        elif any(part.text or part.images for part in parts):
            parts = [*(FileContent(each.text, quoted=True) for each in heard.messages), *parts]
        if upstream.traits.stateful and root is not None and not await self._transcripts.of_lane(turn.conversation, 1):
            parts = [self._quote(root, agent), *parts]
        if upstream.traits.stateful and (recap := await self._recaps.find(turn, agent, tokens)):
            parts = [FileContent(recap, quoted=True), *parts]
        if upstream.traits.stateful and (instructions := await self._instructions(turn)):
            parts = [FileContent(instructions, quoted=True), *parts]
        return Question(
            history,
            ChatMessage("user", _joined(parts), tuple(image for part in parts for image in part.images)),
            _joined([part for part in parts if not part.quoted]),
            tuple(part.note for part in parts if part.note),
            heard,
        )

    async def _place(self, turn: Turn, ghost: str) -> Place:
        people = await self._turns.senders(turn.id)
        return Place(turn.conversation, turn.room_id, turn.thread, ghost, people, turn.event_id)

    async def shown_text(self, turn: Turn, ghost: str, parts: Mapping[int, str]) -> str:
        """Return the text of the answer to *turn* as people see it in the events of its *parts*.

        Raises:
            HomeserverUnavailable: an event cannot be fetched now.
        """
        texts = []
        for part, event_id in sorted(parts.items()):
            if part in Part.TEXT:
                event = await self._homeserver.event(turn.room_id, event_id, ghost)
                content = content_today(event or {})
                texts += [str(content.get("body", ""))] if content.get("msgtype") == "m.text" else []
        return "\n\n".join(texts)

    async def _instructions(self, turn: Turn) -> str | None:
        """Return the instructions of people if a stateful upstream has yet to get them, or that they do not count."""
        if turn.instructions is None or await self._contexts.is_instructed(turn.conversation):
            return None
        if turn.instructions:
            return self._texts.contexts.instructed.format(instructions=turn.instructions)
        is_known = bool(await self._transcripts.of_lane(turn.conversation, 1))
        return self._texts.contexts.uninstructed if is_known else None

    async def _history(self, lane: int, root: ChatMessage | None, heard: CatchUp) -> History:
        """Return the transcript of the conversation; for a thread also its root, and the end of the room's transcript.

        A root of the agent comes with the question that it answers. The messages that the agent *heard* come last.
        """
        earlier = [*await self._transcripts.of_lane(lane, _TRANSCRIPT), *(each.said for each in heard.messages)]
        limit = self._room_messages
        if root is None or (root.role == "user" and not limit):
            return History(tuple(earlier), root)
        room = await self._transcripts.of_room(lane, max(limit, _TRANSCRIPT))
        return History(tuple(earlier), root, tuple(room[-limit:] if limit else ()), question_of(root, room))

    async def _parts(
        self,
        message: MessagePayload,
        turn: Turn,
        agent: Agent,
        upstream: Upstream,
        ghost: str,
        speakers: Speakers | None,
    ) -> list[FileContent]:
        """Return one message in pieces: the quotation of the message that it replies to, its text, its file."""
        parts: list[FileContent] = []
        if message.reply_to is not None:
            quoted = await self._message(turn.room_id, message.reply_to, ghost)
            if quoted is not None:
                parts.append(self._quote(quoted, agent, speakers))
        if message.trigger:
            # Not the words of the person in whose name the agent is asked.
            parts.append(FileContent(self._texts.triggers.asks.format(trigger=message.trigger)))
        if message.schedule:
            parts.append(FileContent(scheduled_head(message.schedule, message.late, self._texts)))
        if message.form:
            parts.append(FileContent(self._texts.forms.get(message.form) or self._other_form(message.form)))
        parts.append(FileContent(message.body))
        for attachment in message.files:
            try:
                content = await self._incoming_files.read(
                    attachment, upstream, agent=agent.name, as_user=ghost, sender=turn.sender
                )
                parts.append(content)
            except HomeserverUnavailable as error:
                # The file of another homeserver may be lost for good, and must not hold the lane.
                if turn.attempts < _TRIES or not await self._homeserver.answers():
                    raise
                name, cause = escape(attachment.name), error.says(self._texts)
                parts.append(FileContent(note=self._texts.not_fetched.format(name=name, cause=cause)))
        return parts

    def _other_form(self, form: str) -> str:
        return self._texts.other_form.format(type=one_line(form))

    async def _root(self, room_id: str, thread: str, ghost: str, speakers: Speakers | None) -> ChatMessage | None:
        """Return the root *thread* of a thread; None outside threads, and if it has no text that the agent may get."""
        if not thread:
            return None
        root = await self._message(room_id, thread, ghost)
        if root is None or root.role == ghost:
            return None if root is None else ChatMessage("assistant", root.content)
        return ChatMessage("user", root.content if speakers is None else speakers.said(root.role, root.content))

    async def _message(self, room_id: str, event_id: str, ghost: str) -> ChatMessage | None:
        """Return the present text of an event with its sender as role, cut after :data:`_QUOTED` characters.

        The text of a voice message that reads an answer aloud is the answer. Return None without text, if *ghost*
        cannot see it, and if the texts of its sender are not for agents.
        """
        found = await self._homeserver.event(room_id, event_id, ghost)
        event = None if found is None else raw_as_said(found, self._namespace)
        if event is None or not self._roles.reads(str(event.get("sender")), room_id):
            return None
        content = event.get("content")
        if isinstance(content, dict) and self._namespace.is_ours(str(event.get("sender"))):
            if THREAD_HEAD in content:
                return None
            if (answer := answer_aloud(content)) is not None:
                return await self._message(room_id, answer, ghost)
        said = message_of(str(event.get("type")), content_today(event))
        text = "" if said is None else said.body or ", ".join(one_line(each.name) for each in said.files)
        if isinstance(content, dict):
            text = without_fallback(text, content)
        text = text.strip()
        return ChatMessage(str(event.get("sender", "")), text[:_QUOTED]) if text else None

    def _quote(self, message: ChatMessage, agent: Agent, speakers: Speakers | None = None) -> FileContent:
        if message.role in {"assistant", self._namespace.user_id(agent.ghost)}:
            author = agent.name
        elif speakers is not None:
            author = speakers.name(message.role)
        else:
            author = message.role.removeprefix("@").partition(":")[0]
        lines = "\n".join(f"> {line}" for line in message.content.splitlines())
        return FileContent(f"{self._texts.quote.format(author=author)}\n\n{lines}", quoted=True)


def _spoken(parts: Sequence[FileContent], sender: str, speakers: Speakers) -> list[FileContent]:
    """Return the *parts* of a message with the name of its *sender* before its own words; unchanged if it has none."""
    first = next((at for at, part in enumerate(parts) if not part.quoted and (part.text or part.images)), None)
    if first is None:
        return [*parts]
    named = replace(parts[first], text=speakers.said(sender, parts[first].text))
    return [*parts[:first], named, *parts[first + 1 :]]


def _joined(parts: Sequence[FileContent]) -> str:
    return "\n\n".join(part.text for part in parts if part.text)
