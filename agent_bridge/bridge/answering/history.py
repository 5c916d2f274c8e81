"""The history of a question: the messages before it that fit into a budget, in the order that every model accepts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from agent_bridge.core.transcript import BYTES_PER_TOKEN, ChatMessage, tokens_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: Tokens of a budget that are worth filling with the beginning of a longer message.
_WORTH_CUTTING = 200
#: Divisors of the length of a history that was too long.
_SHORTER = (2, 4)
_PARAGRAPH = "\n\n"


@dataclass(frozen=True, slots=True)
class History:
    """The messages before a question, oldest first."""

    #: The transcript of the conversation.
    conversation: tuple[ChatMessage, ...] = ()
    #: For a thread: the message that it is about, the end of the room's transcript, the question that the root answers.
    root: ChatMessage | None = None
    room: tuple[ChatMessage, ...] = ()
    asked: ChatMessage | None = None

    def within(self, tokens: int) -> tuple[ChatMessage, ...]:
        """Return the messages that fit into *tokens*. The root of a thread is left out for 0 tokens only."""
        root = self.root
        if root is None or tokens <= 0:
            return within_budget(self.conversation, tokens)
        left = tokens - root.tokens
        room = self.room[:-1] if self.room and is_same(self.room[-1], root) else self.room
        kept = within_budget(room, left // 2)
        if self.asked is not None and self.asked not in kept[-1:]:
            kept = (*kept, *within_budget([self.asked], left // 2))
        return (*kept, root, *within_budget(self.conversation, left))

    def limits(self, tokens: int) -> Iterator[int]:
        """Yield the lengths with which an agent is asked, one after the other, if the history before is too long.

        The first is *tokens*. Each has another history, and the last has none.
        """
        yield tokens
        last = self.within(tokens)
        sent = tokens_of(last)
        for limit in (*(sent // divisor for divisor in _SHORTER), 0):
            kept = self.within(limit)
            if kept != last:
                yield limit if kept else 0
                last = kept


def within_budget(history: Sequence[ChatMessage], tokens: int) -> tuple[ChatMessage, ...]:
    """Return the newest messages of *history* that fit into *tokens*; the first is a person's.

    The first message that does not fit, a file perhaps, is cut at its end if enough of the budget is left.
    """
    kept: list[ChatMessage] = []
    for message in reversed(history):
        cost = message.tokens
        if cost > tokens:
            if tokens >= _WORTH_CUTTING:
                cut = message.content.encode()[: (tokens - 2) * BYTES_PER_TOKEN].decode("utf-8", "ignore")
                kept.append(ChatMessage(message.role, f"{cut}…"))
            break
        tokens -= cost
        kept.append(message)
    while kept and kept[-1].role != "user":
        kept.pop()
    return tuple(reversed(kept))


def alternating(messages: Sequence[ChatMessage], quote: Callable[[str], str]) -> tuple[ChatMessage, ...]:
    """Return *messages* so that the roles alternate and the first is ``user``, as the templates of many models require.

    Empty messages are left out. Neighbours of the same role become one message. A first message of the agent becomes a
    quotation, which *quote* makes, in the message after it.
    """
    joined: list[ChatMessage] = []
    for message in messages:
        if not message.content.strip() and not message.images:
            continue
        if joined and joined[-1].role == message.role:
            joined[-1] = _join(joined[-1], message)
        else:
            joined.append(message)
    if len(joined) > 1 and joined[0].role != "user":
        first, second, *rest = joined
        joined = [_join(ChatMessage("user", quote(first.content)), second), *rest]
    return tuple(joined)


def _join(first: ChatMessage, second: ChatMessage) -> ChatMessage:
    content = _PARAGRAPH.join(text for text in (first.content, second.content) if text.strip())
    return replace(first, content=content, images=(*first.images, *second.images))


def is_same(said: ChatMessage, root: ChatMessage) -> bool:
    """Tell whether *root*, whose text may be cut, is the message *said*."""
    text = root.content.strip()
    return said.role == root.role and bool(text) and said.content.strip().startswith(text)


def question_of(root: ChatMessage, room: Sequence[ChatMessage]) -> ChatMessage | None:
    """Return the message of the transcript *room* that *root*, an answer of the agent, answers; None if it has none."""
    pairs = [asked for asked, said in pairwise(room) if asked.role == "user" != said.role and is_same(said, root)]
    return pairs[-1] if pairs else None
