"""Locks that end with the process that holds them: PostgreSQL's session-level advisory locks."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from agent_bridge.core.errors import LockLost, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.session import Session

_log = logging.getLogger(__name__)

#: First key of the two-key advisory locks: one number for each kind of lock.
LANE = 1
#: The leader's lock. There is one key of it, 0.
LEADER = 2
#: A room whose turns are written, by the hash of its id; held by transactions.
ROOM = 3
#: Held shared by the session of each process, with key 0: a process that holds it alone is the only one.
PROCESS = 4
#: Held by the session of each process, with the number of the process as key: its turns are in good hands.
WORKER = 5
#: A person whose chats are counted and written, by the hash of the user id; held by transactions.
PERSON = 6
#: The decisions whether people without a role are told so; there is one key of it, 0; held by transactions.
STRANGERS = 7
#: Two agents whose questions to each other are counted, by the hash of their row ids; held by transactions.
PAIR = 8
#: Held by the session of each process that reads its configuration again on request, with its number as key.
RELOADS = 9
#: A person whose triggers are counted and written, by the hash of the user id; held by transactions.
TRIGGERS = 10
#: A person, or a room, whose schedules are counted and written, by the hash of the id; held by transactions.
SCHEDULES = 11
#: A person or an agent whose tokens are counted and written, by the hash of the name; held by transactions.
TOKENS = 14
#: The end of the feed, with the key 0. It is the last lock of a transaction.
FEED = 15
#: The writing of the sums of the admin page, with the key 0; held by transactions.
ROLLUPS = 20
#: Seconds for which an answer of the database counts as news: longer than the session's heartbeat takes.
_FRESH = 3.0


class Locks:
    """Advisory locks, all held by one session. Use as async context manager.

    PostgreSQL frees them when the process ends, also when it is killed: a lock that is held means that its holder
    lives. When the session's connection is lost, so are the locks, and the tasks that hold them are cancelled at once.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        # PostgreSQL gives a lock again to the connection that holds it, and to any connection once that one is lost.
        self._held: dict[tuple[int, int], asyncio.Task[Any] | None] = {}
        self._lost: set[tuple[int, int]] = set()
        #: Locks whose request or release was cancelled: PostgreSQL may count them as held.
        self._uncertain: set[tuple[int, int]] = set()
        self._has_uncertain = asyncio.Event()

    @property
    def process(self) -> int:
        """The number of this process, whose lock of kind :data:`WORKER` tells that the process lives."""
        return self._session.process

    async def __aenter__(self) -> Self:
        self._session.on_lost.append(self._lose)
        self._settling = asyncio.create_task(self._settle())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._settling.cancel()
        await asyncio.wait({self._settling})
        self._session.on_lost.remove(self._lose)

    @asynccontextmanager
    async def hold(self, kind: int, key: int) -> AsyncIterator[bool]:
        """Try to hold lock *key* of *kind* for the length of the block; tell whether it is held.

        Does not wait, and is not re-entrant.

        Raises:
            StoreError: the database does not answer.
            LockLost: the lock was lost; the block was cancelled where it waited.
        """
        name = (kind, key)
        if name in self._held:
            yield False
            return
        self._held[name] = None
        try:
            held = await self._ask("SELECT pg_try_advisory_lock(%s, %s)", kind, key)
            task = self._held[name] = asyncio.current_task() if held else None
            try:
                yield held
                if name in self._lost:
                    # The cancellation is on its way: it arrives here at the latest.
                    await asyncio.sleep(0)
            except BaseException as error:
                if name not in self._lost or task is None:
                    raise
                # However the block ended, its cancellation does not outlive it; a cancellation by others does.
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
                if task.uncancel() == 0:
                    raise LockLost("the database connection that held the lock was lost") from error
                raise asyncio.CancelledError from error
            finally:
                self._held[name] = None
                if held and name not in self._lost:
                    await self._ask("SELECT pg_advisory_unlock(%s, %s)", kind, key)
        finally:
            self._held.pop(name)
            self._lost.discard(name)
            if self._uncertain:
                self._has_uncertain.set()

    async def verify(self, kind: int, key: int) -> None:
        """Return if this process holds lock *key* of *kind*, and the database has said so within the last seconds.

        A process that was paused learns here that its locks are lost, before it is told.

        Raises:
            StoreError: the database does not answer.
            LockLost: the lock is not held.
        """
        if time.monotonic() - self._session.answered_at > _FRESH:
            await self._session.execute("SELECT 1")
        if self._held.get((kind, key)) is None or (kind, key) in self._lost:
            raise LockLost("the database connection that held the lock was lost")

    async def _ask(self, query: str, kind: int, key: int) -> bool:
        # The two-key form takes 32-bit integers; lanes count up from 1, so the fold is no loss in practice.
        try:
            row = await self._session.execute(query, (kind, key % 2**31))
        except asyncio.CancelledError:
            self._uncertain.add((kind, key))
            raise
        return row is not None and bool(row[0])

    async def _settle(self) -> None:
        """Free the uncertain locks that no task of this process holds, until cancelled."""
        while True:
            await self._has_uncertain.wait()
            self._has_uncertain.clear()
            for name in self._uncertain - self._held.keys():
                self._held[name] = None
                try:
                    while await self._ask("SELECT pg_advisory_unlock(%s, %s)", *name):
                        pass
                    self._uncertain.discard(name)
                except StoreError:
                    # The connection is lost, and with it every lock.
                    pass
                finally:
                    del self._held[name]

    def _lose(self) -> None:
        """Cancel the tasks that held a lock by the connection that is lost.

        A task that was cancelled before, and that still ends, is not cancelled again: `hold` takes one cancellation
        back.
        """
        self._uncertain.clear()
        holders = {name: task for name, task in self._held.items() if task is not None and name not in self._lost}
        if holders:
            _log.error("the connection that held %d lock(s) was lost: their holders are cancelled", len(holders))
        for name, task in holders.items():
            self._lost.add(name)
            task.cancel()
