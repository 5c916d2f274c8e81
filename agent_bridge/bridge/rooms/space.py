"""The Space that lists the rooms. Rooms also work without it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.rooms.aliases import repair_alias
from agent_bridge.bridge.rooms.editor import StateEditor
from agent_bridge.bridge.rooms.entry import enter, enter_again
from agent_bridge.bridge.rooms.level_repairs import repair_access
from agent_bridge.bridge.rooms.power_levels import role_powers
from agent_bridge.bridge.rooms.problems import strangers_in
from agent_bridge.bridge.rooms.successor import enter_successor, invite_members
from agent_bridge.core.errors import HomeserverError, HomeserverRefused, HomeserverUnavailable, RoomOutOfReach
from agent_bridge.core.ids import short_hash
from agent_bridge.core.results.repairs import Outcome, Part
from agent_bridge.core.rooms import JoinRule
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import CHILD, JOIN_RULES, RoomPlan, space_content
from agent_bridge.render.content import in_backticks
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.config.model import Config
    from agent_bridge.core.live import Live
    from agent_bridge.core.roles import RoleBook, Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two attempts to create the Space.
_AGAIN = 10.0
#: Upgrades of the Space that are followed at once.
_UPGRADES = 5
#: Members without a role that the administrators are told.
_LISTED = 10
#: Join rules of a Space that people enter without a decision of its moderators, or may ask to enter.
_OPEN_RULES = frozenset({"public", "knock", "knock_restricted"})


class Space:
    """Creates the Space, or finds it by its alias; or uses an existing Space, whose state people decide about."""

    def __init__(
        self,
        homeserver: Homeserver,
        kv: KeyValues,
        admin_room: AdminRoom,
        inviter: Inviter,
        config: Live[Config],
        roles: Roles,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = config.value.namespace
        self._kv = kv
        self._admin_room = admin_room
        self._inviter = inviter
        self._live = config
        self._roles = roles
        self._config = config.value.space
        self._texts = texts
        self._lock = asyncio.Lock()
        self._room_id: str | None = None
        self._trusted: str | None = None
        #: Whether the Space was compared with the homeserver.
        self._compared = False
        self._not_before = 0.0
        #: The state events of the Space at the last comparison, with the entries that the bridge has written since; an
        #: empty entry is a room that was taken out.
        self._events: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def room_id(self) -> str | None:
        """Return the room id of the Space, creating it if needed; None if it is disabled or was never created.

        A Space that cannot be compared now is still the one that rooms belong to.
        """
        async with self._lock:
            if self._config.enabled and not self._compared and time.monotonic() >= self._not_before:
                try:
                    self._room_id = await self._reconcile(StateEditor(self._homeserver))
                    self._compared = self._room_id is not None
                    self._not_before = 0.0 if self._compared else time.monotonic() + _AGAIN
                except HomeserverError as error:
                    self._not_before = time.monotonic() + _AGAIN
                    _log.error("the Space cannot be compared with the homeserver", error=str(error))
                    self._room_id = self._room_id or await self._kv.get(KeyValues.SPACE)
                    self._trusted = await self._kv.get(KeyValues.SPACE_TRUSTED)
            return self._room_id

    async def known(self) -> str | None:
        """Return the Space as the database has it, without a request to the homeserver; None if there is none."""
        if not self._config.enabled:
            return None
        if not self._compared:
            self._trusted = await self._kv.get(KeyValues.SPACE_TRUSTED)
        space: str | None = await self._kv.get(KeyValues.SPACE)
        return space

    def lets_in(self, space: str) -> bool:
        """Tell whether the members of *space* may enter the rooms of agents, as of the last call of another method."""
        return space == self._trusted

    def is_settled(self) -> bool:
        """Tell whether no further comparison is due: the last one succeeded, or there is to be no Space."""
        return self._compared or not self._config.enabled

    def look_again(self) -> None:
        """Compare the Space with the homeserver at the next call of :meth:`room_id`: it may have been deleted."""
        self._compared = False
        self._not_before = 0.0

    def lacks(self, room_id: str) -> bool:
        """Tell whether the Space never listed a room. A room that a person took out stays out."""
        return self._compared and (CHILD, room_id) not in self._events

    async def add(self, space: str, room_id: str, content: dict[str, Any]) -> None:
        """List a room in *space*, with the *content* of ``m.space.child``.

        Raises:
            HomeserverRefused: the bot may not change the Space, or is not in it.
        """
        await self._homeserver.set_state(space, CHILD, content, key=room_id)
        self._note_entry(room_id, content)

    async def list_room(
        self, editor: StateEditor, space: str, room_id: str, content: dict[str, Any], *, moved: bool = False
    ) -> None:
        """List a room in *space*, unless the entry has the *content* or a person changed it.

        While the entries are not known, only a room that has *moved* to the Space or has another name is listed.

        Raises:
            HomeserverRefused: the bot may not change the Space, or is not in it.
        """
        known = self._known(space)
        if known is None and not moved:
            return
        if await editor.content(known or RoomState(space, {}), CHILD, content, key=room_id):
            self._note_entry(room_id, content)

    async def unlist(self, editor: StateEditor, space: str, room_id: str, *, moved: bool = False) -> None:
        """Take a room out of *space*; a room that is not listed stays so.

        While the entries are not known, only a room that has *moved*, as in :meth:`list_room`, is taken out.

        Raises:
            HomeserverRefused: the bot may not change the Space, or is not in it.
        """
        known = self._known(space)
        if not (moved if known is None else known.content(CHILD, room_id)):
            return
        if await editor.edit(known or RoomState(space, {}), CHILD, {}, key=room_id):
            self._note_entry(room_id, {})

    def _known(self, space: str) -> RoomState | None:
        """Return the state of *space* with its entries; None if it was not read."""
        if ("m.room.create", "") not in self._events or space != self._room_id:
            return None
        return RoomState(space, self._events)

    def _note_entry(self, room_id: str, content: Mapping[str, Any]) -> None:
        self._events[CHILD, room_id] = {"content": content, "sender": self._namespace.bot}

    async def repair(self, editor: StateEditor) -> str | None:
        """Compare the Space with the homeserver now; return its room id. *editor* collects the differences.

        An editor that changes nothing compares a Space that exists.

        Raises:
            HomeserverError, StoreError: it is not compared.
        """
        if not self._config.enabled:
            return None
        async with self._lock:
            if editor.is_dry:
                return await self._compare(editor)
            self.look_again()
            self._room_id = await self._reconcile(editor)
            self._compared = self._room_id is not None
            return self._room_id

    async def _compare(self, editor: StateEditor) -> str | None:
        room_id = await self._kv.get(KeyValues.SPACE)
        self._trusted = await self._kv.get(KeyValues.SPACE_TRUSTED)
        state = None if room_id is None else await self._homeserver.room_state(room_id)
        if state is None or state.replacement is not None:
            editor.note(Part.ROOM, Outcome.WOULD_SET)
            return None
        self._room_id, self._events = state.room_id, dict(state.events)
        if not self._namespace.adopts_space:
            await self._repair(editor, state)
            await self._repair_alias(editor, state)
        return state.room_id

    async def _reconcile(self, editor: StateEditor) -> str | None:
        """Compare the Space with the homeserver; return its room id, None if the configured one cannot be used."""
        alias = self._namespace.alias(self._namespace.space_alias_localpart) if self._namespace.adopts_space else None
        if await self._kv.get(KeyValues.SPACE_ALIAS) != alias:
            # Another Space lists the rooms from now on. The former one stays as it is.
            for key, value in ((KeyValues.SPACE, None), (KeyValues.SPACE_INVITED, []), (KeyValues.SPACE_NAMES, {})):
                await self._kv.set(key, value, topic=Topic.SPACE)
            await self._kv.set(KeyValues.SPACE_ALIAS, alias)
        if alias is None:
            return await self._keep_own(editor)
        state = await self._adopted(alias)
        if state is None:
            self._trusted = None
            return None
        if await self._kv.get(KeyValues.SPACE) != state.room_id:
            await self._kv.set(KeyValues.SPACE, state.room_id, topic=Topic.SPACE)
        self._events = dict(state.events)
        await self._judge(state)
        await self._invite_people(state)
        return state.room_id

    async def _adopted(self, alias: str) -> RoomState | None:
        """Return the state of the existing Space *alias*; None if it cannot list rooms. The administrators are told."""
        room_id = await self._homeserver.resolve_alias(alias)
        state = None if room_id is None else await enter(self._homeserver, room_id, [self._namespace.bot])
        if room_id is None:
            cause = "space_unknown"
        elif state is None:
            cause = "space_closed"
        elif not state.is_space:
            cause = "space_is_room"
        elif not state.may_set(self._namespace.bot, CHILD):
            cause = "space_powerless"
        else:
            return state
        text = self._texts.space_problems[cause].format(alias=in_backticks(alias), bot=self._namespace.bot)
        await self._admin_room.tell_once(f"{cause}.{short_hash(alias)}", text)
        return None

    async def _keep_own(self, editor: StateEditor) -> str:
        room_id = await self._kv.get(KeyValues.SPACE)
        state = None if room_id is None else await self._found(editor, room_id)
        if state is None:
            if room_id is not None:
                # It was deleted, or the bot was removed, perhaps with its account.
                _log.warning("the bot is not in the Space any more: using another one", room=room_id)
                await self._kv.set(KeyValues.SPACE_INVITED, [])
                await self._kv.set(KeyValues.SPACE_NAMES, {})
            book = self._roles.book
            plan = RoomPlan(
                alias=self._namespace.space_alias_localpart,
                name=self._config.name,
                topic=self._config.topic,
                creator=self._namespace.bot,
                lists_creator=await self._homeserver.lists_creator(self._live.value.rooms.version),
                powers=role_powers(book),
                version=self._live.value.rooms.version,
            )
            state = await self._made(plan, book)
        if state.room_id != room_id:
            editor.note(Part.ROOM, Outcome.SET)
            await self._kv.set(KeyValues.SPACE, state.room_id, topic=Topic.SPACE)
        self._events = dict(state.events)
        editor.keep_fixed(state)
        await self._repair(editor, state)
        await self._judge(state)
        await self._repair_alias(editor, state)
        await self._invite_people(state)
        return state.room_id

    async def _found(self, editor: StateEditor, room_id: str) -> RoomState | None:
        """Return the state of the Space, or of the one that replaces it; None if the bot is in neither of them.

        An earlier version of the bridge may have taken another room for the Space.
        """
        bot = self._namespace.bot
        state = await enter_again(self._homeserver, editor, room_id)
        for _ in range(_UPGRADES):
            if state is None or state.replacement is None:
                return state if state is not None and state.is_space else None
            new = await enter_successor(self._homeserver, state, [bot])
            if new is None:
                _log.error("the Space was upgraded: invite the bot into the new one", space=state.replacement, bot=bot)
                return state
            await invite_members(self._homeserver, state, new, bot)
            if await self._kv.get(KeyValues.SPACE_TRUSTED) == state.room_id:
                # Its moderators have decided about the members, who are invited now.
                await self._kv.set(KeyValues.SPACE_TRUSTED, new.room_id)
            # The people who were just invited count as members.
            state = await self._homeserver.room_state(new.room_id) or new
        return state

    async def _made(self, plan: RoomPlan, book: RoleBook) -> RoomState:
        """Create the Space with the levels by *book*, or adopt the one with its alias; return its state."""
        content = space_content(plan)
        try:
            made = await self._homeserver.create_room(content)
            state = await self._homeserver.room_state(made.room_id)
            if state is not None and state.is_space:
                if made.fresh:
                    await self._note_roles(state, book)
                return state
            _log.warning("the alias of the Space belongs to another room: creating a Space", room=made.room_id)
        except RoomOutOfReach as error:
            _log.warning("the bot cannot enter the former Space: creating a new one", error=str(error))
            await self._admin_room.tell_replaced(self._config.name, error.room_id)
        await self._homeserver.remove_alias(self._namespace.alias(plan.alias))
        state = await self._homeserver.room_state((await self._homeserver.create_room(content)).room_id)
        if state is None:
            raise HomeserverUnavailable(Text("homeserver_invalid"))
        await self._note_roles(state, book)
        return state

    async def _note_roles(self, state: RoomState, book: RoleBook) -> None:
        """Record the book of roles by which the Space was made."""
        if book.version:
            versions = {"applied": book.version, "compared": book.version}
            await self._kv.set(KeyValues.SPACE_ROLES, {"room": state.room_id, **versions})

    async def _repair(self, editor: StateEditor, state: RoomState) -> None:
        """Set name, topic, avatar, join rule and power levels, and keep guests out.

        The Space lists rooms also without them.
        """
        try:
            applied: dict[str, str] = await self._kv.get(KeyValues.SPACE_NAMES) or {}
            names = {"name": self._config.name, "topic": self._config.topic}
            for field, value in names.items():
                await editor.field(state, f"m.room.{field}", field, value, applied.get(field))
            if applied != names and not editor.is_dry:
                await self._kv.set(KeyValues.SPACE_NAMES, names)
            await repair_access(editor, state, self._roles)
            await editor.content(state, JOIN_RULES, {"join_rule": str(JoinRule.INVITE)})
            if (avatar := await self._kv.get(KeyValues.SPACE_AVATAR)) is not None:
                await editor.field(state, "m.room.avatar", "url", avatar, avatar)
        except HomeserverRefused as error:
            _log.warning("the Space cannot be repaired", room=state.room_id, error=str(error))

    async def _judge(self, state: RoomState) -> None:
        """Trust the Space unless it has members without a role: each member could read what is said in the rooms.

        They are told to the administrators. Once the rooms are open to the Space, its moderators decide about members.
        """
        known = await self._kv.get(KeyValues.SPACE_TRUSTED)
        strangers = strangers_in(state, self._roles, self._live.value)
        opens = self._live.value.rooms.join_rule is JoinRule.RESTRICTED
        is_closed = state.content(JOIN_RULES).get("join_rule") not in _OPEN_RULES
        trusts = known == state.room_id or (is_closed and not strangers)
        self._trusted = state.room_id if opens and trusts else None
        if self._trusted != known:
            await self._kv.set(KeyValues.SPACE_TRUSTED, self._trusted, topic=Topic.SPACE)
        if opens and self._trusted is None:
            people = ", ".join(in_backticks(user) for user in strangers[:_LISTED])
            more = ", …" if len(strangers) > _LISTED else ""
            text = self._texts.space_strangers.format(people=people + more) if strangers else self._texts.space_open
            cause = "space_strangers" if strangers else "space_open"
            await self._admin_room.tell_once(f"{cause}.{state.room_id}", text)

    async def _repair_alias(self, editor: StateEditor, state: RoomState) -> None:
        """Let the alias point to the Space. An upgrade moves it to the new Space."""
        alias = self._namespace.alias(self._namespace.space_alias_localpart)
        try:
            if state.replacement is None:
                await repair_alias(self._homeserver, editor, alias, state.room_id)
        except HomeserverRefused as error:
            _log.warning("the Space has no alias", room=state.room_id, error=str(error))

    async def _invite_people(self, state: RoomState) -> None:
        invited: list[str] = await self._kv.get(KeyValues.SPACE_INVITED) or []
        for user_id in self._namespace.local_first(self._live.value.rooms.invite):
            if user_id not in invited and await self._inviter.welcome(state, user_id, self._namespace.bot):
                invited.append(user_id)
                await self._kv.set(KeyValues.SPACE_INVITED, invited)
