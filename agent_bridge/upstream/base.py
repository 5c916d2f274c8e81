"""The interface between the bridge and a server that hosts agents.

Every kind of server implements :class:`Upstream`. The record :class:`Capabilities` holds the abilities that only some
servers have: each field is an object, or None. The record belongs to one server, because the server's version and its
configuration decide about its abilities. The bridge reads the field and uses the object, without flags or type checks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from datetime import datetime

    from agent_bridge.core.transcript import ChatMessage


class Unchanged(Enum):
    """The type of :data:`UNCHANGED`."""

    UNCHANGED = "unchanged"


#: The list of agents is the same as the one that the last successful call found.
UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent as its upstream lists it."""

    #: The id that a request names (``model`` in the OpenAI API).
    model: str
    #: The name for people.
    name: str
    #: Whether *model* is the agent's name, and so changes when the agent is renamed.
    id_is_name: bool = False


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """A question to one agent."""

    model: str
    #: Earlier messages, oldest first, then the new one. A stateful upstream uses the last message only.
    messages: tuple[ChatMessage, ...]
    #: A stable name of the conversation.
    session: str
    #: The same for every attempt at the same turn.
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The upstream has begun to work on the question. The first event, if the upstream names its runs."""

    #: The upstream's reference of the run, never empty. Only the kind of upstream that made it can read it.
    ref: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the agent's reasoning, never empty. It is no part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One complete call of a tool."""

    #: Unique within the answer.
    call_id: str
    name: str
    #: Usually JSON. Bounded: an ellipsis at the end stands for missing characters.
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The output of a tool that the upstream ran itself."""

    #: The id of the :class:`ToolCall`.
    call_id: str
    #: Bounded like the arguments.
    output: str


@dataclass(frozen=True, slots=True)
class FileDelta:
    """An image or a file that is part of the answer. Nothing about it has been checked."""

    #: ``data:``, ``http:`` or ``https:``; an answer contains each URL once.
    url: str
    name: str | None
    #: The media type that the upstream claims.
    content_type: str | None


@dataclass(frozen=True, slots=True)
class End:
    """The answer is complete. The last event."""

    #: As in the OpenAI API.
    finish_reason: str


AnswerEvent = RunStarted | TextDelta | ReasoningDelta | ToolCall | ToolResult | FileDelta | End


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
class ApprovalRequest:
    """A tool call that waits for a person's decision."""

    #: The upstream's reference of the request.
    ref: str
    call: ToolCall


class Approvals(Protocol):
    """Asks people before an agent uses a tool."""

    async def pending(self, model: str) -> Sequence[ApprovalRequest]:
        """Return the requests of the agent *model* that are undecided, oldest first.

        Raises:
            UpstreamError: the upstream did not return them.
        """

    async def decide(self, ref: str, *, allow: bool, reason: str = "") -> None:
        """Let the tool call of the request *ref* run or not; the agent reads the *reason* of a refusal.

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


def describe(capabilities: Capabilities) -> tuple[str, ...]:
    """Return the names of the *capabilities* that the upstream has, in the order of the record."""
    return tuple(field.name for field in fields(capabilities) if getattr(capabilities, field.name) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Facts about one upstream that do not change while the bridge runs."""

    #: Whether the upstream stores conversations itself, so that requests contain no history.
    stateful: bool
    #: Whether a repeat with the same idempotency key is answered without a second act.
    idempotent: bool
    #: Whether the agents' models accept images.
    images: bool


class Upstream(Protocol):
    """A server that hosts agents."""

    @property
    def name(self) -> str:
        """The upstream's name in the configuration."""

    @property
    def traits(self) -> Traits:
        """The facts about this upstream."""

    @property
    def can(self) -> Capabilities:
        """The additional abilities of this upstream."""

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """Return the agents that the configuration includes, in the upstream's order.

        :data:`UNCHANGED` stands for the list of the last call that raised no error. The first call returns a list.

        Raises:
            UpstreamError: the upstream did not return its agents. Nothing is known about them.
        """

    def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Send the question once, and yield the events of the answer as they arrive.

        :class:`RunStarted` can only be the first event, and :class:`End` is always the last. A complete answer has
        text that is not blank, or a file. Closing the generator early ends the request.

        ``retryable`` of an error tells whether the same question may be repeated: it is false if the agent could act
        twice. The answer to a repeat starts at its beginning.

        Raises:
            UpstreamUnreachable, UpstreamBusy, UpstreamFailed: before the first event only.
            UpstreamError: the answer is not complete for any other reason.
        """

    async def aclose(self) -> None:
        """Close the connections that the upstream itself opened. No other method may be called afterwards."""
