"""Question: what an agent is asked. The person's words, what they answer to, their files, and what was said before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.answering.incoming_files import FileContent
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.matrix.events import content_today
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.answering.incoming_files import IncomingFiles
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.payloads import MessagePayload
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.transcript import Transcripts
    from agent_bridge.upstream.base import Upstream

#: Messages of a transcript that are looked at, at most; the token budget usually ends earlier.
_TRANSCRIPT = 200
_BYTES_PER_TOKEN = 4
#: Tokens of a message that is too long, of which the beginning is still worth telling.
_WORTH_IT = 200
#: What old clients put before a reply (Matrix spec, "Fallbacks for rich replies").
_FALLBACK = re.compile(r"\A(?:> .*\n)+\n")
#: Times that a file is asked for of a homeserver that answers otherwise: within ten seconds or so.
_TRIES = 4
#: Characters of a message that is quoted.
_QUOTED = 4_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    #: What was said before, oldest first.
    history: tuple[ChatMessage, ...]
    #: The new message.
    said: ChatMessage
    #: The new message as a transcript keeps it.
    kept: str
    #: Sentences for the person about what was not taken.
    notes: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing is left to ask."""
        return not self.said.content.strip() and not self.said.images


def within_budget(history: list[ChatMessage], tokens: int) -> tuple[ChatMessage, ...]:
    """Return the newest messages of *history* that fit *tokens*, beginning with a person's.

    A token is taken for four bytes, and a message costs one more. Of the first that does not fit, a file perhaps, the
    beginning is kept, if that is worth it.
    """
    kept: list[ChatMessage] = []
    for said in reversed(history):
        cost = len(said.content.encode()) // _BYTES_PER_TOKEN + 1
        if cost > tokens:
            if tokens >= _WORTH_IT:
                cut = said.content.encode()[: (tokens - 2) * _BYTES_PER_TOKEN].decode("utf-8", "ignore")
                kept.append(ChatMessage(said.role, f"{cut}…"))
            break
        tokens -= cost
        kept.append(said)
    while kept and kept[-1].role != "user":
        kept.pop()
    return tuple(reversed(kept))


class Questions:
    """Puts questions together."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        transcripts: Transcripts,
        attachments: IncomingFiles,
        texts: Texts,
        *,
        room_messages: int,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._transcripts = transcripts
        self._incoming_files = attachments
        self._texts = texts
        self._room_messages = room_messages

    async def of(self, turn: Turn, agent: Agent, upstream: Upstream, *, history_tokens: int) -> Question:
        """Return what *turn* asks *agent*.

        Raises:
            HomeserverUnavailable: what it refers to cannot be had now.
            StoreError: nor can what was said before.
        """
        reader = self._namespace.user_id(agent.ghost)
        parts: list[FileContent] = []
        for message in turn.questions:
            parts += await self._parts(message, turn, agent, upstream, reader)
        root = await self._root(turn, reader)
        earlier = await self._transcripts.of_lane(turn.conversation, _TRANSCRIPT)
        if upstream.stateful:
            history: tuple[ChatMessage, ...] = ()
            # It knows the room's conversation, and not which of its messages the thread is about.
            parts = [*([self._quote(root, agent)] if root and not earlier else []), *parts]
        else:
            history = await self._history(turn, root, earlier, history_tokens)
        images = tuple(image for part in parts for image in part.images)
        return Question(
            history,
            ChatMessage("user", _joined(parts), images),
            _joined([part for part in parts if not part.quoted]),
            tuple(part.note for part in parts if part.note),
        )

    async def _history(
        self, turn: Turn, root: ChatMessage | None, earlier: list[ChatMessage], tokens: int
    ) -> tuple[ChatMessage, ...]:
        if root is None:
            return within_budget(earlier, tokens)
        limit = self._room_messages
        room = await self._transcripts.of_room(turn.conversation, limit) if limit else []
        # What the thread is about is told whatever else has to be left out.
        left = tokens - len(root.content.encode()) // _BYTES_PER_TOKEN
        return (*within_budget(room, left // 2), root, *within_budget(earlier, left))

    async def _parts(
        self, message: MessagePayload, turn: Turn, agent: Agent, upstream: Upstream, reader: str
    ) -> list[FileContent]:
        parts: list[FileContent] = []
        body, attachment = message.body, message.file
        if message.reply_to:
            body = _FALLBACK.sub("", body)
            quoted = await self._said_in(turn.room_id, message.reply_to, reader)
            if quoted is not None:
                parts.append(self._quote(quoted, agent))
        parts.append(FileContent(body))
        if attachment is not None:
            try:
                parts.append(await self._incoming_files.take(attachment, upstream, agent=agent.name, reader=reader))
            except HomeserverUnavailable as error:
                # Another homeserver's file may be gone for good, and must not hold the lane.
                if turn.attempts < _TRIES or not await self._homeserver.answers():
                    raise
                cause = error.says(self._texts)
                parts.append(
                    FileContent(note=self._texts.not_fetched.format(name=escape(attachment.name), cause=cause))
                )
        return parts

    async def _root(self, turn: Turn, reader: str) -> ChatMessage | None:
        """Return what the thread of *turn* is about; None in the room itself."""
        if not turn.thread:
            return None
        said = await self._said_in(turn.room_id, turn.thread, reader)
        return None if said is None else ChatMessage("assistant" if said.role == reader else "user", said.content)

    async def _said_in(self, room_id: str, event_id: str, reader: str) -> ChatMessage | None:
        """Return what an event says today, its sender as role; None when it says nothing, or cannot be seen."""
        event = await self._homeserver.event(room_id, event_id, reader)
        if event is None:
            return None
        body = content_today(event).get("body")
        said = _FALLBACK.sub("", body).strip() if isinstance(body, str) else ""
        return ChatMessage(str(event.get("sender", "")), said[:_QUOTED]) if said else None

    def _quote(self, said: ChatMessage, agent: Agent) -> FileContent:
        ours = said.role in {"assistant", self._namespace.user_id(agent.ghost)}
        author = agent.name if ours else said.role.removeprefix("@").partition(":")[0]
        lines = "\n".join(f"> {line}" for line in said.content.splitlines())
        return FileContent(f"{self._texts.quote.format(author=author)}\n\n{lines}", quoted=True)


def _joined(parts: Sequence[FileContent]) -> str:
    return "\n\n".join(part.text for part in parts if part.text)
