"""Results that several agents need at the same time: one request to the homeserver serves all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: Seconds for which a result counts.
_FRESH = 5.0


class Shared(Generic[Key, Value]):
    """Keeps results for five seconds. Callers that ask for the same at once wait for one request."""

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry[Value]] = {}

    async def get(self, key: Key, fetch: Callable[[], Awaitable[Value]]) -> Value:
        """Return the result of *fetch* for *key*, at most five seconds old.

        An error of the request reaches its caller alone: the next one makes another request.
        """
        now = time.monotonic()
        for old in [each for each, entry in self._entries.items() if entry.is_over(now)]:
            del self._entries[old]
        entry = self._entries.setdefault(key, _Entry())
        async with entry.lock:
            if entry.result is None:
                entry.result = (await fetch(),)
                entry.until = time.monotonic() + _FRESH
        return entry.result[0]


class _Entry(Generic[Value]):
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.result: tuple[Value] | None = None
        self.until = 0.0

    def is_over(self, now: float) -> bool:
        return not self.lock.locked() and self.until < now
