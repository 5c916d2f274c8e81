"""Whether the tokens of streams, and of requests that took long, still count."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from agent_bridge.store.tokens import Tokens

#: Seconds for which a token that counts is not read again: streams with many events would ask for each of them.
_FRESH = 0.5
#: Seconds after which the token of a request is looked at again: it may have been revoked.
_LONG = 2.0


async def require_counting(tokens: Tokens, token: int, begin: float, *, waits: bool = False) -> None:
    """Return if *token* counts after work that began at *begin*, by a monotonic clock; short work is not looked at.

    *waits*: the work waits for others, so it counts as long.

    Raises:
        ProgramRefused: the token was revoked meanwhile.
        StoreError: it cannot be read.
    """
    if (waits or time.monotonic() - begin > _LONG) and not await tokens.counts(token):
        raise ProgramRefused(Problem.TOKEN_INVALID)


class TokenWatch:
    """Reads the tokens of all open streams by one statement, when one of them has an event, at most twice a second."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._reading: asyncio.Task[None] | None = None
        #: Numbers of open streams, by token.
        self._watched: Counter[int] = Counter()
        #: The tokens that were read last, those of them that counted, and when that was known.
        self._read: frozenset[int] = frozenset()
        self._counting: frozenset[int] = frozenset()
        self._read_at = 0.0

    @contextmanager
    def watched(self, token: int) -> Iterator[Callable[[], Awaitable[bool]]]:
        """Watch a token during a stream; the function tells whether it counted within the last half second.

        The function raises :class:`StoreError` if that cannot be read.
        """
        self._watched[token] += 1
        try:
            yield partial(self._counts, token)
        finally:
            self._watched[token] -= 1
            if not self._watched[token]:
                del self._watched[token]

    async def _counts(self, token: int) -> bool:
        while token not in self._read or time.monotonic() - self._read_at >= _FRESH:
            if self._reading is None:
                self._reading = asyncio.create_task(self._look())
            # Other streams wait for it, too.
            await asyncio.shield(self._reading)
        return token in self._counting

    async def _look(self) -> None:
        try:
            wanted = frozenset(self._watched)
            self._counting = await self._tokens.counting(wanted)
            self._read, self._read_at = wanted, time.monotonic()
        finally:
            self._reading = None
