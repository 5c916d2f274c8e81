"""Locks by key: work on the same thing runs one after the other, work on different things side by side."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable


class KeyLocks:
    """Gives the lock of a key to one task at a time, in the order of the requests. An unused lock takes no memory."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, key: Hashable) -> AsyncIterator[None]:
        """Hold the lock of *key* for the length of the block."""
        # The reference keeps the lock for as long as anybody holds it or waits.
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield
