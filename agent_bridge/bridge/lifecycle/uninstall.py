"""Removes everything that the bridge made on the homeserver: rooms, Spaces, aliases, and the accounts of the ghosts.

The homeserver tells which rooms the bot and the ghosts are in. So a repeat finds only what is left, and needs no record
but that of the deactivated ghosts.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.entry import leave_for_good
from agent_bridge.bridge.rooms.removal import Removal
from agent_bridge.core.errors import BridgeError, HomeserverRefused, UserNotRegistered
from agent_bridge.matrix.rooms import CHILD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.bridge.rooms.removal import RoomRemoval
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.retirement import RetirementStore

_log = structlog.stdlib.get_logger(__name__)

#: Rooms that are looked at, or removed, at the same time.
_TOGETHER = 4
#: Seconds between two looks at a deletion, and looks until it counts as failed.
_LOOK, _LOOKS = 0.5, 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRoom:
    """A room in which users of the bridge are."""

    room_id: str
    #: ``home``, ``chat``, ``dm``, ``space`` or ``other``.
    kind: str
    #: Whether it belongs to the bridge; else the users of the bridge only leave it.
    is_own: bool
    #: User ids of the users of the bridge in it; the first one made it, or may manage it.
    users: tuple[str, ...]
    #: User ids of the other members.
    people: frozenset[str]
    #: Rooms that it lists, if it is a Space.
    children: frozenset[str]


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that is to be removed."""

    rooms: tuple[FoundRoom, ...]
    #: Localparts.
    ghosts: tuple[str, ...]

    @property
    def people(self) -> frozenset[str]:
        """The people who lose rooms."""
        return frozenset().union(*(room.people for room in self.rooms if room.is_own))

    def counts(self) -> Counter[str]:
        """Return the number of own rooms, by kind."""
        return Counter(room.kind for room in self.rooms if room.is_own)


class Uninstall:
    """Removes rooms and ghosts. No process of the bridge may run meanwhile."""

    def __init__(self, homeserver: Homeserver, store: RetirementStore, removal: RoomRemoval) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._store = store
        self._removal = removal
        self._slots = asyncio.Semaphore(_TOGETHER)

    async def inventory(self) -> Inventory:
        """Find the rooms and the ghosts. Changes nothing.

        Raises:
            HomeserverError, StoreError: they are not known.
        """
        ghosts, made = await self._store.ghosts(), await self._store.made()
        members: dict[str, list[str]] = defaultdict(list)
        for user in [self._namespace.bot, *map(self._namespace.user_id, ghosts)]:
            for room_id in await self._rooms_of(user):
                members[room_id].append(user)
        found = await asyncio.gather(*(self._look(room_id, users, made) for room_id, users in members.items()))
        return Inventory(tuple(room for room in found if room is not None), tuple(ghosts))

    async def run(self, inventory: Inventory, show: Callable[[int, int], None]) -> list[str]:
        """Remove everything in *inventory*; return what could not be removed. *show* gets the done rooms and ghosts.

        Raises:
            StoreError: a repeat goes on.
        """
        rooms, problems, done = inventory.rooms, list[str](), 0
        own = {room.room_id for room in rooms if room.is_own}
        for space in (room for room in rooms if not room.is_own):
            await self._unlist(space, own)

        async def remove(room: FoundRoom) -> None:
            nonlocal done
            try:
                async with self._slots:
                    await self._remove(room)
            except BridgeError as error:
                problems.append(f"the room {room.room_id} stays: {error}")
            else:
                done += 1
                show(done, 0)

        # The Spaces come last: a run that is interrupted leaves the others listed.
        for is_space in (False, True):
            await asyncio.gather(*(remove(room) for room in rooms if (room.kind == "space") is is_space))
        if problems:
            # A ghost that is deactivated could remove nothing any more.
            return problems
        # The user who shows earlier messages of people has an account once there were some.
        for number, ghost in enumerate((*inventory.ghosts, self._namespace.imported_localpart), 1):
            try:
                await self._deactivate(ghost)
            except HomeserverRefused as error:
                problems.append(f"the ghost {self._namespace.user_id(ghost)} stays: {error}")
            show(done, min(number, len(inventory.ghosts)))
        await self._remove_devices()
        return problems

    async def _remove_devices(self) -> None:
        """Remove the devices of the bot, which keeps its account. Those of ghosts have ended with theirs."""
        bot = self._namespace.bot
        try:
            for device in await self._homeserver.devices(bot):
                await self._homeserver.delete_device(bot, device)
        except HomeserverRefused as error:
            _log.info("devices of the bot stay", error=str(error))

    async def _rooms_of(self, user: str) -> list[str]:
        try:
            return await self._homeserver.joined_rooms(user)
        except (HomeserverRefused, UserNotRegistered) as error:
            # It has no account yet, or none any more.
            _log.info("a user of the bridge has no rooms", user=user, error=str(error))
            return []

    async def _look(self, room_id: str, users: list[str], made: Mapping[str, str]) -> FoundRoom | None:
        async with self._slots:
            state = await self._homeserver.room_state(room_id, users[0])
        if state is None:
            # It was left at this moment.
            return None
        creator = state.sender("m.room.create") or ""
        kind = "space" if state.is_space else made.get(room_id, "other")
        return FoundRoom(
            room_id=room_id,
            kind=kind,
            is_own=self._namespace.is_ours(creator) or room_id in made,
            users=tuple(sorted(users, key=lambda user: user != creator)),
            people=frozenset(user for user in state.members("join") if not self._namespace.is_ours(user)),
            children=_children(state),
        )

    async def _unlist(self, space: FoundRoom, own: set[str]) -> None:
        """Take the rooms of the bridge out of a Space that people made."""
        for room_id in sorted(space.children & own):
            try:
                await self._homeserver.set_state(space.room_id, CHILD, {}, key=room_id, as_user=space.users[0])
            except HomeserverRefused as error:
                _log.info("a room stays in a Space", space=space.room_id, room=room_id, error=str(error))

    async def _remove(self, room: FoundRoom) -> None:
        """Remove a room of the bridge, or leave one that people made."""
        if not room.is_own:
            await leave_for_good(self._homeserver, room.room_id, room.users)
            return
        # Before all have left: a repeat would not find the room.
        await self._removal.remove_aliases(room.room_id, await self._aliases(room))
        if not await self._delete(room.room_id):
            manager = room.users[0]
            await self._removal.leave(room.room_id, manager, manager, removes=True)

    async def _delete(self, room_id: str) -> bool:
        """Delete a room by the admin API; tell whether the bridge may do that."""
        state, ref = await self._removal.delete(room_id, None)
        for _ in range(_LOOKS):
            if state is not Removal.RUNS:
                break
            await asyncio.sleep(_LOOK)
            state, ref = await self._removal.delete(room_id, ref)
        if state is Removal.RUNS:
            raise BridgeError("the homeserver is still at work on it")
        return state is Removal.DONE

    async def _aliases(self, room: FoundRoom) -> list[str]:
        try:
            return await self._homeserver.local_aliases(room.room_id, room.users[0])
        except HomeserverRefused:
            return []

    async def _deactivate(self, ghost: str) -> None:
        user = self._namespace.user_id(ghost)
        try:
            await self._homeserver.deactivate(user)
        except UserNotRegistered:
            _log.debug("a ghost has no account", user=user)
        await self._store.deactivated(ghost)


def _children(state: RoomState) -> frozenset[str]:
    return frozenset(key for kind, key in state.events if kind == CHILD and state.content(CHILD, key))
