"""Payloads of turns: the content of the event that asked for a turn, one record for each kind of turn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class MediaKind(StrEnum):
    """``msgtype`` of a message that brings a file."""

    IMAGE = "m.image"
    FILE = "m.file"
    AUDIO = "m.audio"
    VIDEO = "m.video"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a message brings, as its sender describes it. None of the description is verified."""

    kind: MediaKind
    #: ``mxc://`` URL with a valid server name and media id; None without one, for example if the file is encrypted.
    url: str | None
    #: File name, storable text; may be empty.
    name: str
    #: Claimed media type and size in bytes.
    content_type: str | None
    size: int | None
    #: Caption (Matrix spec, "Media captions"), storable text; None without one.
    caption: str | None
    #: Whether it is a voice message (MSC3245).
    voice: bool
    #: Whether it is encrypted (``file`` in place of ``url``).
    encrypted: bool


@dataclass(frozen=True, slots=True)
class MessagePayload:
    """A message for an agent. After a redaction all fields are empty."""

    #: Text, or the caption of the file.
    body: str = ""
    file: Attachment | None = None
    #: Event that the message replies to.
    reply_to: str | None = None

    def edited(self, new: MessagePayload) -> MessagePayload:
        """Return the message with the text of *new*, and with its file if it has one; the reply stays."""
        return replace(self, body=new.body, file=new.file or self.file)


@dataclass(frozen=True, slots=True)
class CommandPayload:
    """A command for the bridge bot."""

    #: The command without its prefix.
    body: str
    #: Root of the thread in which the bot answers; empty: the room itself.
    thread: str = ""


class RefusalReason(StrEnum):
    """Why a message is refused."""

    #: It is encrypted end to end.
    ENCRYPTED = "encrypted"
    #: As many messages as are allowed wait in its room.
    FULL = "full"
    #: Its sender has no role.
    PERMISSION = "permission"


@dataclass(frozen=True, slots=True)
class RefusalPayload:
    """A message that the bridge does not take."""

    reason: RefusalReason
    #: Root of the thread in which the bot tells the reason; empty: the room itself.
    thread: str = ""
    #: Beginning of the message, by which its sender recognises it; for :attr:`RefusalReason.FULL` only.
    excerpt: str = ""
    #: Messages that may wait in the room; for :attr:`RefusalReason.FULL` only.
    limit: int = 0


@dataclass(frozen=True, slots=True)
class InvitationPayload:
    """An invitation of the bridge bot or of a ghost."""

    #: User id of the invited user.
    invited: str


@dataclass(frozen=True, slots=True)
class EditPayload:
    """New content for an earlier message."""

    #: Event of the earlier message.
    target: str
    #: The new content; its ``reply_to`` is None. Empty after a redaction of the earlier message.
    message: MessagePayload


@dataclass(frozen=True, slots=True)
class AgainPayload:
    """A request for another answer."""

    #: Event of the question, or of an answer to it.
    target: str


Payload = MessagePayload | CommandPayload | RefusalPayload | InvitationPayload | EditPayload | AgainPayload
