"""Runs operations: long work of the leader, one after the other, each step by step.

The position of an operation is stored with the results of its steps. After a kill, the steps behind the position are
done again, so each step must be harmless when it is repeated.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, RateLimited, StoreError
from agent_bridge.core.operations import OperationState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from agent_bridge.core.operations import Operation, Progress
    from agent_bridge.store.operations import OperationStore
    from agent_bridge.store.postgres.signals import Signals

    #: Does the steps of an operation from its cursor on.
    Runner = Callable[[Operation], AsyncGenerator[Progress, None]]
    #: Shows the progress or the result of an operation. A repeat with the same operation changes nothing.
    Report = Callable[[Operation], Awaitable[None]]

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=60)
#: Failures in a row, without any progress, after which an operation fails.
_MOST_TRIES = 20
#: Seconds between two reports of the progress.
_REPORT = 5.0
#: Seconds between two looks at an operation that somebody waits for.
_LOOK = 0.25


class Operations:
    """Runs operations with *runners*, by kind, and has their progress shown by *reports*, by kind."""

    def __init__(
        self,
        store: OperationStore,
        runners: Mapping[str, Runner],
        reports: Mapping[str, Report],
        signals: Signals,
        *,
        retry: Backoff = _RETRY,
    ) -> None:
        self._store = store
        self._runners = runners
        self._reports = reports
        self._signals = signals
        self._retry = retry
        self._reported = 0.0
        #: When operations go on that the homeserver limits, by a monotonic clock. Others do not wait for them.
        self._later: dict[int, float] = {}

    async def run(self) -> None:
        """Run operations, until cancelled."""
        with self._signals.subscription(Topic.OPERATIONS) as wake:
            await every(FALLBACK, self._look, name="operations", wake=wake)

    async def _look(self) -> float | None:
        """Run what is due; return the seconds until a limit of the homeserver is over, if that is soon."""
        await self.run_all()
        soonest = min(self._later.values(), default=math.inf) - time.monotonic()
        return max(0.0, soonest) if soonest < FALLBACK else None

    async def run_all(self) -> None:
        """Run the operations that are not finished, but for those that wait for a limit of the homeserver.

        Raises:
            StoreError: the next call goes on.
        """
        while True:
            now = time.monotonic()
            self._later = {each: at for each, at in self._later.items() if at > now}
            operation = await self._store.next(self._later)
            if operation is None:
                return
            await self._attempt(operation)

    async def _attempt(self, operation: Operation) -> None:
        """Run an operation to its end, or to its next failure."""
        runner = self._runners.get(operation.kind)
        if runner is None:
            # A later version of the program wrote it.
            await self._store.finish(operation.id, f"unknown kind: {operation.kind}")
            return
        try:
            await self._steps(operation, runner)
        except StoreError:
            raise
        except RateLimited as error:
            self._later[operation.id] = time.monotonic() + error.retry_after
            reached = await self._store.find(operation.id)
            if reached is not None:
                await self._reports[operation.kind](reached)
        except BridgeError as error:
            if operation.tries + 1 >= _MOST_TRIES:
                _log.error("an operation failed", operation=operation.id, kind=operation.kind, error=str(error))
                await self._finish(operation, error.says(ENGLISH))
                return
            seconds = self._retry.delay(operation.tries + 1)
            log = _log.warning if operation.tries == 0 else _log.debug
            log("an operation is tried again", operation=operation.id, error=str(error), seconds=seconds)
            await self._store.failed(operation.id)
            await asyncio.sleep(seconds)

    async def _steps(self, operation: Operation, runner: Runner) -> None:
        steps, self._reported = runner(operation), time.monotonic()
        try:
            async for progress in steps:
                await self._store.progress(operation, progress)
                operation = operation.after(progress)
                if time.monotonic() - self._reported >= _REPORT:
                    self._reported = time.monotonic()
                    await self._reports[operation.kind](operation)
        finally:
            await steps.aclose()
        await self._finish(operation, None)

    async def _finish(self, operation: Operation, error: str | None) -> None:
        """Show the result, and end the operation: a kill between the two shows the result again."""
        state = OperationState.DONE if error is None else OperationState.FAILED
        await self._reports[operation.kind](replace(operation, state=state, error=error))
        await self._store.finish(operation.id, error)

    async def wait(self, operation: int, seen: Callable[[Operation], None]) -> Operation:
        """Wait for the end of an operation that this or another process runs; return it. *seen* gets its progress.

        Raises:
            StoreError: it is not known.
        """
        last = -1
        while True:
            found = await self._store.find(operation)
            if found is None:
                raise StoreError(f"there is no operation {operation}")
            if found.is_finished:
                return found
            if found.done != last:
                last = found.done
                seen(found)
            await asyncio.sleep(_LOOK)
