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
        """End the run *ref*. A run that has ended already is no error.

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


class Conversations(Protocol):
    """Several conversations with the same agent. Every method raises :class:`UpstreamError` on failure."""

    async def open(self, model: str, name: str) -> ConversationInfo:
        """Start an empty conversation with the agent *model*."""

    async def list(self, model: str) -> Sequence[ConversationInfo]:
        """Return the conversations with the agent *model*, newest first."""

    async def rename(self, ref: str, name: str) -> None:
        """Change the title of a conversation."""


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
    """A message that an upstream stored before the bridge knew the agent."""

    #: The upstream's id, unique within the conversation.
    ref: str
    message: ChatMessage
    sent_at: datetime


class History(Protocol):
    """Reads stored messages."""

    def __call__(self, model: str, /, conversation: str | None = None) -> AsyncIterator[Sequence[PastMessage]]:
        """Yield the messages of a conversation in pages, oldest first; None is the agent's main conversation.

        Raises:
            UpstreamError: the upstream did not return a page.
        """


class Transcribe(Protocol):
    """Turns speech into text."""

    async def __call__(self, audio: bytes, /, *, name: str, content_type: str) -> str:
        """Return the words in *audio*, empty for silence. The ending of *name* tells the format.

        Raises:
            UpstreamError: the upstream returned no text.
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
    history: History | None = None
    transcribe: Transcribe | None = None
    watch: Watch | None = None
    commands: Commands | None = None
    pictures: Pictures | None = None


def describe(capabilities: Capabilities) -> tuple[str, ...]:
    """Return the names of the *capabilities* that the upstream has, in the order of the record."""
    return tuple(field.name for field in fields(capabilities) if getattr(capabilities, field.name) is not None)
