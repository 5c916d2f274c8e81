"""Brings the room of a server or a channel to its desired state, or removes it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.access import rule_content
from agent_bridge.bridge.rooms.editor import StateEditor
from agent_bridge.bridge.rooms.entry import enter_again, leave_for_good
from agent_bridge.bridge.rooms.invitations import bring_in
from agent_bridge.bridge.rooms.level_repairs import change_levels, repair_access
from agent_bridge.bridge.rooms.power_levels import repaired_levels, role_powers
from agent_bridge.bridge.rooms.removal import Removal, RoomRemoval
from agent_bridge.bridge.rooms.successor import enter_successor, invite_members
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import parse_user_id, short_hash
from agent_bridge.core.names import one_line
from agent_bridge.core.results.repairs import Outcome, Part
from agent_bridge.core.rooms import JoinRule
from agent_bridge.core.servers import Channel, ChannelType, PlaceStatus, Server
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import (
    ADMIN_POWER,
    CHILD,
    JOIN_RULES,
    LOG_POWER,
    PARENT,
    POWER_LEVELS,
    channel_child_content,
    channel_event_levels,
    message_level,
    parent_content,
    server_child_content,
)
from agent_bridge.render.content import escape
from agent_bridge.store.intake import IntakeStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from agent_bridge.bridge.channels.maker import PlaceMaker
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.bridge.rooms.stranger_warning import StrangerWarning
    from agent_bridge.core.roles import Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.servers import PlaceGhost, Servers

_log = structlog.stdlib.get_logger(__name__)

_NAME, _TOPIC, _AVATAR = "m.room.name", "m.room.topic", "m.room.avatar"
#: Rooms that may replace one another in a row.
_UPGRADES = 5


class PlaceReconciler:
    """Every step can be repeated. State that people chose stays, and their names are the names from then on."""

    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        servers: Servers,
        agents: Agents,
        chats: Chats,
        maker: PlaceMaker,
        warning: StrangerWarning,
        admin_room: AdminRoom,
        roles: Roles,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._database = database
        self._intake_store = IntakeStore(database)
        self._servers = servers
        self._agents = agents
        self._chats = chats
        self._maker = maker
        self._warning = warning
        self._admin_room = admin_room
        self._roles = roles
        self._texts = texts
        self._removal = RoomRemoval(homeserver)

    async def reconcile(self, place: int, editor: StateEditor | None = None) -> bool:
        """Bring the room with row id *place* to its desired state, as far as possible.

        Return False if the homeserver is at work on it: call this again in a moment. *editor* collects the differences.

        Raises:
            HomeserverError, StoreError: a step failed; the steps before it are done.
        """
        editor = editor or StateEditor(self._homeserver)
        for _ in range(_UPGRADES):
            found = await self._servers.find(place)
            if found is None:
                return True
            if found.status is PlaceStatus.DELETING:
                return await self._remove(found)
            if found.room_id is None:
                await self._make(found)
                continue
            state = await enter_again(self._homeserver, editor, found.room_id)
            if state is None:
                _log.warning("the room of a server or channel is gone: making another one", room=found.room_id)
                editor.note(Part.ROOM, Outcome.SET)
                if found.space is not None:
                    await self._unlist(found, found.space)
                await self._servers.lost(found)
            elif state.replacement is None or not await self._follow(found, state):
                if not found.bot_joined:
                    await self._servers.entered(found)
                await self._repair(editor, found, state)
                await self._servers.applied(found)
                return True
        # The next look goes on from there.
        return False

    async def basis(self) -> object:
        """Return all that decides about the rooms besides their rows: another one means that each is to be compared."""
        return await self._maker.basis()

    async def compare(self, place: int, editor: StateEditor) -> None:
        """Have *editor*, which changes nothing, collect the differences of the room with row id *place*.

        Raises:
            HomeserverError, StoreError: it is not known whether there are more of them.
        """
        found = await self._servers.find(place)
        if found is None or found.status is PlaceStatus.DELETING:
            return
        state = None if found.room_id is None else await self._homeserver.room_state(found.room_id)
        if state is None or state.replacement is not None:
            editor.note(Part.ROOM, Outcome.WOULD_SET)
        else:
            await self._repair(editor, found, state)

    async def _make(self, place: Server | Channel) -> None:
        try:
            await self._maker.make(place)
        except HomeserverRefused as error:
            _log.error("a server or channel has no room", name=place.name, error=str(error))
            await self._servers.forget(place, self._texts.room_lost)

    async def _follow(self, place: Server | Channel, old: RoomState) -> bool:
        """Move to the room that replaces *old*; tell whether the bot could enter it."""
        bot = self._namespace.bot
        new = await enter_successor(self._homeserver, old, [bot])
        if new is None:
            return False
        await invite_members(self._homeserver, old, new, bot)
        if place.space is not None:
            await self._unlist(place, place.space)
        await self._agents.room_moved(place.id, old.room_id, new.room_id)
        _log.info("a server or channel was upgraded", room=new.room_id, replaces=old.room_id)
        return True

    async def _repair(self, editor: StateEditor, place: Server | Channel, state: RoomState) -> None:
        parent = await self._maker.parent(place)
        steps = (
            partial(self._begin_levels, editor, place, state),
            partial(self._admit, editor, place, state),
            partial(repair_access, editor, state, self._roles),
            partial(self._mark, editor, place, state),
            partial(self._name, editor, place, state),
            partial(self._icon, editor, place, state),
            partial(self._open, editor, place, state, parent),
            partial(self._leave_space, editor, place, state, parent),
            partial(self._parent, editor, state, parent),
            partial(self._list, editor, place, state, parent),
        )
        for step in steps:
            try:
                await step()
            except HomeserverRefused as error:
                _log.warning("a server or channel cannot be repaired", room=state.room_id, error=str(error))
                await self._tell_powerless(editor, place, state)

    async def _begin_levels(self, editor: StateEditor, place: Server | Channel, state: RoomState) -> None:
        """Give a channel without levels those of its type: the homeserver left it half-made, or makes it just now."""
        if isinstance(place, Channel) and not state.has_levels:
            await change_levels(editor, state, self._namespace.bot, partial(self._with_first_levels, place.type))

    def _with_first_levels(self, kind: ChannelType, state: RoomState) -> tuple[str, dict[str, Any]] | None:
        powers = role_powers(self._roles.book_in(state.room_id))
        repaired = None if state.has_levels else repaired_levels(state, self._namespace.bot, powers)
        if repaired is None:
            return None
        user, levels = repaired
        events = levels["events"] | channel_event_levels(kind)
        return user, levels | {"events_default": message_level(kind), "events": events}

    async def _tell_powerless(self, editor: StateEditor, place: Server | Channel, state: RoomState) -> None:
        """Tell the administrators once that the bot has no power in a room: a person has upgraded it."""
        if not editor.is_dry and state.power(self._namespace.bot) < ADMIN_POWER:
            text = self._texts.servers.powerless.format(name=escape(place.name), bot=self._namespace.bot)
            await self._admin_room.tell_once(f"powerless.{short_hash(state.room_id)}", text)

    async def _mark(self, editor: StateEditor, place: Server | Channel, state: RoomState) -> None:
        """Set the state event by which a bridge that lost its database finds the room."""
        kind, content = await self._maker.mark(place)
        if state.content(kind) != content or state.sender(kind) != self._namespace.bot:
            await editor.edit(state, kind, content)

    async def _icon(self, editor: StateEditor, place: Server | Channel, state: RoomState) -> None:
        """Give a server its picture. The one that people have given since is the desired one from now on."""
        if not isinstance(place, Server):
            return
        url = state.content(_AVATAR).get("url")
        present = url if isinstance(url, str) and url else None
        wanted = present if place.icon == place.icon_applied else place.icon
        if present != wanted:
            await editor.edit(state, _AVATAR, {} if wanted is None else {"url": wanted})
        if wanted != place.icon_applied and not editor.is_dry:
            await self._servers.pictured(place, wanted)

    async def _name(self, editor: StateEditor, place: Server | Channel, state: RoomState) -> None:
        """Give the room its name and topic. Those that people have given since are the desired ones from now on."""
        names = {}
        for kind, field, wanted, applied in (
            (_NAME, "name", place.name, place.name_applied),
            (_TOPIC, "topic", place.topic, place.topic_applied),
        ):
            found = state.content(kind).get(field)
            present = found if isinstance(found, str) else ""
            chosen = one_line(present) if kind == _NAME else present
            # A command counts that came after the last comparison, also if a person has changed the room meanwhile.
            is_chosen = wanted == applied and (chosen or kind == _TOPIC)
            names[field] = chosen if is_chosen else wanted
            if present != names[field]:
                await editor.edit(state, kind, {field: names[field]})
        if (names["name"], names["topic"]) != (place.name_applied, place.topic_applied) and not editor.is_dry:
            await self._servers.named(place, names["name"], names["topic"])

    async def _open(self, editor: StateEditor, place: Server | Channel, state: RoomState, parent: str | None) -> None:
        """Let the members of the Space that lists the room in, unless a person chose another join rule."""
        if parent is None and self._maker.has_space():
            # The main Space is not made yet.
            return
        is_open = parent is not None and await self._maker.is_open(place, parent)
        wanted = f"{JoinRule.RESTRICTED} {parent}" if is_open else str(JoinRule.INVITE)
        applied = place.join_rule_applied or wanted
        await editor.content(state, JOIN_RULES, rule_content(wanted), applied=rule_content(applied))
        if place.join_rule_applied != wanted and not editor.is_dry:
            await self._servers.opened(place, wanted)

    async def _leave_space(
        self, editor: StateEditor, place: Server | Channel, state: RoomState, parent: str | None
    ) -> None:
        """Take the room out of the Space that listed it before."""
        former = place.space
        if former is not None and former != parent:
            await self._unlist(place, former, editor)
            if state.content(PARENT, former):
                await editor.edit(state, PARENT, {}, key=former)

    async def _parent(self, editor: StateEditor, state: RoomState, parent: str | None) -> None:
        """Have the room name its Space."""
        if parent is not None:
            await editor.content(state, PARENT, parent_content(self._namespace.domain), key=parent)

    async def _list(self, editor: StateEditor, place: Server | Channel, state: RoomState, parent: str | None) -> None:
        """Have its Space list the room in its place. The bot may have power there, and none in the room."""
        if parent is None:
            return
        domain = self._namespace.domain
        content = (
            server_child_content(domain, place.number)
            if isinstance(place, Server)
            else channel_child_content(domain, place.position)
        )
        present = await self._homeserver.state(parent, CHILD, state.room_id)
        if present is not None and place.space == parent and self._is_taken_out(editor, parent, present):
            return
        if present is None or present["content"] != content:
            await editor.edit(RoomState(parent, {}), CHILD, content, key=state.room_id)
        if place.space != parent and not editor.is_dry:
            await self._servers.listed(place, parent)

    def _is_taken_out(self, editor: StateEditor, parent: str, present: Mapping[str, Any]) -> bool:
        """Tell whether a person has taken the room out of its Space, where it stays out."""
        is_out = not present["content"].get("via") and not self._namespace.is_ours(str(present.get("sender")))
        if is_out and not editor.is_forced:
            editor.note(Part.CHILD, Outcome.KEPT, str(present.get("sender")))
            _log.debug("a person has taken a channel out of its Space", space=parent)
        return is_out and not editor.is_forced

    async def _unlist(self, place: Server | Channel, space: str, editor: StateEditor | None = None) -> None:
        if editor is not None and editor.is_dry:
            editor.note(Part.CHILD, Outcome.WOULD_SET)
            return
        try:
            await self._homeserver.set_state(space, CHILD, {}, key=place.room_id or "")
        except HomeserverRefused as error:
            _log.info("a former room stays in its Space", room=place.room_id, error=str(error))
        await self._servers.listed(place, None)

    async def _admit(self, editor: StateEditor, channel: Server | Channel, state: RoomState) -> None:
        """Bring the ghosts of a channel in, but for those that people have removed; let them write in a log.

        The ghosts of retired agents leave, and come back with them.
        """
        if isinstance(channel, Server):
            return
        ghosts = {self._namespace.user_id(each.ghost): each for each in await self._servers.ghosts(channel)}
        removed = [user for user, each in ghosts.items() if not each.rests and state.is_removed(user)]
        if removed and not editor.is_dry:
            await self._servers.left(channel, [parse_user_id(each)[0] for each in removed], self._texts.agent_removed)
        present = [user for user in ghosts if user not in removed]
        for user in present:
            await self._bring(editor, channel, state, user, ghosts[user])
        if channel.type is ChannelType.LOG:
            active = [user for user in present if not ghosts[user].is_retired]
            await change_levels(editor, state, self._namespace.bot, partial(self._with_reporters, active))
        if present and not channel.warned and not editor.is_dry and self._warning.strangers(state):
            await self._warn(channel, state)

    async def _bring(
        self, editor: StateEditor, channel: Channel, state: RoomState, user: str, ghost: PlaceGhost
    ) -> None:
        """Have a ghost enter the channel or, while its agent is retired, leave it."""
        is_inside, room_id, bot = state.membership(user) == "join", state.room_id, self._namespace.bot
        if ghost.is_retired and is_inside:
            await editor.step(Part.GHOST_JOINED, lambda: leave_for_good(self._homeserver, room_id, [user]))
        elif not ghost.is_retired and not is_inside:
            await editor.step(Part.GHOST_JOINED, lambda: bring_in(self._homeserver, room_id, user, bot))
        if ghost.rests is not ghost.is_retired and not editor.is_dry:
            await self._servers.rests(channel, ghost, rests=ghost.is_retired)

    async def _warn(self, channel: Channel, state: RoomState) -> None:
        """Have the channel told once that words of people without a role are not for its agents."""
        async with self._database.transaction() as connection:
            await self._intake_store.lock(connection, [state.room_id])
            await self._warning.warn(connection, channel.id, state)

    def _with_reporters(self, ghosts: list[str], state: RoomState) -> tuple[str, dict[str, Any]] | None:
        """Return the levels with which *ghosts* may write in a log, and their editor; None: they have them."""
        lower = {ghost: LOG_POWER for ghost in ghosts if state.power(ghost) < LOG_POWER}
        if not lower:
            return None
        levels = dict(state.content(POWER_LEVELS))
        return self._namespace.bot, levels | {"users": {**state.user_levels, **lower}}

    async def _remove(self, place: Server | Channel) -> bool:
        """Remove the room, and what the database has of it; tell whether that is done."""
        if isinstance(place, Server) and await self._servers.has_channels(place):
            # Each of them is removed by its own turn.
            return False
        if place.room_id is not None:
            if await self._chats.has_open_command(place.room_id):
                # It may be the one that asks for the deletion.
                return False
            if place.space is not None:
                await self._unlist(place, place.space)
            state, ref = await self._removal.delete(place.room_id, place.delete_ref)
            if ref is not None and ref != place.delete_ref:
                await self._servers.deletion_requested(place, ref)
            if state is Removal.RUNS:
                return False
            bot = self._namespace.bot
            if state is Removal.REFUSED:
                await self._removal.leave(place.room_id, bot, bot, removes=True)
            await self._removal.remove_aliases(place.room_id, [self._namespace.alias(self._maker.alias(place))])
        await self._servers.forget(place, self._texts.room_lost)
        _log.info("a server or channel is deleted", name=place.name, room=place.room_id)
        return True
