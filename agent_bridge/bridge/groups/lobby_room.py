"""The room of the lobby: made by the bridge, or an existing one that the configuration names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.aliases import repair_alias
from agent_bridge.bridge.rooms.editor import StateEditor
from agent_bridge.bridge.rooms.entry import enter, enter_again, newest_by_people
from agent_bridge.bridge.rooms.level_repairs import repair_access
from agent_bridge.bridge.rooms.power_levels import role_powers
from agent_bridge.bridge.rooms.successor import enter_successor, invite_members
from agent_bridge.core.errors import HomeserverError, HomeserverRefused, HomeserverUnavailable, RoomOutOfReach
from agent_bridge.core.ids import mark, short_hash
from agent_bridge.core.results.repairs import Outcome, Part
from agent_bridge.matrix.rooms import PARENT, RoomPlan, child_content, lobby_content, parent_content
from agent_bridge.render.content import in_backticks, message
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.bridge.rooms.access import Access
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.conversations import RoomsConfig
    from agent_bridge.core.live import Live
    from agent_bridge.core.roles import RoleBook, Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.lobbies import Lobbies, Lobby

_log = structlog.stdlib.get_logger(__name__)

_NAME = "m.room.name"
#: How the Space sorts the lobby: before the rooms of agents.
_FIRST = " "


def _has_moved(stored: Mapping[str, str | None], target: str | None) -> bool:
    """Tell whether people gave the configured alias to another room, *target*, since the lobby was *stored*.

    An alias that an upgrade left at the earlier room, or took along, has not moved.
    """
    before = stored.get("target")
    return None not in {target, before} and target not in {before, stored.get("room")}


class LobbyRoom:
    """Finds, makes and repairs the room. In a room that the configuration names, people decide about its state."""

    def __init__(
        self,
        homeserver: Homeserver,
        lobbies: Lobbies,
        agents: Agents,
        kv: KeyValues,
        admin_room: AdminRoom,
        space: Space,
        access: Access,
        inviter: Inviter,
        config: Live[RoomsConfig],
        roles: Roles,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._lobbies = lobbies
        self._agents = agents
        self._kv = kv
        self._admin_room = admin_room
        self._space = space
        self._access = access
        self._inviter = inviter
        self._live = config
        self._config = config.value
        self._roles = roles
        self._texts = texts

    async def enter(self, editor: StateEditor | None = None) -> tuple[Lobby, RoomState] | None:
        """Return the lobby with the bot in it, made if needed; None if the configured room cannot be one now.

        The administrators are told why. *editor* collects the differences of a room that the bridge made.

        Raises:
            HomeserverError, StoreError: the next call goes on.
        """
        reference = str(self._config.lobby)
        stored = await self._kv.get(KeyValues.LOBBY) or {}
        known = stored.get("room") if stored.get("reference") == reference else None
        target = await self._alias_target(reference)
        editor = editor or StateEditor(self._homeserver)
        state = None if known is None else await enter_again(self._homeserver, editor, str(known))
        if state is not None and state.replacement is None and _has_moved(stored, target):
            # The former room stays as it is.
            state = None
        book = self._roles.book
        fresh = False
        if state is None:
            state, fresh = await self._found(editor, reference, target, book)
        if state is None:
            return None
        seen = None
        if state.room_id != known:
            # The agents answer the messages from now on.
            seen = await newest_by_people(self._homeserver, state.room_id, self._namespace.bot)
        lobby = await self._lobbies.adopt(state.room_id, seen, (book.version or None) if fresh else None)
        if lobby is None:
            await self.tell("lobby_taken", state.room_id)
            return None
        if seen is not None and not lobby.introduced:
            # Found again, or a room of people.
            await self._agents.introduced(lobby.id)
            lobby = replace(lobby, introduced=True)
        target = target or stored.get("target")
        if (state.room_id, target) != (known, stored.get("target")):
            await self._note(state.room_id, target)
        if state.replacement is not None:
            return await self._follow(editor, lobby, state, target)
        if self._is_made:
            await self._repair(editor, lobby, state)
        return lobby, state

    async def compare(self, editor: StateEditor) -> None:
        """Have *editor*, which changes nothing, collect the differences of a lobby that the bridge made.

        Raises:
            HomeserverError, StoreError: it is not known whether there are more of them.
        """
        if not self._is_made:
            return
        known = (await self._kv.get(KeyValues.LOBBY) or {}).get("room")
        state = None if known is None else await self._homeserver.room_state(str(known))
        lobby = None if state is None else await self._lobbies.by_room(state.room_id)
        if state is None or lobby is None or state.replacement is not None:
            editor.note(Part.ROOM, Outcome.WOULD_SET)
        else:
            await self._repair(editor, lobby, state)

    async def tell(self, cause: str, room: str) -> None:
        """Tell the administrators once why the configured *room* is no lobby, or lacks agents."""
        text = self._texts.lobby_problems[cause].format(room=in_backticks(room), bot=self._namespace.bot)
        await self._admin_room.tell_once(f"{cause}.{short_hash(room)}", text)

    @property
    def _is_made(self) -> bool:
        return self._config.lobby is True

    async def _note(self, room_id: str, target: str | None) -> None:
        """Store the room of the lobby, and the room to which the configured alias points."""
        reference = str(self._config.lobby)
        await self._kv.set(KeyValues.LOBBY, {"reference": reference, "room": room_id, "target": target})

    async def _alias_target(self, reference: str) -> str | None:
        """Return the room to which the configured alias points; None without one, or if that is not known now."""
        if self._is_made or not reference.startswith("#"):
            return None
        try:
            return await self._homeserver.resolve_alias(reference)
        except HomeserverError as error:
            _log.debug("the alias of the lobby is not known now", alias=reference, error=str(error))
            return None

    async def _named(self, reference: str, target: str | None) -> RoomState | None:
        """Enter the room that the configuration names, or tell the administrators why that is not possible.

        *target*: the room to which its alias points, if that is known.

        Raises:
            HomeserverUnavailable: the homeserver of the alias does not respond. The administrators are told.
        """
        try:
            is_alias = target is None and reference.startswith("#")
            room_id = await self._homeserver.resolve_alias(reference) if is_alias else target or reference
        except HomeserverUnavailable as error:
            is_foreign = reference.partition(":")[2] != self._namespace.domain
            if is_foreign and error.status is not None:
                await self.tell("lobby_away", reference)
            raise
        if room_id is None:
            await self.tell("lobby_unknown", reference)
            return None
        state = await enter(self._homeserver, room_id, [self._namespace.bot])
        if state is None:
            await self.tell("lobby_closed", reference)
        elif state.is_space:
            await self.tell("lobby_is_space", reference)
            return None
        return state

    async def _found(
        self, editor: StateEditor, reference: str, target: str | None, book: RoleBook
    ) -> tuple[RoomState | None, bool]:
        """Make the room, or enter the one that the configuration names; tell whether it is new."""
        if self._is_made:
            editor.note(Part.ROOM, Outcome.SET)
            return await self._made(book)
        return await self._named(reference, target), False

    async def _made(self, book: RoleBook) -> tuple[RoomState | None, bool]:
        """Make the room with the levels by *book*, or find it by its alias; tell whether it is new."""
        space = await self._space.room_id()
        plan = RoomPlan(
            alias=self._namespace.lobby_alias_localpart,
            name=self._texts.lobby_name,
            topic=self._texts.lobby_topic,
            creator=self._namespace.bot,
            lists_creator=await self._homeserver.lists_creator(self._config.version),
            powers=role_powers(book),
            version=self._config.version,
        )
        domain = self._namespace.domain
        content = lobby_content(plan, space=space, domain=domain, restricted=self._access.restricts(space))
        try:
            made = await self._homeserver.create_room(content)
        except RoomOutOfReach as error:
            _log.warning("the bot cannot enter the former lobby: making another one", error=str(error))
            await self._admin_room.tell_replaced(self._texts.lobby_name, error.room_id)
            await self._homeserver.remove_alias(self._namespace.alias(plan.alias))
            made = await self._homeserver.create_room(content)
        return await self._homeserver.room_state(made.room_id), made.fresh

    async def _follow(
        self, editor: StateEditor, lobby: Lobby, old: RoomState, target: str | None
    ) -> tuple[Lobby, RoomState] | None:
        """Move to the room that replaces *old*; the next comparison goes on there."""
        new = await enter_successor(self._homeserver, old, [self._namespace.bot])
        if new is None:
            await self.tell("lobby_closed", str(old.replacement))
            if self._is_made:
                editor.keep_fixed(old)
            return None
        await invite_members(self._homeserver, old, new, self._namespace.bot)
        await self._agents.room_moved(lobby.id, old.room_id, new.room_id)
        await self._note(new.room_id, target)
        if self._is_made:
            editor.note(Part.ROOM, Outcome.SET)
        moved = await self._lobbies.adopt(new.room_id, None)
        return None if moved is None else (moved, new)

    async def _repair(self, editor: StateEditor, lobby: Lobby, state: RoomState) -> None:
        """Bring the state of the room that the bridge made to the desired one, as far as possible."""
        editor.keep_fixed(state)
        try:
            await editor.field(state, _NAME, "name", self._texts.lobby_name, lobby.name_applied)
            if lobby.name_applied != self._texts.lobby_name and not editor.is_dry:
                await self._lobbies.named(lobby.id, self._texts.lobby_name)
            await editor.field(state, "m.room.topic", "topic", self._texts.lobby_topic, None)
            await repair_access(editor, state, self._roles)
            await self._open(editor, lobby, state)
            await self._list(editor, lobby, state)
            alias = self._namespace.alias(self._namespace.lobby_alias_localpart)
            await repair_alias(self._homeserver, editor, alias, state.room_id)
        except HomeserverRefused as error:
            _log.warning("the lobby cannot be repaired", room=state.room_id, error=str(error))

    async def _open(self, editor: StateEditor, lobby: Lobby, state: RoomState) -> None:
        """Let people in as into the rooms of agents, and greet them."""
        space = await self._space_id(editor)
        wanted = await self._access.apply_rule(editor, state, lobby.join_rule_applied, space)
        if editor.is_dry:
            return
        if wanted is not None:
            await self._agents.join_rule_applied(lobby.id, wanted)
        if state.is_encrypted:
            # Only those who are in the room, or invited, get the key of a message.
            await self._invite(lobby, state, space)
        await self._greet(lobby, state.room_id)
        if not state.is_encrypted:
            await self._invite(lobby, state, space)

    async def _greet(self, lobby: Lobby, room_id: str) -> None:
        if lobby.introduced:
            return
        if self._config.introduce:
            key = f"lobby.{short_hash(room_id)}"
            content = message(self._texts.lobby_hello, mark=mark(key, 0), notice=True)
            await self._homeserver.send(room_id, content, txn_id=f"ab.{key}")
        await self._agents.introduced(lobby.id)

    async def _invite(self, lobby: Lobby, state: RoomState, space: str | None) -> None:
        if self._access.restricts(space):
            return
        for user_id in self._namespace.local_first(self._live.value.invite):
            is_invited = user_id in lobby.invited
            if not is_invited and await self._inviter.welcome(state, user_id, self._namespace.bot):
                await self._agents.invited(lobby.id, user_id)

    async def _list(self, editor: StateEditor, lobby: Lobby, state: RoomState) -> None:
        """Have the Space list the room."""
        space, domain = await self._space_id(editor), self._namespace.domain
        if space is None:
            return
        await editor.content(state, PARENT, parent_content(domain), key=space)
        moved = space != lobby.space
        await self._space.list_room(editor, space, state.room_id, child_content(domain, _FIRST), moved=moved)
        if moved and not editor.is_dry:
            await self._agents.linked(lobby.id, space)

    async def _space_id(self, editor: StateEditor) -> str | None:
        return await self._space.known() if editor.is_dry else await self._space.room_id()
