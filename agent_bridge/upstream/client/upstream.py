"""The upstream of agents that connect themselves: it has no server, and its questions wait in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from agent_bridge.core.errors import AgentGone, AgentSilent, AnswerAwaited, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import End, RunStarted, TextDelta
from agent_bridge.upstream.base import UNCHANGED, AgentInfo, Traits, Unchanged
from agent_bridge.upstream.capabilities import Capabilities

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.client_agents import ClientAgent
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest


class AskedQuestion(Protocol):
    """A question that waits, or was replied to."""

    @property
    def id(self) -> int:
        """The row id."""

    @property
    def reply(self) -> str | None:
        """The reply; None: there is none yet."""

    @property
    def left(self) -> float:
        """Seconds until the room is told that there was no reply."""


class ClientStore(Protocol):
    """The tables of these agents."""

    async def agents(self, *, ephemeral: bool, within: float | None = None) -> Sequence[ClientAgent]:
        """Return the agents of one kind."""

    async def ask(self, key: str, turn: int, model: str, text: str, *, seconds: float) -> AskedQuestion | None:
        """Have a question wait."""

    async def forget(self, question: int) -> None:
        """Forget a question."""


class ClientUpstream:
    """Lists the registered agents, and has their questions wait. *lives*: seconds for which ephemeral agents stay."""

    traits = Traits(stateful=True, idempotent=True, images=False)
    server = ""

    def __init__(self, config: UpstreamConfig, store: ClientStore, *, lives: float) -> None:
        self._config = config
        self._store = store
        self._lives = lives
        self._listed: tuple[AgentInfo, ...] | None = None
        self.can = Capabilities(cancel=self._cancel)

    @property
    def name(self) -> str:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        return self._config.name

    async def agents(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""
        ephemeral = self._config.ephemeral
        found = await self._store.agents(ephemeral=ephemeral, within=self._lives if ephemeral else None)
        listed = tuple(AgentInfo(each.model, each.name, description=each.description) for each in found)
        if listed == self._listed:
            return UNCHANGED
        self._listed = listed
        return listed

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See :class:`~agent_bridge.upstream.base.Upstream`.

        Raises:
            AnswerAwaited: the question waits for a reply, which has its turn go on.
            AgentSilent: there was no reply in time.
        """
        if request.turn is None:
            # A question of the bridge itself, such as one for a title.
            raise UpstreamRefused(Text("agent_unasked"))
        text = request.messages[-1].content
        asked = await self._store.ask(
            request.idempotency_key, request.turn, request.model, text, seconds=self._config.turn_timeout
        )
        if asked is None:
            raise AgentGone(Text("agent_gone_upstream", upstream=self.name))
        yield RunStarted(str(asked.id))
        if asked.reply is None and asked.left <= 0:
            raise AgentSilent(Text("agent_silent", seconds=self._config.turn_timeout))
        if asked.reply is None:
            raise AnswerAwaited(Text("agent_awaited"), retry_after=asked.left)
        yield TextDelta(asked.reply)
        yield End("stop")

    async def aclose(self) -> None:
        """See :class:`~agent_bridge.upstream.base.Upstream`."""

    async def _cancel(self, ref: str, /) -> None:
        await self._store.forget(int(ref))
