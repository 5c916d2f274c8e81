"""What the bridge asks of an upstream, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.model import Said


@dataclass(frozen=True, slots=True)
class Listed:
    """An agent as its upstream lists it."""

    #: What a request calls it (``model`` in the OpenAI API).
    model: str
    #: What people call it.
    name: str
    #: Whether *model* is the agent's name, and so changes when the agent is renamed.
    named: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to one agent."""

    model: str
    #: Earlier messages, oldest first, then the new one. An upstream that remembers by itself uses the last only.
    messages: tuple[Said, ...]
    #: Stable name of the conversation.
    session: str
    #: The same for every attempt at the same turn.
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """The answer is whole. *finish_reason* as in the OpenAI API."""

    finish_reason: str


Delta = TextDelta | End


class Upstream(Protocol):
    """A server that hosts agents."""

    #: Its name in the configuration.
    name: str
    #: Whether asking again with the same idempotency key is known to be harmless.
    idempotent: bool
    #: Whether it remembers conversations by itself, so that no history is sent.
    remembers: bool

    async def list_agents(self) -> tuple[Listed, ...] | None:
        """Return its agents after ``include``/``exclude``, in the upstream's order; None when the answer is, byte for
        byte, the one of the last call.

        Raises:
            UpstreamError: it could not be asked; nothing is known about its agents.
        """

    def answer(self, ask: Ask) -> AsyncIterator[Delta]:
        """Ask, and yield the answer as it arrives. The last item is :class:`End`; closing the iterator early ends the
        request.

        Raises:
            UpstreamUnreachable, UpstreamBusy, UpstreamFailed: before the first delta only; the agent said nothing.
            UpstreamError: any other way in which there is no whole answer.
        """

    def forget(self) -> None:
        """Make the next :meth:`list_agents` return a list even when nothing changed."""
