"""The interface between the bridge and a server that hosts agents, for every kind of server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.capabilities import Capabilities


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
    #: Whether the agent keeps *model* for as long as it exists.
    id_lasts: bool = True
    #: Address of its picture (``http`` or ``https``), or :data:`~agent_bridge.upstream.capabilities.PICTURE` and a
    #: name that changes with the picture; empty if the upstream gives none, None if that is not known yet.
    image: str | None = ""
    #: Its description, empty if the upstream gives none.
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Facts about one upstream that do not change while the bridge runs."""

    #: Whether the upstream stores conversations itself, so that requests contain no history.
    stateful: bool
    #: Whether each session of the requests is a conversation of its own. A stateful upstream may have one for all.
    has_sessions: bool = True
    #: Whether a restart of the upstream loses the conversations that it stores.
    forgets: bool = False
    #: Whether a repeat with the same idempotency key is answered without a second act.
    idempotent: bool
    #: Whether the agents' models accept images.
    images: bool
    #: Whether agents take files of other types than texts and documents as they are, for example recordings.
    files: bool = False


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

    @property
    def server(self) -> str:
        """The software of the server and its version, as the server tells; empty if it does not, or did not yet."""

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """Return the agents that the configuration includes, in the upstream's order.

        :data:`UNCHANGED` stands for the list of the last call that raised no error. The first call returns a list.

        Raises:
            UpstreamError: the upstream did not return its agents. Nothing is known about them.
        """

    def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Send the question once, and yield the events of the answer as they arrive.

        :class:`RunStarted` is the first event if the upstream names its runs, and comes again when the answer goes on
        in another run; :class:`End` is always the last. A complete answer has text that is not blank, or a file.
        :class:`TextWithdrawn` takes back the text before it. Each :class:`~agent_bridge.core.usage.Usage` counts tokens
        that no other one counts. Closing the generator early ends the request.

        ``retryable`` of an error tells whether the same question may be repeated: it is false if the agent could act
        twice. The answer to a repeat starts at its beginning.

        Raises:
            UpstreamUnreachable, UpstreamBusy, UpstreamFailed: before the first event only.
            UpstreamError: the answer is not complete for any other reason.
        """

    async def aclose(self) -> None:
        """Close the connections that the upstream itself opened. No other method may be called afterwards."""
