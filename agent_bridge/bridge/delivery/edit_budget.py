"""The budget of edits that all growing answers share."""

from __future__ import annotations

import asyncio

#: Factor by which a 429 of the homeserver widens the time between edits, factor by which each accepted edit narrows it,
#: and the widest.
_WIDEN, _RECOVER, _WIDEST = 2.0, 0.9, 32.0


class EditBudget:
    """A token bucket of *per_second* edits in all rooms together; waiting answers get one edit each in turn.

    Only edits that may come later, or never, ask here. First words and whole answers do not wait.
    """

    def __init__(self, per_second: float) -> None:
        self._period = 1 / per_second
        self._slower = 1.0
        self._next = 0.0
        # First come, first served: each waiting answer gets one edit before any answer gets a second one.
        self._queue = asyncio.Lock()

    async def wait(self) -> None:
        """Return when the caller may make one edit. A caller that is cancelled uses no edit."""
        async with self._queue:
            # A silent time saves up at most one second's edits.
            now = asyncio.get_running_loop().time()
            self._next = max(self._next, now - 1.0)
            await asyncio.sleep(max(0.0, self._next - now))
            self._next += self._period * self._slower

    def taken(self) -> None:
        """Note that the homeserver accepted an edit."""
        self._slower = max(1.0, self._slower * _RECOVER)

    def refused(self) -> None:
        """Note that the homeserver limited the rate of edits."""
        self._slower = min(_WIDEST, self._slower * _WIDEN)
        self._next = max(self._next, asyncio.get_running_loop().time() + self._period * self._slower)
