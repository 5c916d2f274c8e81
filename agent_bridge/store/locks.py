"""Locks that die with the process that holds them: PostgreSQL's session-level advisory locks."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict

from agent_bridge.core.errors import LockLost, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_log = logging.getLogger(__name__)

#: First key of the two-key advisory locks: one number for each kind of thing that is locked.
LANE = 1
#: Who is the leader: discovers agents, compares rooms. There is one key of it, 0.
LEADER = 2
#: A room whose turns are written, by the hash of its id; held by transactions.
ROOM = 3

#: Seconds between two looks whether the connection, and with it every lock, is still there.
_HEARTBEAT = 0.5
#: Seconds after which a database that says nothing counts as lost.
_PATIENCE = 5.0
#: With these a server frees the locks of a machine that lost its power within about 10 s; by itself after two hours.
_KEEPALIVES = (
    "-c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10000"
)


class Locks:
    """Advisory locks, all held by one connection of its own.

    PostgreSQL frees them when the process dies, however it dies; a lock that is held therefore means that its holder
    lives. When the connection is lost, so are the locks: whoever holds one is interrupted at once. Use as async context
    manager.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._connection: psycopg.AsyncConnection[Any] | None = None
        # PostgreSQL gives a lock again to the connection that has it, and to anybody once the connection is lost.
        self._held: dict[tuple[int, int], asyncio.Task[Any] | None] = {}
        self._lost: set[tuple[int, int]] = set()
        #: Locks that were asked for, or given back, by somebody who was cancelled meanwhile.
        self._doubtful: set[tuple[int, int]] = set()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beating.cancel()
        await asyncio.wait({self._beating})
        if self._connection is not None:
            await self._connection.close()

    @asynccontextmanager
    async def hold(self, kind: int, key: int) -> AsyncIterator[bool]:
        """Try to hold lock *key* of *kind* for the length of the block; tell whether it is held.

        Does not wait, and is not re-entrant.

        Raises:
            StoreError: the database cannot be asked.
            LockLost: the lock was lost; the block was interrupted where it waited.
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
                    # The interruption is on its way: it arrives here at the latest.
                    await asyncio.sleep(0)
            except BaseException as error:
                if name not in self._lost or task is None:
                    raise
                # However the block ended, its interruption does not outlive it; somebody else's does.
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

    async def _ask(self, query: str, kind: int, key: int) -> bool:
        # The two-key form takes 32-bit integers; lanes count up from 1, so the fold is no loss in practice.
        try:
            row = await self._execute(query, (kind, key % 2**31))
        except asyncio.CancelledError:
            self._doubtful.add((kind, key))
            raise
        return row is not None and bool(row[0])

    async def _execute(self, query: str, params: tuple[int, ...] = ()) -> tuple[Any, ...] | None:
        async with self._turn:
            try:
                async with asyncio.timeout(_PATIENCE):
                    if self._connection is None:
                        self._connection = await self._connect()
                    cursor = await self._connection.execute(query.encode(), params)
                    return await cursor.fetchone()
            except (psycopg.OperationalError, TimeoutError) as error:
                await self._lose()
                raise StoreError(f"the database failed: {str(error).strip() or 'no answer'}") from error

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        options = f"{conninfo_to_dict(self._uri).get('options') or ''} {_KEEPALIVES}"
        return await psycopg.AsyncConnection.connect(self._uri, autocommit=True, options=options)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT)
            if self._connection is not None and (self._held or self._doubtful):
                with suppress(StoreError):
                    await self._execute("SELECT 1")
                    await self._settle()

    async def _settle(self) -> None:
        """Give back what nobody here holds, though PostgreSQL may think so."""
        for name in self._doubtful - self._held.keys():
            self._held[name] = None
            try:
                while await self._ask("SELECT pg_advisory_unlock(%s, %s)", *name):
                    pass
                self._doubtful.discard(name)
            finally:
                del self._held[name]

    async def _lose(self) -> None:
        """Interrupt everybody who held a lock by the connection that is lost."""
        connection, self._connection = self._connection, None
        self._doubtful.clear()
        holders = {name: task for name, task in self._held.items() if task is not None}
        if holders:
            _log.error("the connection that held %d lock(s) was lost: what they guarded is interrupted", len(holders))
        for name, task in holders.items():
            self._lost.add(name)
            task.cancel()
        if connection is not None:
            await connection.close()
