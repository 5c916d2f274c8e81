"""Sees that each agent's room exists, and that the agent's ghost and the bridge bot are in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.entry import create, enter, has_spoken, home_by_alias, newest_by_people
from agent_bridge.bridge.rooms.home_state import bridged
from agent_bridge.bridge.rooms.invitations import bring_in
from agent_bridge.bridge.rooms.power_levels import role_powers
from agent_bridge.bridge.rooms.successor import enter_successor, invite_members
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable, RateLimited, RoomOutOfReach
from agent_bridge.core.ids import mark, short_hash
from agent_bridge.core.results.repairs import Outcome, Part
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.client import CreatedRoom
from agent_bridge.matrix.rooms import CHILD, RoomPlan, home_content
from agent_bridge.render.content import message

if TYPE_CHECKING:
    from typing import Any

    from agent_bridge.bridge.rooms.access import Access
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.roles import RoleBook, Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import AgentRoom, Agents

_log = structlog.stdlib.get_logger(__name__)

#: Rooms that may replace one another in a row, and rooms that may be found lost, in one look.
_STEPS = 5


@dataclass(frozen=True, slots=True)
class EnteredRoom:
    """An agent's room with at least one of its ghost and the bridge bot in it."""

    agent_room: AgentRoom
    state: RoomState
    #: Whether the room was made just now.
    fresh: bool
    #: Why the bot, which is not needed for a conversation, comes later; None: nothing keeps it.
    limited: RateLimited | None = None


