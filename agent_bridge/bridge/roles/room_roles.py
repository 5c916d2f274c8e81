"""Gives one room the power levels and the members by a book of roles. Every step can be repeated."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.roles.levels import (
    gives_unnamed_levels,
    level_by_people,
    level_change,
    losers_of,
    may_lose_others,
    mute_change,
    unmute_change,
)
from agent_bridge.bridge.rooms.level_repairs import level_lock
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable
from agent_bridge.core.roles import Role
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import POWER_LEVELS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_bridge.bridge.roles.levels import LevelChange
    from agent_bridge.core.roles import RoleBook, Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.mutes import DueMute, MuteStore

    #: Returns the change of a room, as the given user may make it.
    Change = Callable[[RoomState, str], LevelChange]

_log = structlog.stdlib.get_logger(__name__)

_CREATE = "m.room.create"
#: Memberships of users that have entered a room, or may enter it.
_INSIDE = frozenset({"join", "invite", "knock"})


@dataclass(frozen=True, slots=True)
class RoleComparison:
    """The result of a comparison."""

    #: Users whose levels nobody of the bridge can change.
    stuck: tuple[str, ...] = ()
    #: Users that were removed.
    removed: tuple[str, ...] = ()
    #: Whether the homeserver refused a change.
    is_refused: bool = False


class RoomRoles:
    """Changes rooms as one of the bridge's users in them.

    Every method raises :class:`HomeserverUnavailable` if a repeat may succeed.
    """

    def __init__(self, homeserver: Homeserver, roles: Roles, texts: Texts) -> None:
        self._homeserver = homeserver
        self._roles = roles
        self._texts = texts
        #: The events that made rooms, which do not change.
        self._creates: dict[str, Mapping[str, Any]] = {}

    async def compare(self, room_id: str, users: Sequence[str], old: RoleBook | None, new: RoleBook) -> RoleComparison:
        """Give a room the levels by the book *new*, and remove the users that lost the role of a member since *old*.

        *users* are the bridge's users that should be in the room.
        """
        loses_others = old is not None and may_lose_others(old, new)
        members: Mapping[str, str] | None = None
        if loses_others or gives_unnamed_levels(old, new):
            members = await self._members(room_id, users)
        inside = sorted(user for user, membership in (members or {}).items() if membership == "join")
        muted = [user for room, user in self._roles.mutes.until if room == room_id]

        def change(state: RoomState, editor: str) -> LevelChange:
            return level_change(state, editor, old, new, ours=users, members=inside, muted=muted)

        levels = await self.change(room_id, users, change)
        losers: list[str] = []
        if old is not None:
            others = [user for user in members or () if not self._is_ours(user)] if loses_others else []
            losers = await asyncio.to_thread(losers_of, old, new, others)
        removed = {user: await self.remove(room_id, users, user, members) for user in losers}
        stuck = {user for user, is_removed in removed.items() if is_removed is False}
        stuck |= set() if levels is None else set(levels.stuck)
        gone = tuple(user for user, is_removed in removed.items() if is_removed)
        return RoleComparison(tuple(sorted(stuck)), gone, levels is None or bool(stuck))

    async def mute(self, mute: DueMute, users: Sequence[str], mutes: MuteStore) -> None:
        """Give the user of *mute* a level below that of messages, or the former level; a refusal is logged."""
        book = self._roles.book_in(mute.room_id)

        def change(state: RoomState, editor: str) -> LevelChange:
            if mute.has_ended:
                return unmute_change(state, editor, mute.user_id, mute.level_before, book)
            return mute_change(state, editor, mute.user_id)

        async def note(state: RoomState, editor: str) -> None:
            if not mute.has_ended:
                await mutes.note_level(mute, level_by_people(state, editor, mute.user_id, book))

        if await self.change(mute.room_id, users, change, before=note) is None:
            _log.info("the level of a muted user stays", room=mute.room_id, user=mute.user_id)
        await (mutes.lifted(mute) if mute.has_ended else mutes.applied(mute))

    async def change(
        self,
        room_id: str,
        users: Sequence[str],
        change: Change,
        *,
        before: Callable[[RoomState, str], Awaitable[None]] | None = None,
    ) -> LevelChange | None:
        """Change the power levels as the one of *users* with the most power; return the change, None if it is refused.

        *before* is called just before the levels are written.
        """
        async with level_lock(room_id):
            for guesses in (True, False):
                for user in users:
                    found = await self._change_as(room_id, user, users, change, before, guesses=guesses)
                    if found is not None:
                        return found
        return None

    async def _change_as(
        self,
        room_id: str,
        user: str,
        users: Sequence[str],
        change: Change,
        before: Callable[[RoomState, str], Awaitable[None]] | None,
        *,
        guesses: bool,
    ) -> LevelChange | None:
        """Change the levels as *user* reads them; return None if that is refused."""
        state = await self._levels(room_id, user, users, guesses=guesses)
        if state is None:
            return None
        editor = max([user, *users], key=state.power)
        if editor != user:
            # The first one has perhaps left the room, and sees the levels of that time.
            fresh = await self._levels(room_id, editor, users, guesses=guesses)
            state, editor = (state, user) if fresh is None else (fresh, editor)
        # A room may have thousands of members.
        found = await asyncio.to_thread(change, state, editor)
        if found.content is None:
            return found
        if before is not None:
            await before(state, editor)
        try:
            await self._homeserver.set_state(room_id, POWER_LEVELS, found.content, as_user=editor)
        except HomeserverRefused as error:
            _log.info("levels were refused", room=room_id, editor=editor, error=str(error))
            return None
        return found

    async def _levels(self, room_id: str, user: str, users: Sequence[str], *, guesses: bool) -> RoomState | None:
        """Return the power levels of a room as *user* sees them, with the creation; None if *user* sees none.

        *guesses*: users of the bridge that the levels do not list count as creators, as they are in the rooms that the
        bridge makes. The homeserver refuses a change by a wrong guess, and the creation is read then.

        Raises:
            HomeserverUnavailable: the room has no power levels yet.
        """
        try:
            found = await self._homeserver.state(room_id, POWER_LEVELS, as_user=user)
            if found is None:
                # The homeserver left the room half-made: another part of the bridge is about to complete it.
                raise HomeserverUnavailable(Text("homeserver_invalid"))
            create = _guessed(found, users) if guesses else await self._creation(room_id, user)
        except HomeserverRefused:
            return None
        return RoomState(room_id, {(_CREATE, ""): create, (POWER_LEVELS, ""): found})

    async def _creation(self, room_id: str, user: str) -> Mapping[str, Any]:
        if room_id not in self._creates:
            self._creates[room_id] = await self._homeserver.state(room_id, _CREATE, as_user=user) or {"content": {}}
        return self._creates[room_id]

    async def remove(
        self, room_id: str, users: Sequence[str], user: str, members: Mapping[str, str] | None = None
    ) -> bool | None:
        """Remove *user* from a room with a line of explanation.

        Return None if the user is not in it, or has a role again.

        *members*: the memberships in the room, if they are known. False: the homeserver refused it.
        """
        if members is None:
            if not await self._is_inside(room_id, users, user):
                return None
        elif members.get(user) not in _INSIDE:
            return None
        if self._roles.of(user, room_id) is not Role.NONE:
            # The role was given back since the comparison began: an invitation has perhaps found the user inside.
            return None
        for each in users:
            try:
                await self._homeserver.remove(room_id, user, self.reason, each)
            except HomeserverRefused as error:
                _log.info("a user was not removed", room=room_id, user=user, error=str(error))
            else:
                _log.info("a user without a role was removed", room=room_id, user=user)
                return True
        return False

    @property
    def reason(self) -> str:
        """Why a user is removed, in one line."""
        return self._texts.for_admins(self._texts.people.removed)

    async def _is_inside(self, room_id: str, users: Sequence[str], user: str) -> bool:
        for each in users:
            try:
                return await self._homeserver.membership(room_id, user, each) in _INSIDE
            except HomeserverRefused:
                continue
        return False

    async def _members(self, room_id: str, users: Sequence[str]) -> Mapping[str, str] | None:
        """Return the memberships in a room but for those of users that left; None if nobody of *users* sees them."""
        for each in users:
            try:
                return await self._homeserver.members(room_id, each)
            except HomeserverRefused:
                continue
        return None

    def _is_ours(self, user: str) -> bool:
        return self._homeserver.namespace.is_ours(user)


def _guessed(levels: Mapping[str, Any], users: Sequence[str]) -> Mapping[str, Any]:
    """Return the creation of a room with these *levels*, if the bridge made it."""
    listed = levels["content"].get("users")
    creators = [user for user in users if not isinstance(listed, dict) or user not in listed]
    if not creators:
        return {"content": {"room_version": "11"}}
    return {"sender": creators[0], "content": {"room_version": "12", "additional_creators": creators[1:]}}
