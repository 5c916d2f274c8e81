"""Answers as records: the messages that show one, the files that belong to it, and the numbers of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent_bridge.core.file_key import FileKey
    from agent_bridge.core.turns import StopReason


class Part:
    """The allocation of part numbers.

    Every message that shows an answer is a part of it. The number of a part is stored (table ``outbox``), is a piece of
    the message's transaction id, and stands in the message's mark: a number must never get another meaning. The ranges
    are far enough apart that a second answer to the same question never edits a file into text.
    """

    #: The summary of reasoning and tool calls, above the answer.
    ACTIVITY: Final = -1
    #: Notices in the thread of that summary: ``ACTIVITY_THREAD[0]`` is the first one.
    ACTIVITY_THREAD: Final = range(-2, -1_002, -1)
    #: The notice that the message waits for the upstream. It is redacted when the answer begins.
    WAITING: Final = -1_002
    #: Cards that ask whether a tool may run: ``CARDS[0]`` is the first one.
    CARDS: Final = range(-2_000, -12_000, -1)
    #: Voice messages that read the answer aloud, 32 of each retry of its turn, the last of which tells of a failure.
    #: They are acts.
    SPEECH: Final = range(-12_000, -22_016, -1)
    #: Files and reactions that the agent sends by tools of the bridge. The number derives from the call and the retry.
    ACTS: Final = range(-1_000_000_000, -2_000_000_000, -1)
    #: The text of the answer in its order, then a notice of the bridge about it.
    TEXT: Final = range(500_000)
    #: Files.
    FILES: Final = range(500_000, 1_000_000)
    #: The notice of a turn that was given up, below all messages that the turn had shown.
    GIVE_UP: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file in the homeserver's media repository."""

    #: ``mxc://`` URL.
    url: str
    content_type: str
    #: Bytes.
    size: int
    #: Pixels; None for a file that is not a picture.
    width: int | None = None
    height: int | None = None
    #: Whether it is a picture with several frames; None if this is unknown.
    animated: bool | None = None
    #: Opens the file; None: it is not encrypted.
    key: FileKey | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file that belongs to an answer, uploaded already."""

    media: MediaFile
    name: str
    #: For a picture: a smaller one, and the picture's BlurHash (MSC2448).
    thumbnail: MediaFile | None = None
    blurhash: str | None = None


@dataclass(frozen=True, slots=True)
class Op:
    """Say *text*, or send *file*, as part *part*: send the part if it was never sent, else edit it."""

    #: A number of :class:`Part`.
    part: int
    #: Markdown.
    text: str
    #: Whether the bridge itself speaks (``m.notice``).
    notice: bool = False
    #: Whether more text follows (MSC4357).
    live: bool = False
    #: The text for clients without HTML; None: the Markdown as plain text.
    plain: str | None = None
    #: The part whose thread gets this part; None: the place where the question was asked.
    thread_of: int | None = None
    #: The file to send; *text* is then empty.
    file: AnswerFile | None = None
    #: User ids that the message mentions (``m.mentions``): it notifies them once, however often it is edited.
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """The bridge's own words about an answer."""

    #: Markdown.
    summary: str
    #: Plain text that is shown folded below the summary; empty: none.
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The only message that answers a turn."""

    #: Markdown.
    text: str
    #: How a person ended the turn; None for any other end.
    stopped: StopReason | None = None
    #: Files that follow.
    files: tuple[AnswerFile, ...] = ()


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """A piece of an answer as sound, uploaded already."""

    media: MediaFile
    #: Milliseconds.
    duration: int
    #: Values from 0 to 1,024 (MSC3246).
    waveform: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Speech:
    """How far an answer is read aloud."""

    #: The pieces that are uploaded, the first one first.
    pieces: tuple[SpokenPiece, ...] = ()
    #: Why the rest is not read aloud, in the language of the room; empty: it is, or is to be.
    failure: str = ""


@dataclass(frozen=True, slots=True)
class AnswerExtras:
    """Everything that is shown with an answer except its text."""

    #: None: the room is told nothing.
    notice: Notice | None = None
    #: The messages that show reasoning and tool calls.
    activity: tuple[Op, ...] = ()
    files: tuple[AnswerFile, ...] = ()
    #: Whether the first of *files* holds the rest of an answer that is too long for its messages.
    rest: bool = False
    #: User ids that the final message of the answer mentions.
    mentions: tuple[str, ...] = ()
    #: None: the answer is not read aloud.
    speech: Speech | None = None


def is_act(part: int) -> bool:
    """Tell whether *part* belongs to one answer, and no later answer to the same question edits it."""
    return part in Part.ACTS or part in Part.SPEECH


NO_EXTRAS: Final = AnswerExtras()
