"""Periodic work: one loop for all parts that look at something again and again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, WorkEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Never

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two runs of work that signals wake. The session of a process notices when it loses signals, and wakes
#: all work then; these runs find a change that lacks its signal.
FALLBACK = 120.0
#: Seconds between two runs of work that also depends on changes without signals, such as the time of the database (its
#: clock may be set), or the state of rooms.
LOOK = 15.0
#: Seconds between two runs of work that signals alone wake: longer than a process runs.
ONLY_WOKEN = 31_536_000.0
#: Seconds between two runs at least, however many signals come: of cheap work, and of work that reads many rows.
_REST, LONG_REST = 0.02, 0.5
_RETRY = Backoff(first=0.5, cap=5)


async def every(
    seconds: float,
    work: Callable[[], Awaitable[float | None]],
    *,
    name: str,
    wake: asyncio.Event | None = None,
    rest: float = _REST,
    retry: Backoff = _RETRY,
) -> Never:
    """Run *work* now and again and again, until cancelled.

    After each run there is a pause: the seconds that *work* returns, *seconds* if it returns None, those of *retry* if
    it raises a :class:`BridgeError`. Setting *wake* ends the pause, but for its first *rest* seconds. Of several
    failures in a row the log has the first, and the success that ends them, under *name*. Any other error, and
    :class:`WorkEnded`, ends the loop and is raised.
    """
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        if wake is not None:
            wake.clear()
        started = loop.time()
        try:
            due = await work()
        except WorkEnded:
            # A repeat would hide that a part of the work is gone.
            raise
        except BridgeError as error:
            if (task := asyncio.current_task()) and task.cancelling():
                # The work was cancelled, and failed as it ended: to go on would leave the cancellation out.
                raise asyncio.CancelledError from error
            # Work that went on for long, as a worker's or a leader's does, did not fail in a row.
            failures = failures + 1 if loop.time() - started <= retry.cap else 1
            if failures == 1:
                _log.warning("periodic work failed", work=name, error=str(error))
            pause = retry.delay(failures)
        else:
            if failures:
                _log.info("periodic work succeeds again", work=name, failures=failures)
            failures = 0
            pause = seconds if due is None else due
        await asyncio.sleep(pause if wake is None else min(rest, pause))
        if wake is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause - rest):
                    await wake.wait()
