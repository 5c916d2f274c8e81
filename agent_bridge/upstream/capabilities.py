"""The abilities that only some servers have.

The record :class:`Capabilities` belongs to one server, because the server's version and its configuration decide about
its abilities. Each field is an object, or None. The bridge reads the field and uses the object, without flags or type
checks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from datetime import datetime

    from agent_bridge.core.results.server_commands import CommandRefusal
    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.answer import AnswerEvent


class Cancel(Protocol):
    """Ends runs."""

    async def __call__(self, ref: str, /) -> None:
        """End the run *ref*, and no other one. A run that has ended already is no error.

        Raises:
            UpstreamError: the run may still be going on.
        """


class Resume(Protocol):
    """Returns to runs whose connection was lost."""

    def __call__(self, ref: str, /) -> AsyncGenerator[AnswerEvent, None]:
        """Yield the events of the run *ref* from its beginning, as :meth:`Upstream.answer` does.

        Raises:
            UpstreamError: the run is unknown or has failed. No agent acted because of this call.
        """


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's decision about a tool call."""

    allow: bool
    #: Whether calls like this one are allowed from now on; only if the request offers it.
    always: bool = False
    #: The reason of a refusal, which the agent reads.
    reason: str = ""


class Approvals(Protocol):
    """Asks people before an agent uses a tool: an answer yields an event for each request."""

    async def decide(self, ref: str, decision: Decision, /) -> None:
        """Let the tool call of the request *ref* run or not. A decision counts once, also if the call is repeated.

        Raises:
            UpstreamRefused: the request has been decided, or is withdrawn.
            UpstreamError: the decision may not have arrived.
        """


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """A conversation with one agent that the upstream keeps."""

    #: The upstream's id.
    ref: str
    #: The title for people, empty if it has none.
    name: str
    #: Whether it is put away; see :class:`Archive`.
    is_archived: bool = False


class Conversations(Protocol):
    """Several conversations with the same agent.

    Every method raises :class:`UpstreamError` on failure. A method that makes a conversation may have made it then.

    The methods together reset the conversation of a lane (:meth:`open`, :meth:`select`), save it under a name
    (:meth:`fork`), and load a saved one (:meth:`fork` and :meth:`select`).
    """

    async def open(self, model: str, name: str, /) -> ConversationInfo:
        """Start an empty conversation with the agent *model*."""

    async def list(self, model: str, /) -> Sequence[ConversationInfo]:
        """Return the conversations with the agent *model*, newest first, the archived ones among them."""

    async def rename(self, ref: str, name: str, /) -> None:
        """Change the title of a conversation."""

    async def fork(self, model: str, ref: str, marker: str, /) -> ConversationInfo:
        """Copy a conversation with the agent *model*; the copy and the original go on independently.

        The name of the copy has *marker*, a unique word. As long as it has, a repeat returns the same copy.
        """

    async def current(self, model: str, session: str, /) -> str | None:
        """Return the conversation in which the agent *model* is asked by the lane *session*, None before the first.

        Raises:
            StoreError: the database cannot be read.
        """

    async def select(self, model: str, session: str, ref: str, /) -> None:
        """Have the lane *session* go on with the conversation *ref*. The lane answers no question meanwhile.

        Raises:
            StoreError: the database cannot be written.
        """


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that the bridge asked an upstream."""

    #: As in :class:`~agent_bridge.upstream.answer.AnswerRequest`; the number of attempts at most.
    idempotency_key: str
    attempts: int


class Branches(Protocol):
    """Copies the beginning of a conversation."""

    async def __call__(
        self, model: str, ref: str, question: AskedQuestion, marker: str, /, *, answered: bool
    ) -> ConversationInfo | None:
        """Copy a conversation up to *question* and with it; *answered*: with its answer too.

        The name of the copy has *marker*, a unique word. As long as it has, a repeat returns the same copy. None: the
        conversation does not have the question.

        Raises:
            UpstreamError: there may be a copy, which a repeat returns.
        """


class Archive(Protocol):
    """Puts conversations away, and takes them out again. They keep their messages."""

    async def __call__(self, ref: str, /, *, archived: bool) -> None:
        """Put the conversation *ref* away, or take it out again.

        Raises:
            UpstreamError: the conversation may not have changed.
        """


class Deletion(Protocol):
    """Deletes conversations."""

    async def __call__(self, ref: str, /) -> None:
        """Delete the conversation *ref*. That there is none is no error.

        Raises:
            UpstreamError: the conversation may still exist.
        """


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """A command that a server runs in a conversation."""

    name: str
    #: The server's own words, empty without any.
    description: str = ""
    #: A hint about its arguments.
    arguments: str = ""
    #: Why the bridge does not run it; None if it does.
    refusal: CommandRefusal | None = None


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """The end of a command."""

    succeeded: bool
    #: The words of the server, and those of the agent if the command asked it something. Bounded, perhaps empty.
    text: str = ""
    said: str = ""


class Commands(Protocol):
    """Commands of the server. No answer of the same conversation may run beside one.

    *model* and *session* name the conversation as an :class:`~agent_bridge.upstream.answer.AnswerRequest` does; it is
    made with the name *title* if there is none.
    """

    async def list(self, model: str, session: str, title: str) -> Sequence[ServerCommand]:
        """Return the commands that the server offers in a conversation.

        Raises:
            UpstreamError: the server did not return them.
            StoreError: the database cannot be used.
        """

    async def run(self, model: str, session: str, title: str, name: str, arguments: str) -> CommandOutput:
        """Run the command *name* of the list. The conversation may be another one afterwards.

        Raises:
            UpstreamError: its end is not known; it may have taken effect.
            StoreError: the database cannot be used.
        """


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message that an upstream stored."""

    #: The upstream's id, unique within the conversation.
    ref: str
    message: ChatMessage
    sent_at: datetime
    #: Whether a bridge asked it, or it answers such a question: people have it in a room.
    is_bridged: bool = False


