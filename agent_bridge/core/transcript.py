"""Messages of a transcript, in the terms of the OpenAI API."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a message."""

    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a transcript."""

    #: ``user`` or ``assistant``, as in the OpenAI API.
    role: str
    content: str
    images: tuple[Image, ...] = ()
