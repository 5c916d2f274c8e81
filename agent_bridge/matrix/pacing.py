"""Pacing: after a 429, no request of the same user and kind is made before the time that the homeserver named.

The homeserver counts requests by user and by kind. A conversation waits for its turn. Background work, such as the
comparison of rooms, gets :class:`~agent_bridge.core.errors.RateLimited` at once: it goes on with other rooms and comes
back later.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_background: ContextVar[bool] = ContextVar("background", default=False)

#: The longest time, in seconds, for which background work is put off.
_LONGEST = 1800.0

#: The part of a path by which the homeserver limits requests, if it is not the last literal one.
_KINDS = {
    "createRoom": "createRoom",
    "join": "join",
    "invite": "invite",
    "profile": "profile",
    "presence": "presence",
    "send": "message",
    "redact": "message",
    "state": "message",
}


@contextmanager
def background() -> Iterator[None]:
    """Make a 429, and a request before its time, an error at once: the work can be done later."""
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


def is_background() -> bool:
    """Tell whether the present task is background work."""
    return _background.get()


def kind_of(method: str, path: str) -> str:
    """Return the kind of a request, whose limit it shares with others of the same user.

    Invitations have a limit for each room and each invited user, too, so others do not wait.
    """
    parts = path.split("/")
    if method == "PUT" and "m.room.member" in parts:
        # Invitations of a user have a limit, which is none of the messages of the sender.
        return f"member {parts[-1]}"
    found = next((kind for part, kind in _KINDS.items() if part in parts), None)
    if found == "invite":
        return f"invite {parts[-2]}"
    if found is None or method == "GET":
        return f"{method} {parts[-1] if found is None else found}"
    return found


class Pacer:
    """The times before which requests would be refused, by user and kind. One in each process."""

    def __init__(self) -> None:
        self._limits: dict[tuple[str, str], _Limit] = {}

    def limited(self, user: str, kind: str, seconds: float) -> None:
        """Record that the homeserver refuses requests of *kind* by *user* for *seconds*."""
        now = time.monotonic()
        self._limits = {key: limit for key, limit in self._limits.items() if limit.is_needed(now)}
        limit = self._limits.setdefault((user, kind), _Limit())
        limit.due, limit.step = now + seconds, seconds
        limit.next_slot = max(limit.next_slot, limit.due)

    def is_limited(self, user: str, kind: str) -> bool:
        """Tell whether a request of *kind* by *user* would be refused now."""
        limit = self._limits.get((user, kind))
        return limit is not None and limit.due > time.monotonic()

    def reserve(self, user: str, kind: str) -> float:
        """Return the seconds until a request of *kind* by *user* may succeed, behind those that asked before.

        The homeserver lets one request pass in each of the intervals that it names.
        """
        limit, now = self._limits.get((user, kind)), time.monotonic()
        if limit is None:
            return 0.0
        slot = max(limit.next_slot, now)
        limit.next_slot = min(slot + limit.step, now + _LONGEST)
        return slot - now

    @asynccontextmanager
    async def turn(self, user: str, kind: str, patience: float) -> AsyncIterator[float]:
        """Wait until *user* may make a request of *kind*, behind those that wait already; give the seconds waited.

        After *patience* seconds the wait ends in any case.
        """
        limit, started = self._limits.get((user, kind)), time.monotonic()
        if limit is None:
            yield 0.0
            return
        has_lock = False
        try:
            async with asyncio.timeout(patience):
                has_lock = await limit.lock.acquire()
                await asyncio.sleep(max(0.0, limit.due - time.monotonic()))
        except TimeoutError:
            pass
        try:
            yield time.monotonic() - started
        finally:
            if has_lock:
                limit.lock.release()


@dataclass(eq=False)
class _Limit:
    """A limit of the homeserver; times are those of the monotonic clock."""

    #: Before this time a request is refused.
    due: float = 0.0
    #: The interval that the homeserver named last.
    step: float = 0.0
    #: The first time for which no background work has asked.
    next_slot: float = 0.0
    #: Held by the request whose turn it is.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def is_needed(self, now: float) -> bool:
        return self.due > now or self.lock.locked()