class History(Protocol):
    """Reads stored messages: the words of people and of the agent."""

    def __call__(
        self, model: str, /, conversation: str | None = None, *, newest: int = 1_000
    ) -> AsyncIterator[Sequence[PastMessage]]:
        """Yield the messages of a conversation in pages, oldest first; None is the agent's main conversation.

        Only the *newest* so many messages to the agent and of the agent are read. An image is a word in brackets.

        Raises:
            UpstreamError: the upstream did not return a page.
        """


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A time, or several, at which a server asks one of its agents by itself."""

    #: The upstream's id.
    ref: str
    name: str
    description: str
    #: The times as a cron expression of five fields, in *time_zone* (a name of the IANA database).
    cron: str
    time_zone: str
    #: The time of a schedule that runs once; None for one that repeats.
    once_at: datetime | None
    is_paused: bool
    #: The conversation in which the agent is asked; None: its main one, or a new one each time.
    conversation: str | None


class Schedules(Protocol):
    """Lists schedules of the server, which the bridge has not made."""

    async def __call__(self, model: str, /) -> Sequence[ScheduleInfo]:
        """Return the schedules of the agent *model* that have not ended, in the server's order.

        Raises:
            UpstreamError: the upstream did not return them.
        """


class Transcribe(Protocol):
    """Turns speech into text."""

    async def __call__(self, audio: bytes, /, *, name: str, content_type: str) -> str:
        """Return the words in *audio*, empty for silence. The ending of *name* tells the format.

        Raises:
            UpstreamError: the upstream returned no text.
        """


class Speak(Protocol):
    """Turns text into speech."""

    #: Characters of a text at most.
    longest: int

    async def __call__(self, text: str, /) -> bytes:
        """Return a recording in which a voice reads *text* aloud, in a format that its bytes tell.

        Raises:
            UpstreamError: the upstream returned no recording.
        """


#: The beginning of an :attr:`AgentInfo.image` that is no address: the capability ``pictures`` returns the picture.
PICTURE = "upstream:"


class Pictures(Protocol):
    """Returns the pictures of agents that the server keeps without an address."""

    async def __call__(self, model: str, /) -> bytes | None:
        """Return the picture of the agent *model*, None if it has none. Nothing about the content has been checked.

        Raises:
            UpstreamError: the server did not return it.
        """


class Watch(Protocol):
    """Reports changes of the list of agents, so that the bridge need not wait for the next poll."""

    def __call__(self) -> AsyncIterator[None]:
        """Yield whenever :meth:`Upstream.agents` may return another list.

        Raises:
            UpstreamError: the connection ended. Changes may have been missed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The abilities of one upstream beyond answering. None: the upstream lacks the ability."""

    cancel: Cancel | None = None
    resume: Resume | None = None
    approvals: Approvals | None = None
    conversations: Conversations | None = None
    branches: Branches | None = None
    archive: Archive | None = None
    deletion: Deletion | None = None
    history: History | None = None
    schedules: Schedules | None = None
    transcribe: Transcribe | None = None
    speak: Speak | None = None
    watch: Watch | None = None
    commands: Commands | None = None
    pictures: Pictures | None = None


def describe(capabilities: Capabilities) -> tuple[str, ...]:
    """Return the names of the *capabilities* that the upstream has, in the order of the record."""
    return tuple(field.name for field in fields(capabilities) if getattr(capabilities, field.name) is not None)
