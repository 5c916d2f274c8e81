"""Commands about the bridge itself: how it is, and a push to look again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.command import Command
from agent_bridge.core.model import AgentState, Role
from agent_bridge.render import words
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from agent_bridge.bridge.bulletin import Bulletin, Health
    from agent_bridge.commands.command import Call
    from agent_bridge.store.contacts import Contacts
    from agent_bridge.store.turns import Turns

#: Seconds that a look at the upstreams may take before it is answered without its result.
_PATIENCE = 30.0


class HouseCommands:
    """``sync`` and ``status``."""

    def __init__(self, bulletin: Bulletin, contacts: Contacts, turns: Turns) -> None:
        self._bulletin = bulletin
        self._contacts = contacts
        self._turns = turns

    def commands(self) -> list[Command]:
        """Return the commands."""
        return [
            Command("sync", "sync [all]", "asks the servers for their agents now; `all`: however many changed at once",
                    Role.ADMIN, self.sync),
            Command("status", "status", "tells how the bridge and the agents' servers are", Role.ADMIN, self.status),
        ]  # fmt: skip

    async def sync(self, call: Call) -> str:
        """Look at all upstreams now."""
        done = await self._bulletin.ask(confirmed=call.arguments == "all", within=_PATIENCE)
        lines = [_line(health) for health in await self._bulletin.read()]
        return "\n".join(lines if done else [words.STILL_LOOKING, "", *lines])

    async def status(self, _call: Call) -> str:
        """Tell how everything is."""
        agents = [contact.agent for contact in await self._contacts.all()]
        states = {state: sum(agent.state is state for agent in agents) for state in AgentState}
        waiting = await self._turns.count_open()
        # The turn of this very command is open as well.
        turns = max(0, sum(waiting.values()) - 1)
        counts = (
            f"- {words.count(states[AgentState.ACTIVE], 'agent')}, "
            f"{states[AgentState.HELD]} held, {states[AgentState.GONE]} gone"
        )
        lines = [
            counts,
            f"- {words.count(turns, 'message')} waiting or being answered",
        ]
        return "\n".join([*lines, *(_line(health) for health in await self._bulletin.read())])


def _line(health: Health) -> str:
    if not health.ok:
        return f"- **{health.name}**: ⚠️ {escape(health.error or 'not asked yet')}"
    doubted = f", {health.doubted} more gone at once: say `sync all` if that is right" if health.doubted else ""
    return f"- **{health.name}**: {words.count(health.agents, 'agent')}{doubted}"
