"""The changes that the bridge makes in a room for moderators: messages are pinned, people are removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.roles.levels import mute_change
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.results.people import PersonRefusal, PinResult
from agent_bridge.matrix.room_state import RoomState
from agent_bridge.matrix.rooms import LEFT, MUTED_POWER, POWER_LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.requests import Json

_log = structlog.stdlib.get_logger(__name__)

_PINNED = "m.room.pinned_events"
#: Writes of a list that another writer may change at the same time.
_TRIES = 3
_INSIDE = frozenset({"join", "invite", "knock"})


class Moderation:
    """Acts as one of the bridge's users in a room: the first of *users* that the homeserver permits.

    Every method raises :class:`HomeserverUnavailable` if a repeat may succeed, and may be repeated.
    """

    def __init__(self, homeserver: Homeserver, texts: Texts) -> None:
        self._homeserver = homeserver
        self._texts = texts

    async def pin(self, room_id: str, users: Sequence[str], event_id: str, *, pinned: bool, most: int) -> PinResult:
        """Pin the event of a room, or take the pin from it (*pinned* False); at most *most* are pinned."""
        reader = await self._reader(room_id, users, event_id if pinned else None)
        if reader is None:
            return PinResult.UNKNOWN
        for _ in range(_TRIES):
            found = await self._homeserver.state(room_id, _PINNED, as_user=reader)
            present = _events({} if found is None else found["content"])
            if (event_id in present) is pinned:
                break
            if pinned and len(present) >= most:
                return PinResult.FULL
            wanted = [*present, event_id] if pinned else [each for each in present if each != event_id]
            if not await self._set(room_id, users, _PINNED, {"pinned": wanted}):
                return PinResult.POWERLESS
        return PinResult.PINNED if pinned else PinResult.UNPINNED

    async def kick(self, room_id: str, users: Sequence[str], user: str, reason: str) -> PersonRefusal | None:
        """Remove *user* from a room; return why that was not done, None if the user is out.

        A user that the bridge has removed before is out already.
        """
        reader = await self._reader(room_id, users, None)
        member = None if reader is None else await self._homeserver.state(room_id, "m.room.member", user, reader)
        membership = None if member is None else member["content"].get("membership")
        if membership not in _INSIDE:
            was_ours = member is not None and self._homeserver.namespace.is_ours(str(member.get("sender")))
            return None if was_ours and membership == "leave" else PersonRefusal.NOT_THERE
        for each in users:
            try:
                await self._homeserver.kick(room_id, user, reason, each)
            except HomeserverRefused as error:
                _log.info("a user was not removed", room=room_id, user=user, error=str(error))
            else:
                return None
        return PersonRefusal.POWERLESS

    async def leave(self, room_id: str, users: Sequence[str], user: str, by: str) -> bool:
        """Remove *user* from a room, because *by* asks for it; tell whether that was possible.

        A user who asks for it reads that, and may come back on request.
        """
        is_own = user == by
        access = self._texts.commands.access
        reason = access.left_reason if is_own else access.removed_reason.format(user=by)
        for each in users:
            try:
                if is_own:
                    await self._homeserver.remove(room_id, user, reason, each, note=LEFT)
                else:
                    await self._homeserver.kick(room_id, user, reason, each)
            except HomeserverRefused as error:
                _log.info("a user was not removed", room=room_id, user=user, error=str(error))
            else:
                return True
        return False

    async def may_write(self, room_id: str, users: Sequence[str], user: str) -> bool:
        """Tell whether the homeserver lets *user*, who is muted, send messages in a room all the same."""
        for each in users:
            try:
                levels = await self._homeserver.state(room_id, POWER_LEVELS, as_user=each)
                create = await self._homeserver.state(room_id, "m.room.create", as_user=each)
            except HomeserverRefused:
                continue
            found = {("m.room.create", ""): create or {"content": {}}, (POWER_LEVELS, ""): levels or {"content": {}}}
            state = RoomState(room_id, found)
            is_open = state.level("m.room.message") <= MUTED_POWER
            return is_open or bool(mute_change(state, max(users, key=state.power), user).stuck)
        return True

    async def _reader(self, room_id: str, users: Sequence[str], event_id: str | None) -> str | None:
        """Return the first of *users* that sees the room, and its event *event_id* unless that is None."""
        for user in users:
            try:
                if event_id is None:
                    await self._homeserver.state(room_id, "m.room.create", as_user=user)
                elif await self._homeserver.event(room_id, event_id, user) is None:
                    continue
            except HomeserverRefused:
                continue
            return user
        return None

    async def _set(self, room_id: str, users: Sequence[str], kind: str, content: Json) -> bool:
        for user in users:
            try:
                await self._homeserver.set_state(room_id, kind, content, as_user=user)
            except HomeserverRefused as error:
                _log.info("state was refused", room=room_id, kind=kind, user=user, error=str(error))
            else:
                return True
        return False


def _events(content: Json) -> list[str]:
    pinned = content.get("pinned")
    return [each for each in pinned if isinstance(each, str)] if isinstance(pinned, list) else []
