"""Budget: how many edits all growing answers together may cost the homeserver."""

from __future__ import annotations

import asyncio
import time

#: By how much a homeserver that has enough slows the edits down, and how fast they recover with each that it takes.
_WIDEN, _RECOVER, _WIDEST = 2.0, 0.9, 32.0


class EditBudget:
    """A token bucket that gives everybody who waits one edit in turn, *per_second* in all.

    Only edits that may as well come later, or never, ask here. First words and whole answers do not wait.
    """

    def __init__(self, per_second: float) -> None:
        self._period = 1 / per_second
        self._slower = 1.0
        self._next = 0.0
        # First come, first served: nobody gets a second edit before everybody who waits got one.
        self._queue = asyncio.Lock()

    async def wait(self) -> None:
        """Return when the caller may make one edit."""
        async with self._queue:
            # What was saved up in silence is one second's worth at most.
            self._next = max(self._next, time.monotonic() - 1.0)
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            # Not before: who stops waiting has used nothing.
            self._next += self._period * self._slower

    def taken(self) -> None:
        """Note that the homeserver took an edit."""
        self._slower = max(1.0, self._slower * _RECOVER)

    def refused(self) -> None:
        """Note that the homeserver had enough."""
        self._slower = min(_WIDEST, self._slower * _WIDEN)
        self._next = max(self._next, time.monotonic() + self._period * self._slower)
