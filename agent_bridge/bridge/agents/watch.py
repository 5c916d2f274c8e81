"""The state of discovery for one upstream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.client_agents import CLIENTS, EPHEMERAL_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.bridge.agents.identity import HeldChange
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.upstreams import Health
    from agent_bridge.upstream.base import AgentInfo, Upstream

_log = structlog.stdlib.get_logger(__name__)

#: Names that a line of the log lists.
_LOGGED = 20


@dataclass
class Watch:
    """The state of discovery for one upstream."""

    upstream: Upstream
    config: UpstreamConfig
    health: Health
    #: The last list of agents that the upstream returned.
    listed: Sequence[AgentInfo] = ()
    #: The model ids in that list.
    models: frozenset[str] = frozenset()
    #: Whether the tables contain that list.
    digested: bool = False
    #: Seconds for which the lists have lacked an agent, by row id. The time of a failure does not count.
    missed: dict[int, float] = field(default_factory=dict)
    #: When the last list arrived, by the clock of the discovery; None after a failure.
    listed_at: float | None = None
    failures: int = 0
    #: Seconds that the upstream asked to wait; None: it named no time.
    retry_after: float | None = None
    #: Whether the database knows that the upstream may be restarted since its last list.
    restart_noted: bool = False
    #: The number of requests for a look that processes have written, and that number when the last look began.
    asked: int = 0
    looked: int = 0
    #: Set: the next look is due now.
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    #: One pass at a time, whether the clock or a person asked for it.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def forgets(self) -> bool:
        """Whether a restart of the upstream loses its conversations."""
        return self.upstream.traits.forgets

    @property
    def is_unused(self) -> bool:
        """Whether it lists the agents that connect themselves, and there are none: people are not told of it."""
        return self.config.name in {CLIENTS, EPHEMERAL_CLIENTS} and not self.health.agents and not self.health.error

    def ask(self, requested: int, done: int) -> None:
        """Have the upstream looked at now if *requested* looks were asked for and fewer are *done* or begun."""
        if requested > max(done, self.asked):
            self.wake.set()
        self.asked = max(self.asked, requested)

    def due(self, missed: Mapping[int, float] | None = None) -> set[int]:
        """Return the agents that count as gone by the seconds for which lists have lacked them.

        *missed*: other seconds than those of the last list.
        """
        seconds = self.missed if missed is None else missed
        return {agent for agent, each in seconds.items() if each >= self.config.gone_after}

    def report_held(self, held: HeldChange) -> None:
        """Log a change of names that waits for an operator's word, once."""
        if held.appeared and (held.vanished_names, held.appeared_ids) != (self.health.vanished, self.health.appeared):
            _log.warning(
                "agents may have other names: waiting for `same <old> <new>` or `sync all`",
                upstream=self.config.name,
                missing=held.vanished_names[:_LOGGED],
                new=held.appeared_ids[:_LOGGED],
                changes=max(len(held.vanished), len(held.appeared)),
            )

    def warn_of_history(self) -> None:
        """Log that the upstream is a server of Letta that forgets the earlier messages of a request."""
        is_letta = self.config.model_ids == "auto" and any(not item.id_lasts for item in self.listed)
        if is_letta and not self.upstream.traits.stateful:
            _log.warning(
                "Letta ignores earlier answers in a request: agent-bridge doctor names the settings that it needs",
                upstream=self.config.name,
            )
