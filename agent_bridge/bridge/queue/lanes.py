"""Lanes: each conversation's turns in strict order, all conversations in parallel, spread over machines.

The queue (procrastinate) holds at most one waiting job for a lane, not one for each message: the job takes turns from
the head of its lane until none is left. The table of turns is the truth; a job is only an occasion to look.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, Self

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import DeleteJobCondition

from agent_bridge.bridge.queue.periodic import FailureLog
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverUnavailable, StoreError, StoreRefused
from agent_bridge.core.turns import TurnState
from agent_bridge.store.locks import LANE
from agent_bridge.store.queue import QUEUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.core.turns import Turn, TurnKind
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.database import Connection, Database
    from agent_bridge.store.locks import Locks
    from agent_bridge.store.queue import Queue
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks for jobs, for those that NOTIFY misses.
POLLING_INTERVAL = 0.5
#: Seconds between two looks for lanes that nobody works off: a retry that has become due waits that long at most.
_SWEEP = 0.5
#: Seconds for which a job has to look like an orphan: one that starts or ends does so for a moment. One that is taken
#: for an orphan in error does no harm: the lane's lock is what counts.
_ORPHANED = 0.4
#: Workers that may die over one turn before it counts as what kills them.
MAX_INTERRUPTIONS = 15
_PATIENCE = Backoff(first=1, cap=60)
_RESTART = Backoff(first=0.5, cap=10)


class Handler(Protocol):
    """Who carries out the turns of one kind."""

    async def handle(self, turn: Turn, /) -> None:
        """Carry *turn* out and close it, or put it back; when this returns, one of both is committed.

        Has to find what an earlier attempt left, and go on from there.
        """

    async def give_up(self, turn: Turn, cause: str, /) -> None:
        """Tell the people that *turn* failed because of *cause*, and close it."""


class Lanes:
    """The queue's worker and its door. Use as async context manager; :meth:`run` works until it is cancelled."""

    def __init__(
        self,
        database: Database,
        turns: Turns,
        locks: Locks,
        queue: Queue,
        handlers: Mapping[TurnKind, Handler],
        *,
        max_active: int,
        max_attempts: int,
        drain_timeout: float,
        texts: Texts,
    ) -> None:
        self._database = database
        self._turns = turns
        self._locks = locks
        self._queue = queue
        self._handlers = handlers
        self._max_active = max_active
        self._max_attempts = max_attempts
        self._drain_timeout = drain_timeout
        self._texts = texts
        self._stopping = False
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._job = self._app.task(name="lane", queue=QUEUE)(self._process_lane)

    async def __aenter__(self) -> Self:
        await self._app.connector.open_async(self._database.pool)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._app.connector.close_async()

    async def wake(self, connection: Connection, lanes: Sequence[int]) -> None:
        """Have *lanes* worked off once the transaction of *connection* is committed."""
        # Sorted, so that two transactions that wake the same lanes never wait for each other.
        for lane in sorted(lanes):
            await self._defer(connection, lane)

    async def run(self) -> None:
        """Work lanes off until cancelled; then finish what runs, within the drain timeout."""
        await self.retry_now()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep())
            group.create_task(self._keep_working())
            try:
                await asyncio.Event().wait()
            finally:
                # Before the worker is told to end: its lanes shall not take up another turn.
                self._stopping = True
                _log.info("finishing what runs", seconds=self._drain_timeout)

    async def retry_now(self) -> None:
        """Let what waits for the homeserver begin at once, for it may be well since."""
        try:
            await self._queue.retry_now()
        except StoreError as error:
            _log.warning("what waits goes on waiting", error=str(error))

    async def _keep_working(self) -> None:
        """Run a worker; one that ends by itself (the database was away) is followed by another."""
        failures = 0
        while True:
            started = time.monotonic()
            await self._run_worker()
            failures = 0 if time.monotonic() - started > _RESTART.cap else failures + 1
            await asyncio.sleep(_RESTART.delay(failures))

    async def _run_worker(self) -> None:
        try:
            await self._app.run_worker_async(
                queues=[QUEUE],
                concurrency=self._max_active,
                fetch_job_polling_interval=POLLING_INTERVAL,
                shutdown_graceful_timeout=self._drain_timeout,
                delete_jobs=DeleteJobCondition.ALWAYS,
                install_signal_handlers=False,
            )
        except ConnectorException as error:
            _log.error("the queue failed, starting again", error=str(error))

    async def _defer(self, connection: Connection, lane: int) -> None:
        name = f"lane-{lane}"
        job = self._job.configure(connection=connection, lock=name, queueing_lock=name)
        try:
            # A violated queueing lock aborts the transaction that it happens in.
            async with connection.transaction():
                await job.defer_async(lane=lane)
        except AlreadyEnqueued:
            pass
        except ConnectorException as error:
            raise StoreError(f"the queue failed: {error}") from error

    async def _process_lane(self, lane: int) -> None:
        try:
            async with self._locks.hold(LANE, lane) as held:
                # Whoever holds it takes what there is; what is left when they end, the sweep finds.
                while held and not self._stopping and (turn := await self._turns.take(lane)) is not None:
                    await self._process_turn(turn)
        except StoreError as error:
            _log.warning("a lane is left to be found again", lane=lane, error=str(error))

    async def _process_turn(self, turn: Turn) -> None:
        with structlog.contextvars.bound_contextvars(event_id=turn.event_id, turn=turn.key):
            try:
                if turn.interruptions >= MAX_INTERRUPTIONS:
                    times = self._texts.count(turn.interruptions, self._texts.time)
                    await self._give_up(turn, self._texts.bridge_ended.format(times=times))
                else:
                    await self._handlers[turn.kind].handle(turn)
            except StoreRefused as error:
                await self._fail(turn, error)
            except StoreError:
                # Without the database nothing can be written down; the job ends, and the sweep finds the lane again.
                raise
            except HomeserverUnavailable as error:
                _log.warning("turn waits for the homeserver", error=str(error))
                await self._turns.put_back(
                    turn, delay=_PATIENCE.delay(turn.attempts), failed=False, why=error.says(self._texts)
                )
            except Exception as error:  # noqa: BLE001  # one turn's trouble must not end the lane
                await self._fail(turn, error)

    async def _fail(self, turn: Turn, error: Exception) -> None:
        unexpected = not isinstance(error, BridgeError)
        cause = error.says(self._texts) if isinstance(error, BridgeError) else self._texts.bridge_failed
        _log.error("turn failed", error=str(error), attempts=turn.attempts, exc_info=error if unexpected else None)
        if turn.failures + 1 < self._max_attempts:
            delay = _PATIENCE.delay(turn.failures + 1)
            await self._turns.put_back(turn, delay=delay, failed=True, why=cause)
            return
        await self._give_up(turn, cause)

    async def _give_up(self, turn: Turn, cause: str) -> None:
        _log.error("turn set aside: `!ab retry` asks it again", cause=cause)
        try:
            await self._handlers[turn.kind].give_up(turn, cause)
        except HomeserverUnavailable as error:
            await self._turns.put_back(
                turn, delay=_PATIENCE.delay(turn.attempts), failed=False, why=error.says(self._texts)
            )
        except Exception as error:  # noqa: BLE001  # likewise: the lane goes on, and the log says what was not told
            _log.error("turn failed, and the room cannot be told", error=str(error))
            await self._turns.finish(turn, TurnState.FAILED, {}, error=f"{cause}; the room was not told: {error}")

    async def _sweep(self) -> None:
        """Again and again: free the lanes of dead workers, and wake every lane that has an open turn and no job."""
        suspects: dict[int, float] = {}
        grumble = FailureLog(_log, "cannot look for open turns")
        while True:
            try:
                now = time.monotonic()
                suspects = {job: suspects.get(job, now) for job in await self._queue.orphans()}
                if lost := [job for job, since in suspects.items() if now - since >= _ORPHANED]:
                    _log.warning("taking over the lanes of a dead worker", lanes=len(lost))
                    await self._queue.remove(lost)
                if idle := await self._queue.idle_lanes():
                    async with self._database.transaction() as connection:
                        await self.wake(connection, idle)
            except StoreError as error:
                grumble.over(error)
            else:
                grumble.well()
            await asyncio.sleep(_SWEEP)
