"""Brings rooms, and the members of rooms, to the newest book of roles. A duty of the leader."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.bridge.roles.levels import fallen, loses, named_losers
from agent_bridge.bridge.roles.room_roles import RoleComparison
from agent_bridge.bridge.rooms.invitations import try_invite
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.ids import mark, short_hash
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName
from agent_bridge.render.content import in_backticks, message
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.bridge.queue.tracked_work import TrackedWork
    from agent_bridge.bridge.roles.refresher import RoleRefresher
    from agent_bridge.bridge.roles.room_roles import RoomRoles
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.core.roles import RoleBook, Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.mutes import MuteStore
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.roles import DueRoom, RoleStore

_log = structlog.stdlib.get_logger(__name__)

#: Rooms that are changed at the same time, and those that one statement returns.
_TOGETHER, _PAGE = 4, 100
_RETRY = Backoff(first=1, cap=300)
#: Seconds between two comparisons at least.
_REST = 0.5

#: Failures of one room after which the log tells.
_TOLD_AT = 2


class RoleKeeper:
    """Compares the rooms that are behind the newest book, and applies mutes.

    A room keeps the book that it has until all changes are made, so after a kill the same changes are found again.
    After a comparison with the newest book nothing is read, in the database or on the homeserver, until it changes.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        store: RoleStore,
        mutes: MuteStore,
        kv: KeyValues,
        lanes: Lanes,
        room_roles: RoomRoles,
        admin_room: AdminRoom,
        refresher: RoleRefresher,
        roles: Roles,
        progress: TrackedWork,
        signals: Signals,
        texts: Texts,
        *,
        makes_space: bool,
        makes_lobby: bool,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._database = database
        self._store = store
        self._mutes = mutes
        self._kv = kv
        self._lanes = lanes
        self._room_roles = room_roles
        self._admin_room = admin_room
        self._refresher = refresher
        self._roles = roles
        self._progress = progress
        self._signals = signals
        self._texts = texts
        self._makes_space = makes_space
        self._makes_lobby = makes_lobby
        self._is_due = True
        #: How often each room (a row id), person or mute failed in a row, and when it may be tried again, by a
        #: monotonic clock.
        self._failures: dict[int | str, int] = {}
        self._later: dict[int | str, float] = {}
        self._books: dict[int, RoleBook | None] = {}

    async def run(self) -> None:
        """Keep the rooms, until cancelled."""
        self._is_due = True
        self._progress.begin()
        with (
            self._signals.subscription(Topic.ROLES, Topic.SPACE) as wake,
            self._signals.subscription(Topic.ROLES, Topic.SPACE) as changed,
        ):

            async def keep() -> float | None:
                if changed.is_set():
                    changed.clear()
                    self._is_due = True
                return await self.keep()

            await every(FALLBACK, keep, name="roles in rooms", wake=wake)

    async def keep(self) -> float | None:
        """Compare the due rooms and people; return the seconds until a mute ends or a room may be tried again.

        Raises:
            HomeserverError, StoreError: the next call goes on.
        """
        if not self._is_due and self._seconds_left() != 0.0:
            return self._seconds_left()
        await self._refresher.refresh()
        book = self._roles.book
        if book.version:
            await self._apply_mutes()
            await self._keep_rooms(book)
            await self._keep_persons(book)
            await self._keep_space(book)
            self._is_due = False
            await self._prune()
        left = self._seconds_left()
        # The clock of the database decides when a mute is over.
        return None if left is None else max(_REST, left)

    def _seconds_left(self) -> float | None:
        """Return the seconds until something is due; None if nothing is known to be."""
        now, moment = datetime.now(UTC), time.monotonic()
        ends = [(until - now).total_seconds() for until in self._roles.mutes.until.values() if until is not None]
        left = [*ends, *(at - moment for at in self._later.values())]
        return max(0.0, min(left)) if left else None

    async def _apply_mutes(self) -> None:
        for mute in await self._mutes.due():
            try:
                await self._room_roles.mute(mute, self._users(mute.ghost), self._mutes)
            except BridgeError as error:
                self._try_later(f"{mute.room_id} {mute.user_id}", error)

    async def _keep_rooms(self, book: RoleBook) -> None:
        started, compared = time.monotonic(), 0
        while True:
            now = time.monotonic()
            self._later = {room: at for room, at in self._later.items() if at > now}
            others = [room for room in self._later if isinstance(room, int)]
            due = await self._store.due(book.version, others, _PAGE, lobby=self._makes_lobby)
            left = len(due)
            if left == _PAGE:
                left = await self._store.count_due(book.version, others, lobby=self._makes_lobby)
            await self._progress.left(left)
            await _each(due, lambda room: self._attempt(room, book))
            compared += len(due)
            if len(due) < _PAGE:
                await self._progress.left(0)
                break
        if compared:
            seconds = round(time.monotonic() - started, 3)
            _log.info("rooms follow the roles", version=book.version, rooms=compared, seconds=seconds)

    async def _attempt(self, room: DueRoom, book: RoleBook) -> None:
        try:
            await self._compare(room, book)
        except BridgeError as error:
            self._try_later(room.id, error)
        else:
            self._failures.pop(room.id, None)

    def _try_later(self, subject: int | str, error: BridgeError) -> None:
        failures = self._failures[subject] = self._failures.get(subject, 0) + 1
        self._later[subject] = time.monotonic() + _RETRY.delay(failures)
        # One failure is usual: the room is being made, and has no levels yet.
        log = _log.warning if failures == _TOLD_AT else _log.debug
        log("a room does not have the newest roles yet", subject=subject, error=str(error))

    async def _compare(self, room: DueRoom, book: RoleBook) -> None:
        old = await self._book(room.applied)
        if room.server is not None:
            book, old = book.in_server(room.server), None if old is None else old.in_server(room.server)
        result = await self._room_roles.compare(room.room_id, self._users(room.ghost), old, book)
        if old is not None:
            muted = [user for each, user in self._roles.mutes.until if each == room.room_id]
            await self._mutes.lower_levels(room.room_id, fallen(old, book, muted))
        if room.kind is KindName.BOT and old is not None:
            for user in book.named(Role.ADMIN):
                if old.role_of(user) < Role.ADMIN:
                    await try_invite(self._homeserver, room.room_id, user)
        await self._end_turns(result.removed, room.room_id)
        await self._tell(room.room_id, result)
        await self._store.compared(room.id, book.version, is_refused=result.is_refused)

    async def _keep_persons(self, book: RoleBook) -> None:
        """Remove people who lost the role of a member from the rooms that the bridge made for them."""
        persons = await self._store.persons(book.version)
        lost = [person for person, applied in persons if await self._has_lost(person, applied, book)]
        failed: list[str] = []
        for person in dict.fromkeys(lost):
            try:
                await self._take_rooms(person)
            except BridgeError as error:
                failed.append(person)
                self._try_later(person, error)
        if persons:
            await self._store.persons_compared(book.version, failed)

    async def _take_rooms(self, person: str) -> None:
        """Remove *person* from own rooms."""
        # The chats wait in the archive: a chat that is left ends after a day.
        await self._store.archive(person)
        for room in await self._store.rooms_of(person):
            if await self._room_roles.remove(room.room_id, self._users(room.ghost), person) is False:
                _log.warning("a user without a role stays in a room", room=room.room_id, user=person)
        await self._end_turns([person])

    async def _has_lost(self, person: str, applied: int | None, book: RoleBook) -> bool:
        old = await self._book(applied)
        return old is not None and loses(old, book, person) and self._roles.of(person) is Role.NONE

    async def _keep_space(self, book: RoleBook) -> None:
        """Compare the Space, from which people enter the other rooms, and tell those who lost the role so at last."""
        found = await self._kv.some(KeyValues.SPACE, KeyValues.SPACE_ROLES)
        space = found.get(KeyValues.SPACE) if self._makes_space else None
        known = found.get(KeyValues.SPACE_ROLES) or {}
        if known.get("room") == space and known.get("compared") == book.version:
            return
        applied = known.get("applied")
        old, result = await self._book(applied), RoleComparison()
        if space is not None:
            result = await self._compare_space(space, old, book, is_found=known.get("room") != space)
            await self._tell(space, result)
        for user in {*result.removed, *([] if old is None else named_losers(old, book))}:
            if self._roles.of(user) is Role.NONE:
                await self._explain(user, book)
        has = applied if result.is_refused else book.version
        await self._kv.set(KeyValues.SPACE_ROLES, {"room": space, "applied": has, "compared": book.version})

    async def _compare_space(
        self, space: str, old: RoleBook | None, book: RoleBook, *, is_found: bool
    ) -> RoleComparison:
        """Compare the Space. *is_found*: it is another room than before, and may lack the levels of roles."""
        users = self._users(None)
        added = await self._room_roles.compare(space, users, None, book) if is_found else RoleComparison()
        # The homeserver copies the levels of a Space that is upgraded.
        result = await self._room_roles.compare(space, users, old, book)
        stuck = tuple(sorted({*added.stuck, *result.stuck}))
        return RoleComparison(stuck, result.removed, is_refused=added.is_refused or result.is_refused)

    async def _explain(self, user: str, book: RoleBook) -> None:
        """Tell *user*, who lost the role of a member, why the bot does not answer in the chats with it."""
        for room_id in await self._store.bot_rooms(user):
            key = f"role.{book.version}.{short_hash(room_id)}"
            content = message(self._room_roles.reason, mark=mark(key, 0), notice=True)
            try:
                await self._homeserver.send(room_id, content, txn_id=f"ab.{key}")
            except HomeserverRefused as error:
                _log.info("a user without a role was not told so", room=room_id, user=user, error=str(error))

    async def _end_turns(self, people: Iterable[str], room_id: str | None = None) -> None:
        for person in people:
            async with self._database.transaction() as connection:
                await self._lanes.wake(connection, set(await self._store.drop(connection, person, room_id)))

    async def _tell(self, room_id: str, result: RoleComparison) -> None:
        """Tell the administrators once of each user whose level nobody of the bridge can change."""
        for user in result.stuck:
            _log.warning("the level of a user cannot be changed", room=room_id, user=user)
            text = self._texts.people.level_stuck.format(user=in_backticks(user), room=in_backticks(room_id))
            await self._admin_room.tell_once(f"stuck.{short_hash(user)}", text)

    async def _book(self, version: int | None) -> RoleBook | None:
        if version is None:
            return None
        if version not in self._books:
            self._books[version] = await self._store.book(version)
        return self._books[version]

    async def _prune(self) -> None:
        """Delete the books that no room has any more."""
        known = await self._kv.get(KeyValues.SPACE_ROLES) or {}
        await self._store.prune([known["applied"]] if known.get("applied") else [])
        self._books.clear()

    def _users(self, ghost: str | None) -> Sequence[str]:
        return [self._namespace.bot] if ghost is None else [self._namespace.user_id(ghost), self._namespace.bot]


async def _each(rooms: Sequence[DueRoom], work: Callable[[DueRoom], Awaitable[None]]) -> None:
    """Do *work* for each of *rooms*, for a few of them at the same time, in their order."""
    waiting = iter(rooms)

    async def worker() -> None:
        for room in waiting:
            await work(room)

    await asyncio.gather(*(worker() for _ in range(_TOGETHER)))
