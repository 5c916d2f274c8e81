"""Payloads of turns: the content of the event that asked for a turn, one record for each kind of turn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.file_key import FileKey

    #: The value of an argument that a client gives by name: storable text, a number or a truth value; None: a value of
    #: a type that no argument has.
    NamedValue = str | int | bool | None


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
    #: ``mxc://`` URL with a valid server name and media id; None without one.
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
    #: The key of an encrypted file; None without a valid one. Not in the text form, from which names derive.
    key: FileKey | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MessagePayload:
    """A message for an agent. After a redaction all fields are empty."""

    #: Text, or the caption of the file.
    body: str = ""
    file: Attachment | None = None
    #: Event that the message replies to.
    reply_to: str | None = None
    #: Further files (a gallery).
    others: tuple[Attachment, ...] = ()
    #: ``sticker``, ``location``, ``poll``, or the type of a message that the bridge does not know; empty: words or
    #: files.
    form: str = ""
    #: Name of the trigger that woke the agent, and whose sender the text is from; empty: a person wrote it.
    #: Not in the text form of the record, from which the names of requests to upstreams derive.
    trigger: str = field(default="", repr=False)
    #: When the person had it scheduled, in the words of the person; None: it was written now. Not in the text form.
    schedule: str | None = field(default=None, repr=False)
    #: The due time that was missed, as a person reads it; None: it is on time. Not in the text form.
    late: str | None = field(default=None, repr=False)

    @property
    def files(self) -> tuple[Attachment, ...]:
        """All files of the message."""
        return self.others if self.file is None else (self.file, *self.others)

    def edited(self, new: MessagePayload) -> MessagePayload:
        """Return the message with the text of *new*, and with its files if it has some; the reply stays."""
        files = (new.file, new.others) if new.file is not None else (self.file, self.others)
        return replace(self, body=new.body, file=files[0], others=files[1], form=new.form)


@dataclass(frozen=True, slots=True)
class CommandPayload:
    """A command for the bridge bot."""

    #: The command without its prefix.
    body: str
    #: Root of the thread in which the bot answers; empty: the room itself.
    thread: str = ""
    #: Event that the command replies to, and the message of its sender that was edited into the command.
    reply_to: str | None = None
    target: str | None = None
    #: The arguments that a client gave by name (MSC4391), beside the name of the command in *body*; None: *body* has
    #: the arguments.
    arguments: Mapping[str, NamedValue] | None = None


class RefusalReason(StrEnum):
    """Why a message is refused."""

    #: It is encrypted end to end.
    ENCRYPTED = "encrypted"
    #: It is not encrypted, and has to be.
    NOT_ENCRYPTED = "not_encrypted"
    #: As many messages as are allowed wait in its room.
    FULL = "full"
    #: Its sender has no role.
    PERMISSION = "permission"
    #: It has nothing that an agent can get: a call, a live location, no text.
    UNREADABLE = "unreadable"
    #: It is not a command, in a room in which all messages are commands.
    NO_COMMAND = "no_command"
    #: It changes, or repeats, a message that no agent was asked, or that is not known any more.
    UNKNOWN_TARGET = "unknown_target"
    #: Its room belongs to another agent than the one that its sender has selected.
    OTHER_AGENT = "other_agent"
    #: It decides about a tool call of an agent that another person asked.
    NO_DECIDER = "no_decider"
    #: Agents have asked each other as often as they may: people are asked whether they go on.
    CHAIN_LIMIT = "chain_limit"
    #: People without a role are in the room: their texts are not for agents.
    STRANGERS = "strangers"


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
    #: Event that gets the reply or the mark; empty: the refused event.
    target: str = ""
    #: Whether the sender was told the reason a short time ago: the message gets a mark and no reply.
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class InvitationPayload:
    """An invitation of the bridge bot or of a ghost."""

    #: User id of the invited user.
    invited: str
    #: Whether the person means a direct conversation. Earlier versions did not store it: each room of two was one.
    is_direct: bool = True


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


@dataclass(frozen=True, slots=True)
class TriggerPayload:
    """A request of another program, or of a schedule, to wake an agent. The text is empty once the agent is asked."""

    #: Row id of the agent, and localpart of its ghost.
    agent: int
    ghost: str
    #: Name of the trigger, and the text for the agent.
    trigger: str = ""
    text: str = ""
    #: As in :class:`MessagePayload`.
    schedule: str | None = None
    late: str | None = None
    #: Due times that were missed.
    missed: int = 0


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that the bridge sent."""

    event_id: str
    #: Localpart of the ghost or the bot that sent it.
    sender: str


@dataclass(frozen=True, slots=True)
class RedactionPayload:
    """A request to redact events of the bridge, and their edits."""

    events: tuple[SentEvent, ...]


Payload = (
    MessagePayload
    | CommandPayload
    | RefusalPayload
    | InvitationPayload
    | EditPayload
    | AgainPayload
    | TriggerPayload
    | RedactionPayload
)
