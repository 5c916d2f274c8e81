"""Commands about the bridge itself: how it is, and a push to look again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.registry import Command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.roles import Role
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from agent_bridge.bridge.agents.upstream_status import Health, UpstreamStatus
    from agent_bridge.commands.registry import Call
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.turns import Turns

#: Seconds that a look at the upstreams may take before it is answered without its result.
_PATIENCE = 30.0


class StatusCommands:
    """``sync`` and ``status``."""

    def __init__(self, upstream_status: UpstreamStatus, agents: Agents, turns: Turns, texts: Texts) -> None:
        self._upstream_status = upstream_status
        self._agents = agents
        self._turns = turns
        self._texts = texts

    def commands(self) -> list[Command]:
        """Return the commands."""
        return [
            Command("sync", "sync [all]", self._texts.help_sync, Role.ADMIN, self.sync),
            Command("status", "status", self._texts.help_status, Role.ADMIN, self.status),
        ]

    async def sync(self, call: Call) -> str:
        """Look at all upstreams now."""
        done = await self._upstream_status.ask(confirmed=call.arguments == "all", within=_PATIENCE)
        lines = [self._line(health) for health in await self._upstream_status.read()]
        return "\n".join(lines if done else [self._texts.still_looking, "", *lines])

    async def status(self, _call: Call) -> str:
        """Tell how everything is."""
        agents = [agent_room.agent for agent_room in await self._agents.all()]
        states = {state: sum(agent.state is state for agent in agents) for state in AgentState}
        waiting = await self._turns.count_open()
        # The turn of this very command is open as well.
        turns = max(0, sum(waiting.values()) - 1)
        lines = [
            self._texts.status_agents.format(
                agents=self._texts.count(states[AgentState.ACTIVE], self._texts.agent),
                held=states[AgentState.HELD],
                gone=states[AgentState.GONE],
            ),
            self._texts.status_messages.format(messages=self._texts.count(turns, self._texts.message)),
        ]
        return "\n".join([*lines, *(self._line(health) for health in await self._upstream_status.read())])

    def _line(self, health: Health) -> str:
        if not health.ok:
            cause = escape(health.error or self._texts.not_asked_yet)
            return self._texts.status_failing.format(name=health.name, cause=cause)
        text = self._texts.status_doubted if health.doubted else self._texts.status_upstream
        agents = self._texts.count(health.agents, self._texts.agent)
        return text.format(name=health.name, agents=agents, doubted=health.doubted)
