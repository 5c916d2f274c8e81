"""The own profile and presence of the identity of a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.client_agents import CLIENT
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.names import one_line
from agent_bridge.core.own_profiles import LONGEST_BIO, LONGEST_STATUS, OwnProfile
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.client_agents import ClientAgentDesk
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.own_profiles import ProfileUpdate
    from agent_bridge.core.programs import Token
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.own_profiles import OwnProfiles

_log = structlog.stdlib.get_logger(__name__)


class OwnProfileDesk:
    """Reads and changes it. Every change can be repeated. *shows_presence*: it is not switched off."""

    def __init__(
        self,
        access: Access,
        desk: ClientAgentDesk,
        agents: Agents,
        store: OwnProfiles,
        homeserver: Homeserver,
        *,
        shows_presence: bool,
    ) -> None:
        self._access = access
        self._desk = desk
        self._agents = agents
        self._store = store
        self._homeserver = homeserver
        self._shows_presence = shows_presence

    async def of(self, token: Token) -> OwnProfile:
        """Return the profile of the identity; nobody but the database is asked.

        Raises:
            StoreError: it cannot be read.
        """
        if token.agent is None:
            bio, status_text = (await self._store.of([token.user_id])).get(token.user_id, (None, None))
            return OwnProfile(bio=bio, status_text=status_text)
        agent = (await self._agents.by_agent(token.agent)).agent
        return OwnProfile(
            name=agent.name,
            avatar_url=agent.avatar,
            bio=agent.settings.description or agent.description or None,
            status_text=agent.status_text,
            online=not agent.away,
        )

    async def change(self, token: Token, update: ProfileUpdate) -> OwnProfile:
        """Change the profile of the identity, and return it. A refused change has no effect.

        Raises:
            ProgramRefused: the identity may not, or the bridge cannot change a part of it.
            HomeserverError, StoreError: a repeat goes on.
        """
        self._access.require(token, Permission.SEND)
        if token.agent is None:
            if not (update.name is None and update.avatar_url is None and update.online is None):
                text = "the name, the avatar and the presence of a person are changed in a Matrix client"
                raise ProgramRefused(Problem.PROFILE_NOT_OURS, text)
            bio, status_text = _line(update.bio, LONGEST_BIO), _line(update.status_text, LONGEST_STATUS)
            await self._store.set(token.user_id, bio=bio, status_text=status_text)
            return await self.of(token)
        await self._change_agent(token, (await self._agents.by_agent(token.agent)).agent, update)
        return await self.of(token)

    async def _change_agent(self, token: Token, agent: Agent, update: ProfileUpdate) -> None:
        ghost = self._homeserver.namespace.user_id(agent.ghost)
        is_described = not (update.name is None and update.bio is None and update.avatar_url is None)
        if is_described and agent.kind != CLIENT:
            text = f"the name, the description and the avatar of {agent.name} come from its server"
            raise ProgramRefused(Problem.PROFILE_NOT_OURS, text)
        if update.name is not None or update.bio is not None:
            await self._desk.change(token, ghost, new_name=update.name, description=update.bio)
        if update.avatar_url is not None:
            await self._set_avatar(agent, ghost, update.avatar_url)
        if not (update.status_text is None and update.online is None):
            status_text = _line(update.status_text, LONGEST_STATUS)
            away = None if update.online is None else not update.online
            await self._store.set_of_agent(agent.id, status_text=status_text, away=away)
            await self._show((await self._agents.by_agent(agent.id)).agent, ghost)

    async def _set_avatar(self, agent: Agent, ghost: str, avatar: str) -> None:
        try:
            await self._homeserver.set_avatar(ghost, avatar)
        except HomeserverRefused as error:
            raise ProgramRefused(Problem.REFUSED, f"the homeserver refuses the avatar: {error}") from error
        # The rooms of the agent get it, too.
        await self._store.set_avatar(agent.id, avatar)

    async def _show(self, agent: Agent, ghost: str) -> None:
        """Show the new presence at once: its program is there. Afterwards the duties show it that show presences."""
        if not self._shows_presence:
            return
        try:
            await self._homeserver.presence(ghost, agent.presence, agent.status_text or "")
        except HomeserverRefused as error:
            _log.info("the presence of an agent was not set", ghost=ghost, error=str(error))


def _line(text: str | None, most: int) -> str | None:
    """Return *text* in one line; None: as before."""
    return None if text is None else one_line(text)[:most]
