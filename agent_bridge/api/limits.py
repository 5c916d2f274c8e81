"""Limits of a token: requests in a minute, and requests at a time."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        self._taken: Counter[int] = Counter()

    @contextmanager
    def taken(self, caller: int) -> Iterator[None]:
        """Count a request for the length of the block.

        Raises:
            ProgramRefused: the caller makes as many already.
        """
        if self._taken[caller] >= self._most:
            raise ProgramRefused(Problem.TOO_MANY_REQUESTS, f"{self._most} at a time", retry_after=1)
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]