class HomeRooms:
    """Makes the rooms of agents, finds them, follows their upgrades, and brings ghost and bot into them."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        agents: Agents,
        access: Access,
        admin_room: AdminRoom,
        config: RoomsConfig,
        roles: Roles,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._agents = agents
        self._access = access
        self._admin_room = admin_room
        self._config = config
        self._roles = roles
        self._texts = texts

    async def look(self, editor: StateEditor, agent_room: AgentRoom) -> EnteredRoom | None:
        """Return the room of an agent as it is; None if the bridge has to make, enter or follow one.

        *editor* collects the missing members.
        """
        room_id = agent_room.home.room_id
        for user in self._users(agent_room) if room_id is not None else ():
            state = await self._homeserver.room_state(room_id or "", user)
            if state is not None and state.replacement is None:
                bot, ghost = self._users(agent_room)
                for member, part in ((ghost, Part.GHOST_JOINED), (bot, Part.BOT_JOINED)):
                    if state.membership(member) == "ban":
                        editor.note(part, Outcome.KEPT, state.sender("m.room.member", member))
                    elif state.membership(member) != "join":
                        editor.note(part, Outcome.WOULD_SET)
                return EnteredRoom(agent_room, state, fresh=False)
            if state is not None:
                return None
        return None

    async def read(self, agent_room: AgentRoom) -> RoomState | None:
        """Return the state of the room of an agent, as its ghost or the bot sees it; None if neither is in it."""
        room_id, (bot, ghost) = agent_room.home.room_id, self._users(agent_room)
        if room_id is None:
            return None
        return await self._homeserver.room_state(room_id, ghost) or await self._homeserver.room_state(room_id, bot)

    async def enter(self, editor: StateEditor, agent_room: AgentRoom, space: str | None) -> EnteredRoom:
        """Return the room of an agent, made if there is none, with its ghost and the bot in it as far as possible.

        *editor* collects the changes.

        Raises:
            HomeserverError, StoreError: there is no room yet; the steps before are done and recorded.
        """
        fresh = False
        for _ in range(_STEPS):
            if agent_room.home.room_id is None and self._config.private:
                # The room is gone, and the agent gets no other one.
                break
            if agent_room.home.room_id is None:
                fresh = await self._make(agent_room, space)
                editor.note(Part.ROOM, Outcome.SET)
            elif (state := await self._look(agent_room)) is None:
                await self._lose(agent_room, agent_room.home.room_id)
            elif state.replacement is not None and await self._follow(agent_room, state):
                editor.note(Part.ROOM, Outcome.SET)
            else:
                state, limited = await self._complete(editor, agent_room, state)
                found = await self._agents.by_agent(agent_room.agent.id)
                # A comparison that was requested since the state was read is not this one.
                home = replace(found.home, check_requests=agent_room.home.check_requests)
                return EnteredRoom(replace(found, home=home), state, fresh, limited)
            agent_room = await self._agents.by_agent(agent_room.agent.id)
        # The next try goes on from there.
        raise HomeserverUnavailable(Text("homeserver_invalid"))

    async def _look(self, agent_room: AgentRoom) -> RoomState | None:
        """Return the state of the room; None if neither the ghost nor the bot is in it or can enter it."""
        room_id, users = agent_room.home.room_id or "", self._users(agent_room)
        order = users if agent_room.home.bot_joined else users[::-1]
        return await enter(self._homeserver, room_id, order)

    async def _make(self, agent_room: AgentRoom, space: str | None) -> bool:
        """Make the room, or adopt the one with the alias of the ghost; tell whether it is new."""
        agent, home = agent_room.agent, agent_room.home
        ghost = reader = self._namespace.user_id(agent.ghost)
        book = self._roles.book
        content = await self._content(agent_room, space, book)
        try:
            # A query of the homeserver has it made at this moment, perhaps.
            made = await self._with_former_alias(agent.ghost) or await create(self._homeserver, content, ghost)
        except RoomOutOfReach as error:
            if await self._homeserver.can_join(error.room_id):
                # The bot invites the ghost, unless the ghost is banned.
                made, reader = CreatedRoom(error.room_id, fresh=False), self._namespace.bot
            else:
                _log.warning("the former room is out of reach: making another one", agent=agent.name, error=str(error))
                await self._admin_room.tell_replaced(agent.name, error.room_id)
                alias = self._namespace.alias(content["room_alias_name"])
                await self._homeserver.remove_alias(alias)
                made = await self._homeserver.create_room(content, ghost)
        if made.fresh:
            await self._made(agent_room, made.room_id, book)
            return True
        if (await self._agents.by_agent(agent.id)).home.room_id == made.room_id:
            # A query of the homeserver has made it at this moment.
            return False
        # Found, perhaps half-made: its names and its administrators are checked again. A process that was killed as it
        # made the room has not introduced the agent.
        if await has_spoken(self._homeserver, made.room_id, reader, ghost):
            await self._agents.introduced(home.id)
        _log.info("adopted an existing room", agent=agent.name, room=made.room_id)
        # Its messages were sent to an earlier bridge.
        seen = await newest_by_people(self._homeserver, made.room_id, reader, ghost)
        await self._agents.room_made(home.id, made.room_id, None, None, seen=seen)
        return False

    async def _with_former_alias(self, ghost: str) -> CreatedRoom | None:
        """Return the room with the alias of an earlier version of the bridge, which the ghost enters, else None."""
        _, *former = self._namespace.home_aliases(ghost)
        # The homeserver would ask the bridge about the present alias, and a room would be made for the question.
        room_id = await self._homeserver.resolve_alias(former[0]) if former else None
        if room_id is None or not await self._homeserver.can_join(room_id, self._namespace.user_id(ghost)):
            return None
        return CreatedRoom(room_id, fresh=False)

    async def make_early(self, agent_room: AgentRoom, space: str | None) -> None:
        """Make the room of an agent, unless there is one with the alias of the ghost; :meth:`enter` completes it.

        Raises:
            HomeserverError, StoreError: there is perhaps no room.
        """
        ghost, book = agent_room.agent.ghost, self._roles.book
        content = await self._content(agent_room, space, book)
        former = await self._with_former_alias(ghost)
        if former is not None:
            # The provisioner completes it.
            alias = self._namespace.alias(content["room_alias_name"])
            await self._homeserver.add_alias(alias, former.room_id, self._namespace.user_id(ghost))
            return
        try:
            made = await self._homeserver.create_room(content, self._namespace.user_id(ghost))
        except RoomOutOfReach as error:
            # The provisioner makes it at this moment, or decides about the former room.
            _log.info("a room exists already", room=error.room_id)
            return
        if made.fresh:
            await self._made(agent_room, made.room_id, book)

    async def _made(self, agent_room: AgentRoom, room_id: str, book: RoleBook) -> None:
        agent, home = agent_room.agent, agent_room.home
        await self._agents.room_made(home.id, room_id, home.name, home.topic, roles=book.version or None)
        if agent.avatar is not None:
            await self._agents.avatar_applied(home.id, agent.avatar)

    async def _content(self, agent_room: AgentRoom, space: str | None, book: RoleBook) -> dict[str, Any]:
        agent, home = agent_room.agent, agent_room.home
        plan = RoomPlan(
            alias=self._namespace.home_alias_localpart(agent.ghost),
            name=home.name,
            topic=home.topic,
            creator=self._namespace.user_id(agent.ghost),
            lists_creator=await self._homeserver.lists_creator(self._config.version),
            powers=role_powers(book),
            bot=self._namespace.bot,
            version=self._config.version,
        )
        return home_content(
            plan,
            bridged(agent),
            space=space,
            domain=self._namespace.domain,
            restricted=self._access.restricts(space),
            avatar=agent.avatar,
        )

    async def _lose(self, agent_room: AgentRoom, room_id: str) -> None:
        _log.warning("the room of an agent is gone: making another one", agent=agent_room.agent.name, room=room_id)
        if agent_room.home.space is not None:
            await self._unlist(agent_room.home.space, room_id)
        await self._agents.room_lost(agent_room.home.id, room_id, why=self._texts.room_lost)

    async def _follow(self, agent_room: AgentRoom, old: RoomState) -> bool:
        """Move to the room that replaces *old*; tell whether the ghost or the bot could enter it."""
        new = await enter_successor(self._homeserver, old, self._users(agent_room))
        if new is None:
            new = await self._newest(agent_room, old)
        if new is None:
            return False
        sender = next(user for user in reversed(self._users(agent_room)) if new.membership(user) == "join")
        await invite_members(self._homeserver, old, new, sender)
        key = f"moved.{short_hash(new.room_id)}"
        content = message(self._texts.room_moved, mark=mark(key, 0), notice=True)
        try:
            await self._homeserver.send(new.room_id, content, txn_id=f"ab.{key}", as_user=sender)
        except HomeserverRefused as error:
            _log.warning("an upgraded room is followed without a word", room=new.room_id, error=str(error))
        if agent_room.home.space is not None:
            await self._unlist(agent_room.home.space, old.room_id)
        removed = [user for user in agent_room.home.invited if old.is_removed(user)]
        await self._agents.room_moved(agent_room.home.id, old.room_id, new.room_id, removed)
        _log.info("a room was upgraded", agent=agent_room.agent.name, room=new.room_id, replaces=old.room_id)
        return True

    async def _newest(self, agent_room: AgentRoom, old: RoomState) -> RoomState | None:
        """Enter the room that the alias points to, past rooms that were upgraded in between; return its state.

        The alias is reserved for the bridge, and the homeserver moves it along with each upgrade.
        """
        room_id = await home_by_alias(self._homeserver, agent_room.agent.ghost)
        if room_id is None or room_id == old.room_id:
            return None
        return await enter(self._homeserver, room_id, self._users(agent_room))

    async def _unlist(self, space: str, room_id: str) -> None:
        """Remove a room that is not used any more from the Space."""
        try:
            await self._homeserver.set_state(space, CHILD, {}, key=room_id)
        except HomeserverRefused as error:
            _log.info("a former room stays in the Space", room=room_id, error=str(error))

    async def _complete(
        self, editor: StateEditor, agent_room: AgentRoom, state: RoomState
    ) -> tuple[RoomState, RateLimited | None]:
        """Bring the ghost and the bot into the room, and record whether the bot is in it.

        Return the new state, and the limit of the homeserver for which the bot has to wait.
        """
        bot, ghost = self._users(agent_room)
        joined, limited = [], None
        for user, helper, part in ((ghost, bot, Part.GHOST_JOINED), (bot, ghost, Part.BOT_JOINED)):
            if state.membership(user) == "ban":
                editor.note(part, Outcome.KEPT, state.sender("m.room.member", user))
            elif state.membership(user) != "join":
                come = partial(bring_in, self._homeserver, state.room_id, user, helper)
                try:
                    joined.append(await editor.step(part, come))
                except RateLimited as error:
                    if user != bot:
                        raise
                    limited = error
        if any(joined):
            reader = bot if state.membership(ghost) != "join" else ghost
            state = await self._homeserver.room_state(state.room_id, reader) or state
        bot_joined = state.membership(bot) == "join"
        if bot_joined != agent_room.home.bot_joined:
            record = self._agents.bot_joined if bot_joined else self._agents.bot_left
            await record(agent_room.home.id)
        return state, limited

    def _users(self, agent_room: AgentRoom) -> tuple[str, str]:
        """Return the bot and the ghost."""
        return self._namespace.bot, self._namespace.user_id(agent_room.agent.ghost)
