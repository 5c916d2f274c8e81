"""A question to an agent, and the events of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.usage import Usage

if TYPE_CHECKING:
    from agent_bridge.core.errors import FileProblem
    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.client_tools import Toolbox


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
    #: The number of the attempt, from 1.
    attempt: int = 1
    #: The title of the conversation for people.
    title: str = ""
    #: The system message; None without one. A stateful upstream ignores it.
    system_prompt: str | None = None
    #: Ids of tool calls of earlier attempts that never ran, because no word that allows them was sent.
    never_ran: frozenset[str] = frozenset()
    #: References of requests for which earlier attempts at the turn sent such a word, so that the tools may have run.
    allowed: frozenset[str] = frozenset()
    #: The temperature; None: that of the upstream.
    temperature: float | None = None
    #: References of undecided requests of earlier questions whose answers people have ended: they are refused.
    withdrawn: frozenset[str] = frozenset()
    #: Tools of the bridge, for an upstream that can offer them to its agents; None: there are none.
    toolbox: Toolbox | None = None
    #: Row id of the turn, for the agents that connect themselves; None: it is a question of the bridge itself.
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The upstream has begun to work on the question, or goes on in another run. It may name no runs."""

    #: The upstream's reference of the run, never empty. Only the kind of upstream that made it can read it.
    ref: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class TextWithdrawn:
    """The text so far is no answer: it is reasoning, and follows as such, or it is corrected. The text begins again."""


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the agent's reasoning, never empty. It is no part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One complete call of a tool."""

    #: Names the call up to its result. A later call may have the same id.
    call_id: str
    name: str
    #: Usually JSON. Bounded: an ellipsis stands for missing characters in the middle, or at the end.
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The output of a tool that the upstream ran itself."""

    #: The id of the :class:`ToolCall`.
    call_id: str
    #: Bounded: an ellipsis at the end stands for missing characters.
    output: str


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A tool call that waits for a person's decision."""

    #: The upstream's reference of the request.
    ref: str
    call: ToolCall
    #: The words of the offer to allow calls like this one from now on; empty if the upstream makes none.
    always: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """The answer goes on when the request is decided by :class:`~agent_bridge.upstream.capabilities.Approvals`."""

    request: ApprovalRequest


@dataclass(frozen=True, slots=True)
class ApprovalClosed:
    """The request *ref* needs no decision any more: it was decided, or does not exist any more."""

    ref: str


@dataclass(frozen=True, slots=True)
class FileDelta:
    """An image or a file that is part of the answer. Nothing about it has been checked."""

    #: ``data:``, ``http:`` or ``https:``; an answer contains each URL once.
    url: str
    name: str | None
    #: The media type that the upstream claims.
    content_type: str | None
    #: Why the file is left out; None for a file that is not. *url* is then empty.
    problem: FileProblem | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The answer is complete. The last event."""

    #: As in the OpenAI API.
    finish_reason: str


AnswerEvent = (
    RunStarted
    | TextDelta
    | TextWithdrawn
    | ReasoningDelta
    | ToolCall
    | ToolResult
    | ApprovalAsked
    | ApprovalClosed
    | FileDelta
    | Usage
    | End
)
