"""Which people can enter the rooms of agents: join rules, invitations, and the bot as a member that does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.rooms import JoinRule, RoomProblem
from agent_bridge.matrix.rooms import FUNCTIONAL, JOIN_RULES, functional_content, restricted_content

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.live import Live
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import AgentRoom, Agents

_log = structlog.stdlib.get_logger(__name__)

#: Room versions without the join rule *restricted*.
_WITHOUT_RESTRICTED = frozenset(str(version) for version in range(1, 8))


class Access:
    """Applies the configured join rule, and brings people in."""

    def __init__(
        self,
        namespace: Namespace,
        agents: Agents,
        admin_room: AdminRoom,
        space: Space,
        inviter: Inviter,
        config: Live[RoomsConfig],
        texts: Texts,
    ) -> None:
        self._namespace = namespace
        self._agents = agents
        self._admin_room = admin_room
        self._space = space
        self._inviter = inviter
        self._config = config
        self._texts = texts

    def restricts(self, space: str | None) -> bool:
        """Tell whether members of the Space can enter new rooms."""
        return space is not None and self._space.lets_in(space) and can_restrict(self._config.value)

    async def apply(
        self, editor: StateEditor, agent_room: AgentRoom, state: RoomState, space: str | None, *, fresh: bool
    ) -> None:
        """Give a room the configured join rule, unless a person chose another one; make the bot a functional member.

        The administrators are told of the first room that existed before.

        Raises:
            HomeserverRefused: neither the ghost nor the bot may change the room.
        """
        ghost = self._namespace.user_id(agent_room.agent.ghost)
        await editor.content(state, FUNCTIONAL, functional_content(self._namespace.bot), ghost)
        wanted = await self.apply_rule(editor, state, agent_room.home.join_rule_applied, space, ghost, fresh=fresh)
        if wanted is not None and not editor.is_dry:
            await self._agents.join_rule_applied(agent_room.home.id, wanted)

    async def apply_rule(
        self,
        editor: StateEditor,
        state: RoomState,
        applied: str | None,
        space: str | None,
        ghost: str | None = None,
        *,
        fresh: bool = True,
    ) -> str | None:
        """Give a room the configured join rule, as *ghost* or as the bot, unless a person chose another one.

        Return the rule, to be recorded, if it differs from the one that was *applied* last. The administrators are told
        of the first room that is not *fresh*.

        Raises:
            HomeserverRefused: neither the ghost nor the bot may change the room.
        """
        version = str(state.content("m.room.create").get("room_version", "1"))
        restricted = self.restricts(space) and version not in _WITHOUT_RESTRICTED
        # The rule names the Space, which may be replaced.
        wanted = f"{JoinRule.RESTRICTED} {space}" if restricted else str(JoinRule.INVITE)
        applied = applied or str(JoinRule.INVITE)
        is_known = applied == wanted
        changed = await editor.content(state, JOIN_RULES, rule_content(wanted), ghost, applied=rule_content(applied))
        # Why the Space lets nobody in is told once for all rooms.
        if changed and not fresh and not is_known and (restricted or self._config.value.join_rule is JoinRule.INVITE):
            text = self._texts.rooms_opened if restricted else self._texts.rooms_closed
            await self._admin_room.tell_once(f"join_rule.{'restricted' if restricted else 'invite'}", text)
        return None if is_known else wanted

    async def invite(self, agent_room: AgentRoom, state: RoomState, space: str | None) -> None:
        """Bring the configured users into a room, unless they can enter it from the Space, each of them once."""
        if self.restricts(space):
            return
        home = agent_room.home
        # The bot enters later if the homeserver limits its joins.
        waits_for_bot = not home.bot_joined and RoomProblem.BOT_AWAY not in home.problems
        sender = self._namespace.bot if home.bot_joined else self._namespace.user_id(agent_room.agent.ghost)
        for user_id in self._namespace.local_first(self._config.value.invite):
            if user_id in home.invited or (waits_for_bot and self._inviter.joins(user_id)):
                continue
            # A person who could not be invited is tried again at the next comparison.
            if await self._inviter.welcome(state, user_id, sender):
                await self._agents.invited(home.id, user_id)


def can_restrict(config: RoomsConfig) -> bool:
    """Tell whether new rooms can have the join rule *restricted*, by the configuration."""
    return config.join_rule is JoinRule.RESTRICTED and has_restricted(config)


def has_restricted(config: RoomsConfig) -> bool:
    """Tell whether the version of new rooms has the join rule *restricted*."""
    return config.version not in _WITHOUT_RESTRICTED


def rule_content(applied: str) -> dict[str, Any]:
    """Return the content of ``m.room.join_rules`` that was stored as *applied*."""
    rule, _, space = applied.partition(" ")
    return restricted_content(space) if rule == JoinRule.RESTRICTED else {"join_rule": rule}
