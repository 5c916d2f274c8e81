"""Messages of a transcript, in the terms of the OpenAI API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Bytes of a text that count as a token where nothing else counts them.
BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a message, or another file that an agent takes as it is."""

    data: bytes = field(repr=False)
    content_type: str
    #: The name of another file; empty for an image.
    name: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a transcript."""

    #: ``user`` or ``assistant``, as in the OpenAI API.
    role: str
    content: str
    images: tuple[Image, ...] = ()

    @property
    def tokens(self) -> int:
        """Its estimated length: four bytes of its text count as a token, and the message as one more."""
        return len(self.content.encode()) // BYTES_PER_TOKEN + 1


@dataclass(frozen=True, slots=True)
class HeardMessage:
    """A message of a room that was said to others than the agent of a lane."""

    #: Its text, with the name of its speaker.
    text: str
    event_id: str
    #: User id of its speaker.
    said_by: str
    #: The edit from which the text comes; None without one.
    edited_in: str | None = None

    @property
    def said(self) -> ChatMessage:
        """The message as a transcript has it."""
        return ChatMessage("user", self.text)


@dataclass(frozen=True, slots=True)
class CatchUp:
    """The messages of a room that an agent gets with a question, because they were said since its last turn."""

    #: Oldest first.
    messages: tuple[HeardMessage, ...] = ()
    #: The event up to which the agent has the messages after it; None: as before.
    until: str | None = None


NO_CATCH_UP: Final = CatchUp()


def tokens_of(messages: Iterable[ChatMessage]) -> int:
    """Return the estimated length of *messages*, in tokens."""
    return sum(message.tokens for message in messages)
