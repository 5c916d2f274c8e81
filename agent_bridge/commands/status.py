"""Commands about the bridge itself: how it is, and a push to look again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.registry import Command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.roles import Role
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from agent_bridge.bridge.agents.upstream_status import Bulletin, Health
    from agent_bridge.commands.registry import Call
    from agent_bridge.i18n.catalogue import Words
    from agent_bridge.store.agents import Contacts
    from agent_bridge.store.turns import Turns

#: Seconds that a look at the upstreams may take before it is answered without its result.
_PATIENCE = 30.0


class HouseCommands:
    """``sync`` and ``status``."""

    def __init__(self, bulletin: Bulletin, contacts: Contacts, turns: Turns, words: Words) -> None:
        self._bulletin = bulletin
        self._contacts = contacts
        self._turns = turns
        self._words = words

    def commands(self) -> list[Command]:
        """Return the commands."""
        return [
            Command("sync", "sync [all]", self._words.help_sync, Role.ADMIN, self.sync),
            Command("status", "status", self._words.help_status, Role.ADMIN, self.status),
        ]

    async def sync(self, call: Call) -> str:
        """Look at all upstreams now."""
        done = await self._bulletin.ask(confirmed=call.arguments == "all", within=_PATIENCE)
        lines = [self._line(health) for health in await self._bulletin.read()]
        return "\n".join(lines if done else [self._words.still_looking, "", *lines])

    async def status(self, _call: Call) -> str:
        """Tell how everything is."""
        agents = [contact.agent for contact in await self._contacts.all()]
        states = {state: sum(agent.state is state for agent in agents) for state in AgentState}
        waiting = await self._turns.count_open()
        # The turn of this very command is open as well.
        turns = max(0, sum(waiting.values()) - 1)
        lines = [
            self._words.status_agents.format(
                agents=self._words.count(states[AgentState.ACTIVE], self._words.agent),
                held=states[AgentState.HELD],
                gone=states[AgentState.GONE],
            ),
            self._words.status_messages.format(messages=self._words.count(turns, self._words.message)),
        ]
        return "\n".join([*lines, *(self._line(health) for health in await self._bulletin.read())])

    def _line(self, health: Health) -> str:
        if not health.ok:
            cause = escape(health.error or self._words.not_asked_yet)
            return self._words.status_failing.format(name=health.name, cause=cause)
        text = self._words.status_doubted if health.doubted else self._words.status_upstream
        agents = self._words.count(health.agents, self._words.agent)
        return text.format(name=health.name, agents=agents, doubted=health.doubted)
