"""Locks that die with the process that holds them: PostgreSQL's session-level advisory locks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import psycopg

from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: First key of the two-key advisory locks: one number for each kind of thing that is locked.
LANE = 1


class Locks:
    """Advisory locks, all held by one connection of its own.

    PostgreSQL frees them when the process dies, however it dies; a lock that is held therefore means that its holder
    lives. Use as async context manager.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._connection: psycopg.AsyncConnection | None = None
        # PostgreSQL gives a lock again to the connection that has it, and to anybody once the connection is lost.
        self._held: set[tuple[int, int]] = set()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    @asynccontextmanager
    async def hold(self, kind: int, key: int) -> AsyncIterator[bool]:
        """Try to hold lock *key* of *kind* for the length of the block; tell whether it is held.

        Does not wait, and is not re-entrant. Raises :class:`StoreError` when the database cannot be asked.
        """
        if (kind, key) in self._held:
            yield False
            return
        self._held.add((kind, key))
        try:
            held = await self._ask("SELECT pg_try_advisory_lock(%s, %s)", kind, key)
            try:
                yield held
            finally:
                if held:
                    await self._ask("SELECT pg_advisory_unlock(%s, %s)", kind, key)
        finally:
            self._held.discard((kind, key))

    async def _ask(self, query: str, kind: int, key: int) -> bool:
        async with self._turn:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = await psycopg.AsyncConnection.connect(self._uri, autocommit=True)
                # The two-key form takes 32-bit integers; lanes count up from 1, so the fold is no loss in practice.
                cursor = await self._connection.execute(query.encode(), (kind, key % 2**31))
                row = await cursor.fetchone()
            except psycopg.OperationalError as error:
                raise StoreError(f"the database failed: {str(error).strip()}") from error
        return row is not None and bool(row[0])
