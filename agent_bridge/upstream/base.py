"""What the bridge asks of an upstream, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent_bridge.core.transcript import ChatMessage


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent as its upstream lists it."""

    #: What a request calls it (``model`` in the OpenAI API).
    model: str
    #: What people call it.
    name: str
    #: Whether *model* is the agent's name, and so changes when the agent is renamed.
    id_is_name: bool = False


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """One question to one agent."""

    model: str
    #: Earlier messages, oldest first, then the new one. An upstream that remembers uses the last only.
    messages: tuple[ChatMessage, ...]
    #: Stable name of the conversation.
    session: str
    #: The same for every attempt at the same turn.
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of what the agent thinks before and between its words, never empty. No part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One whole call of a tool."""

    #: Names the call within its answer.
    call_id: str
    name: str
    #: JSON as a rule, bounded: where characters are missing at the end stands an ellipsis.
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back, where the upstream carries tools out itself and tells."""

    #: That of the :class:`ToolCall`.
    call_id: str
    #: Bounded as the arguments are.
    output: str


@dataclass(frozen=True, slots=True)
class FileDelta:
    """An image or a file that is a part of the answer. Nothing about it has been checked."""

    #: ``data:``, ``http:`` or ``https:``; each once in an answer.
    url: str
    name: str | None
    #: What the upstream says that it is.
    content_type: str | None


@dataclass(frozen=True, slots=True)
class End:
    """The answer is whole. *finish_reason* as in the OpenAI API."""

    finish_reason: str


Delta = TextDelta | ReasoningDelta | ToolCall | ToolResult | FileDelta | End


class Upstream(Protocol):
    """A server that hosts agents."""

    #: Its name in the configuration.
    name: str
    #: Whether it answers a repeat of the same idempotency key without acting twice.
    idempotent: bool
    #: Whether it remembers conversations by itself, so that no history is sent.
    stateful: bool
    #: Whether its models take images.
    images: bool
    #: Whether it makes text of voice messages.
    transcribes: bool

    async def list_agents(self) -> tuple[AgentInfo, ...] | None:
        """Return its agents after ``include``/``exclude``, in its order; None when nothing changed.

        Nothing changed when the list is the one of the last call that did not fail. Bytes that are the same
        as then are not parsed.

        Raises:
            UpstreamError: it could not be asked; nothing is known about its agents.
        """

    def answer(self, ask: AnswerRequest) -> AsyncGenerator[Delta, None]:
        """Ask once, and yield the answer as it arrives. The last item is :class:`End`.

        A whole answer has text that is not blank, or a file.

        Closing the generator early ends the request. Whatever the class of an error, its ``retryable`` says
        whether the same question may be asked again: it is false where an agent might then act twice. The
        answer to a repeat starts at its beginning.

        Raises:
            UpstreamUnreachable, UpstreamBusy, UpstreamFailed: before the first delta only.
            UpstreamError: any other way in which there is no whole answer.
        """

    async def transcribe(self, audio: bytes, *, name: str, content_type: str) -> str:
        """Return what is said in *audio*, empty when nothing is; *name* ends as files of its kind do.

        Raises:
            UpstreamError: it could not be made text of.
        """

    def invalidate(self) -> None:
        """Make the next :meth:`list_agents` return a list even when nothing changed."""
