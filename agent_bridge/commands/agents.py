"""Commands about agents: list them, let people into their rooms."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING
from urllib.parse import quote

from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.commands.registry import Command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.roles import Role
from agent_bridge.render.content import escape, link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.commands.registry import Call
    from agent_bridge.core.ids import Namespace
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom, Agents

_CLOSE = 0.6
_ROWS = 25


def find_agents(name: str, agents: Sequence[AgentRoom]) -> list[AgentRoom]:
    """Return the contacts that *name* may mean: of the strictest reading that fits any.

    Readings, strictest first: id, ghost or room; the name; the name in any case; its beginning; a part of it; alike.
    """
    folded = name.casefold()
    readings = (
        lambda c: name in {c.agent.agent_id, c.agent.model, c.agent.ghost, c.home.room_id},
        lambda c: name in {c.agent.name, c.home.name, c.agent.displayname},
        lambda c: folded in {c.agent.name.casefold(), c.agent.ghost, c.agent.agent_id.casefold()},
        lambda c: c.agent.name.casefold().startswith(folded),
        lambda c: folded in c.agent.name.casefold(),
        lambda c: difflib.SequenceMatcher(None, folded, c.agent.name.casefold()).ratio() >= _CLOSE,
    )
    for reading in readings:
        if found := [agent_room for agent_room in agents if reading(agent_room)]:
            return found
    return []


class AgentCommands:
    """``agents`` and ``invite``."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        agents: Agents,
        permissions: Mapping[str, Role],
        prefix: str,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._permissions = permissions
        self._prefix = prefix
        self._texts = texts

    def commands(self) -> list[Command]:
        """Return the commands."""
        return [
            Command("agents", "agents", self._texts.help_agents, Role.MEMBER, self.agents),
            Command("invite", self._texts.usage_invite, self._texts.help_invite, Role.ADMIN, self.invite),
        ]

    async def agents(self, _call: Call) -> str:
        """Return a table of all agents."""
        agents = await self._agents.all()
        if not agents:
            return self._texts.no_agents.format(prefix=self._prefix)
        rows = [
            f"| {self._room(agent_room)} | {escape(agent_room.agent.upstream)} | {self._state(agent_room)} |"
            for agent_room in sorted(agents, key=lambda agent_room: agent_room.agent.name.casefold())
        ]
        # A table of its own for every few agents: a long answer is cut between them, and each part has its head.
        tables = [
            "\n".join([self._texts.agents_head, "|---|---|---|", *rows[at : at + _ROWS]])
            for at in range(0, len(rows), _ROWS)
        ]
        return "\n\n".join(tables)

    async def invite(self, call: Call) -> str:
        """Invite the caller or the person named last into an agent's room."""
        name, user = call.arguments.strip(), call.sender
        first, _, last = name.rpartition(" ")
        if first and last.startswith("@"):
            name, user = first.strip(), last
        if not name:
            return self._texts.usage.format(prefix=self._prefix, usage=self._texts.usage_invite)
        try:
            parse_user_id(user)
        except ValueError:
            return self._texts.not_a_user_id.format(user=escape(user))
        found = find_agents(name, await self._agents.all())
        if not found:
            return self._texts.no_such_agent.format(name=escape(name))
        if len(found) > 1:
            names = ", ".join(f"{escape(c.agent.name)} (`{c.agent.ghost}`)" for c in found)
            return self._texts.did_you_mean.format(name=escape(name), names=names)
        return await self._let_in(found[0], user)

    async def _let_in(self, agent_room: AgentRoom, user: str) -> str:
        room_id = agent_room.home.room_id
        if room_id is None:
            return self._texts.no_room_yet.format(name=escape(agent_room.agent.name))
        needed = await self._homeserver.invite(room_id, user)
        text = self._texts.invited if needed else self._texts.already_there
        answer = text.format(user=escape(user), room=self._room(agent_room))
        if role_of(user, self._permissions) < Role.MEMBER:
            answer += " " + self._texts.may_not_talk.format(user=escape(user))
        return answer

    def _room(self, agent_room: AgentRoom) -> str:
        if agent_room.home.room_id is None:
            return escape(agent_room.agent.name)
        via = quote(self._namespace.domain, safe="")
        room = quote(agent_room.home.room_id, safe="!:")
        return link(f"https://matrix.to/#/{room}?via={via}", agent_room.agent.name)

    def _state(self, agent_room: AgentRoom) -> str:
        match agent_room.agent.state:
            case AgentState.HELD:
                return self._texts.held.format(prefix=self._prefix)
            case AgentState.GONE:
                return self._texts.gone
        return self._texts.ready if agent_room.home.room_id else self._texts.room_is_made
