"""One subscription: the entries that its program may see, from a cursor on, without gap and without repetition."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from agent_bridge.core.feed import CHANNEL_TYPES, Cursor, FeedType, LiveType

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from agent_bridge.bridge.feed.reader import FeedReader
    from agent_bridge.core.feed import FeedEntry
    from agent_bridge.store.feed import Bounds, Feed

_MEMBERSHIPS = frozenset({FeedType.INVITE, FeedType.JOIN, FeedType.LEAVE})


class Access(Protocol):
    """Tells which rooms a program may read."""

    def permits(self, room_id: str) -> bool:
        """Tell whether the token, and the role of its user, permit to read in a room now."""

    async def is_member(self, room_id: str) -> bool | None:
        """Tell whether the user is in a room now; None: it cannot be told yet."""

    def reaches(self, room_id: str) -> bool:
        """Tell whether the token may be used for a room, as far as its own limits go."""

    async def lists(self, server: int | None) -> bool:
        """Tell whether the user is shown the channels of a server (a row id; None: of the main Space) now."""


class CursorProblem(StrEnum):
    """Why a subscription cannot go on from a cursor."""

    #: The feed was lost, or replaced by a backup.
    OTHER_FEED = "other_feed"
    #: Entries behind it were deleted.
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The entries that a program wants."""

    #: Room ids; None: all.
    rooms: frozenset[str] | None = None
    #: None: all.
    types: frozenset[FeedType] | None = None
    #: Types of live events.
    live: frozenset[LiveType] = frozenset()

    def wants(self, entry: FeedEntry) -> bool:
        """Tell whether *entry* is wanted, as far as its type and its room go."""
        if self.types is not None and entry.type not in self.types:
            return False
        return self.rooms is None or entry.room_id in self.rooms


@dataclass
class Subscription:
    """The entries for one user: of a room, those of the time in which the user was in it."""

    reader: FeedReader
    feed: Feed
    user_id: str
    wanted: Filter
    access: Access
    #: By room id: whether the user was in the room at the position that is reached.
    _inside: dict[str, bool] = field(default_factory=dict)

    def problem(self, cursor: Cursor, bounds: Bounds) -> CursorProblem | None:
        """Return why the subscription cannot go on from *cursor*."""
        if cursor.epoch != bounds.epoch or cursor.position > bounds.newest:
            return CursorProblem.OTHER_FEED
        return CursorProblem.EXPIRED if cursor.position < bounds.pruned else None

    async def entries(self, position: int, *, patience: float) -> AsyncGenerator[tuple[int, Sequence[FeedEntry]]]:
        """Yield the position that is reached, and the entries up to it, behind *position*; for ever.

        At least once in *patience* seconds, also without entries. The caller is inside
        :meth:`FeedReader.subscribed`.

        Raises:
            BridgeError: the feed, or a membership, cannot be read.
        """
        while True:
            found = await self.reader.after(position, patience=patience)
            visible = [each for each in found if await self._is_visible(each)]
            position = found[-1].position if found else position
            yield position, visible

    async def sees_room(self, room_id: str) -> bool:
        """Tell whether the user is in a room now, and may read there."""
        if not self.access.permits(room_id) or (self.wanted.rooms is not None and room_id not in self.wanted.rooms):
            return False
        known = self._inside.get(room_id)
        return bool(await self.access.is_member(room_id) if known is None else known)

    async def _is_visible(self, entry: FeedEntry) -> bool:
        is_own = entry.user_id == self.user_id
        if is_own and entry.room_id is not None and entry.type in {FeedType.JOIN, FeedType.LEAVE}:
            self._inside[entry.room_id] = entry.type is FeedType.JOIN
        elif entry.sender == self.user_id and entry.room_id is not None:
            # Who is outside cannot send. The bridge may not have been in the room yet when its maker entered.
            self._inside[entry.room_id] = True
        if not self.wanted.wants(entry):
            return False
        if entry.type is FeedType.NOTIFICATION:
            room_id = entry.room_id
            return is_own and (await self.access.lists(None) if room_id is None else self.access.permits(room_id))
        if entry.room_id is None:
            return False
        if entry.type in CHANNEL_TYPES:
            # People see the channels of which they may become members.
            return self.access.reaches(entry.room_id) and await self.access.lists(_server(entry))
        is_own = is_own and entry.type in _MEMBERSHIPS
        return self.access.permits(entry.room_id) and (is_own or await self._is_inside(entry.room_id, entry.position))

    async def _is_inside(self, room_id: str, position: int) -> bool:
        known = self._inside.get(room_id)
        if known is None:
            known = await self.feed.was_inside(self.user_id, room_id, position)
            known = await self.access.is_member(room_id) if known is None else known
            if known is not None:
                self._inside[room_id] = known
        return bool(known)


def cursor_at(bounds: Bounds) -> Cursor:
    """Return the cursor behind the newest entry."""
    return Cursor(bounds.epoch, bounds.newest)


def _server(entry: FeedEntry) -> int | None:
    """Return the row id of the server of the channel of *entry*; None: the main Space lists it."""
    server = json.loads(entry.content).get("server")
    return None if server is None else int(server["number"])
