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
from agent_bridge.core.operations import OperationState, Pause
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from agent_bridge.core.operations import Operation, Progress
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.operations import OperationStore
    from agent_bridge.store.postgres.signals import Signals

    #: Does the steps of an operation from its cursor on.
    Runner = Callable[[Operation], AsyncGenerator[Progress | Pause, None]]
    #: Shows the progress or the result of an operation. A repeat with the same operation changes nothing.
    Report = Callable[[Operation], Awaitable[None]]

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=60)
#: Failures in a row, without any progress, after which an operation fails.
_MOST_TRIES = 20
#: Seconds until the first report of the progress, and between two of them.
_FIRST_REPORT, _REPORT = 3.0, 5.0
#: Seconds after which an operation stops at its next step and lets other kinds pass.
_SLICE = 10.0
#: Seconds between two looks at an operation that somebody waits for.
_LOOK = 0.25


class Operations:
    """Runs operations with *runners*, by kind, and has their progress shown by *reports*, by kind.

    The cause of a failure is stored in the language of *texts*.
    """

    def __init__(
        self,
        store: OperationStore,
        runners: Mapping[str, Runner],
        reports: Mapping[str, Report],
        signals: Signals,
        texts: Texts,
        *,
        retry: Backoff = _RETRY,
        slice_seconds: float = _SLICE,
    ) -> None:
        self._store = store
        self._runners = runners
        self._reports = reports
        self._signals = signals
        self._texts = texts
        self._retry = retry
        self._slice = slice_seconds
        #: When the progress of each operation is shown next, by a monotonic clock.
        self._shown_next: dict[int, float] = {}
        #: When operations go on that the homeserver limits, or that pause, by a monotonic clock. Others do not wait for
        #: them.
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
        """Run the operations that are not finished, but for those that wait: for a limit, for other work, for a retry.

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
                await self._show(reached, waits=error.retry_after)
        except BridgeError as error:
            await self._step_failed(operation, error)

    async def _step_failed(self, operation: Operation, error: BridgeError) -> None:
        """Have the operation tried again later; after too many failures it ends."""
        if operation.tries + 1 >= _MOST_TRIES:
            log = _log.error if operation.tries + 1 == _MOST_TRIES else _log.debug
            log("an operation failed", operation=operation.id, kind=operation.kind, error=str(error))
            await self._finish(operation, error.says(self._texts))
        else:
            await self._try_later(operation, error)

    async def _try_later(self, operation: Operation, error: BridgeError) -> None:
        seconds = self._retry.delay(operation.tries + 1)
        log = _log.warning if operation.tries == 0 else _log.debug
        log("an operation is tried again", operation=operation.id, error=str(error), seconds=seconds)
        await self._store.failed(operation.id)
        self._failed[operation.kind] = time.monotonic() + seconds

    async def _steps(self, operation: Operation, runner: Runner) -> None:
        steps, begun = runner(operation), time.monotonic()
        self._shown_next.setdefault(operation.id, begun + _FIRST_REPORT)
        try:
            async for step in steps:
                if isinstance(step, Pause):
                    self._limited[operation.id] = time.monotonic() + step.seconds
                    await self._show(operation)
                    return
                await self._store.progress(operation, step)
                operation = operation.after(step)
                await self._show(operation)
                if time.monotonic() - begun >= self._slice:
                    if await self._store.next(self._limited, [*self._failed, operation.kind]) is not None:
                        self._rested.add(operation.kind)
                        return
                    begun = time.monotonic()
        finally:
            await steps.aclose()
        await self._finish(operation, None)

    async def _show(self, operation: Operation, *, waits: float = 0.0) -> None:
        """Show the progress if the time for that has come, or if the operation *waits* for longer than that."""
        now = time.monotonic()
        if now >= self._shown_next.setdefault(operation.id, now + _FIRST_REPORT) or waits >= _REPORT:
            self._shown_next[operation.id] = now + _REPORT
            await self._reports[operation.kind](operation)

    async def _finish(self, operation: Operation, error: str | None) -> None:
        """Show the result, and end the operation: a kill between the two shows the result again.

        A result that cannot be shown now is no failure of the operation. It is shown later, however long that takes.
        """
        state = OperationState.DONE if error is None else OperationState.FAILED
        try:
            await self._reports[operation.kind](replace(operation, state=state, error=error))
        except (StoreError, RateLimited):
            raise
        except BridgeError as unshown:
            await self._try_later(operation, unshown)
            return
        await self._store.finish(operation.id, error)
        self._shown_next.pop(operation.id, None)

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
