"""Limits of a token: requests in a minute, requests at a time, and large bodies at a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

#: Callers that are remembered: a forgotten one begins with a full bucket.
_REMEMBERED = 10_000
_MINUTE = 60.0


class Buckets:
    """A bucket of requests for each caller, which fills up within a minute.

    It belongs to one process: with several of them, a caller has as many buckets as there are processes that the proxy
    in front of them chooses from.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        #: Requests that are left, and the time at which they were counted, by caller; the last one used stands last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count a request.

        Raises:
            ProgramRefused: the bucket is empty; the error has the seconds until it is not.
        """
        now = self._clock()
        left, since = self._left.pop(caller, (self._most, now))
        left = min(self._most, left + (now - since) * self._most / _MINUTE)
        while len(self._left) >= _REMEMBERED:
            self._left.popitem(last=False)
        if left < 1:
            self._left[caller] = left, now
            wait = (1 - left) * _MINUTE / self._most
            raise ProgramRefused(Problem.TOO_MANY_REQUESTS, f"{self._most:g} in a minute", retry_after=wait)
        self._left[caller] = left - 1, now


class Places:
    """Requests that a caller makes at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        #: Of each request, whether its caller still waits for the response.
        self._taken: dict[int, set[Callable[[], bool]]] = {}

    @contextmanager
    def taken(self, caller: int, waits: Callable[[], bool]) -> Iterator[None]:
        """Count a request for the length of the block; *waits* tells whether its caller still waits, and is its own.

        Raises:
            ProgramRefused: the caller makes as many already.
        """
        taken = self._taken.setdefault(caller, set())
        if len(taken) >= self._most:
            # Clients end a connection to cancel a call: that must not keep them from the next ones.
            taken -= {each for each in taken if not each()}
        if len(taken) >= self._most:
            raise ProgramRefused(Problem.TOO_MANY_REQUESTS, f"{self._most} at a time", retry_after=1)
        taken.add(waits)
        try:
            yield
        finally:
            taken.discard(waits)
            if not taken and self._taken.get(caller) is taken:
                del self._taken[caller]


class SharedPlaces:
    """*most* places of all callers, and *each* of one: a caller with slow requests leaves some to others."""

    def __init__(self, most: int, each: int) -> None:
        self._places = asyncio.Semaphore(most)
        self._each = each
        self._by_caller: dict[int, asyncio.Semaphore] = {}
        #: Blocks of a caller, those included that wait.
        self._blocks: Counter[int] = Counter()

    @asynccontextmanager
    async def taken(self, caller: int) -> AsyncIterator[None]:
        """Wait for a place, and have it for the length of the block."""
        own = self._by_caller.setdefault(caller, asyncio.Semaphore(self._each))
        self._blocks[caller] += 1
        try:
            async with own, self._places:
                yield
        finally:
            self._blocks[caller] -= 1
            if not self._blocks[caller]:
                del self._blocks[caller], self._by_caller[caller]
