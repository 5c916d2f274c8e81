"""Runs operations: long work of the leader, one at a time, each step by step.

The position of an operation is stored with the results of its steps. After a kill, the steps behind the position are
done again, so each step must be harmless when it is repeated. Operations of one kind run one after the other. One that
takes long or fails lets other kinds pass.
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
#: Seconds after which an operation stops at its next step and lets other kinds pass.
_SLICE = 10.0
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
        slice_seconds: float = _SLICE,
    ) -> None:
        self._store = store
        self._runners = runners
        self._reports = reports
        self._signals = signals
        self._retry = retry
        self._slice = slice_seconds
        self._reported = 0.0
        #: When operations go on that the homeserver limits, by a monotonic clock. Others do not wait for them.
        self._limited: dict[int, float] = {}
        #: When kinds of operations go on of which one failed, by a monotonic clock.
        self._failed: dict[str, float] = {}
        #: Kinds that go on once each of the others had its time.
        self._rested: set[str] = set()

    async def run(self) -> None:
        """Run operations, until cancelled."""
        with self._signals.subscription(Topic.OPERATIONS) as wake:
            await every(FALLBACK, self._look, name="operations", wake=wake)

    async def _look(self) -> float | None:
        """Run what is due; return the seconds until one that waits is due, if that is soon."""
        await self.run_all()
        soonest = min([*self._limited.values(), *self._failed.values()], default=math.inf) - time.monotonic()
        return max(0.0, soonest) if soonest < FALLBACK else None

    async def run_all(self) -> None:
        """Run the operations that are not finished, but for those that wait after a failure or for a limit.

        Raises:
            StoreError: the next call goes on.
        """
        while True:
            now = time.monotonic()
            self._limited = {each: at for each, at in self._limited.items() if at > now}
            self._failed = {kind: at for kind, at in self._failed.items() if at > now}
            operation = await self._next()
            if operation is None:
                return
            await self._attempt(operation)

    async def _next(self) -> Operation | None:
        """Return the oldest due operation of a kind that has not had its time; if all have had it, they begin again."""
        found = await self._store.next(self._limited, [*self._failed, *self._rested])
        if found is None and self._rested:
            self._rested.clear()
            found = await self._store.next(self._limited, self._failed)
        return found

    async def _attempt(self, operation: Operation) -> None:
        """Run an operation to its end, to its next failure, or for its time if another kind waits."""
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
            self._limited[operation.id] = time.monotonic() + error.retry_after
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
            self._failed[operation.kind] = time.monotonic() + seconds

    async def _steps(self, operation: Operation, runner: Runner) -> None:
        steps, begun = runner(operation), time.monotonic()
        self._reported = begun
        try:
            async for progress in steps:
                await self._store.progress(operation, progress)
                operation = operation.after(progress)
                if time.monotonic() - self._reported >= _REPORT:
                    self._reported = time.monotonic()
                    await self._reports[operation.kind](operation)
                if time.monotonic() - begun >= self._slice:
                    if await self._store.next(self._limited, [*self._failed, operation.kind]) is not None:
                        self._rested.add(operation.kind)
                        return
                    begun = time.monotonic()
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
