"""Worker: takes turns from the heads of the lanes and hands each to the handler of its kind."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from agent_bridge.bridge.queue.pauses import Pauses
from agent_bridge.bridge.queue.periodic import LOOK, every
from agent_bridge.bridge.queue.supervision import run_endless
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import (
    BridgeError,
    HomeserverRefused,
    HomeserverUnavailable,
    LockLost,
    StoreError,
    StoreRefused,
    TurnLost,
    UserNotRegistered,
)
from agent_bridge.core.turns import TurnState
from agent_bridge.store.postgres.locks import LANE, PROCESS
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.config.conversations import LanesConfig
    from agent_bridge.core.turns import Turn, TurnKind
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.locks import Locks
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.queue import Queue, QueueState
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks at the queue while it has jobs. A new job has a signal.
_BUSY = 0.5
#: Seconds for which a job has to look like an orphan: one that starts or ends does so for a moment. To remove a job in
#: error does no harm: the lane's lock decides which worker processes the lane.
_ORPHANED = 0.4
#: Workers that may die over one turn before the turn is given up.
MAX_INTERRUPTIONS = 15
_PUT_BACK = Backoff(first=1, cap=60)
_RESTART = Backoff(first=0.5, cap=10)
#: Pauses of a lane whose turn failed because of the database.
_DATABASE_FAILED = Backoff(first=0.5, cap=60)
#: HTTP statuses of a refusal that may be due to the state of the room: forbidden, and not found.
_DOUBTFUL = (403, 404)


class Handler(Protocol):
    """Handles the turns of one kind."""

    async def handle(self, turn: Turn, /) -> bool | None:
        """Handle *turn* and close it, or put it back; when this returns, one of both is committed.

        Finds the traces of an earlier attempt, and continues from there. Returns True if the turn was the last open one
        of its lane. Otherwise the worker looks for the next one.
        """

    async def give_up(self, turn: Turn, cause: str, /) -> None:
        """Tell the people that *turn* failed because of *cause*, and close it."""


class Worker:
    """Processes lanes, as many at once as configured; :meth:`run` works until it is cancelled."""

    def __init__(
        self,
        lanes: Lanes,
        database: Database,
        turns: Turns,
        locks: Locks,
        queue: Queue,
        signals: Signals,
        handlers: Mapping[TurnKind, Handler],
        config: LanesConfig,
        texts: Texts,
    ) -> None:
        self._lanes = lanes
        self._database = database
        self._turns = turns
        self._locks = locks
        self._queue = queue
        self._signals = signals
        self._handlers = handlers
        self._config = config
        self._texts = texts
        self._stopping = False
        #: The number of lanes that are processed.
        self.busy_lanes = 0
        #: Jobs that looked like orphans at the last look, and since when, by a monotonic clock.
        self._suspects: dict[int, float] = {}
        #: When the queue is to be looked at again without news of it, by the clock of the event loop.
        self._next_sweep = 0.0
        self._pauses = Pauses(_DATABASE_FAILED)
        lanes.set_processor(self._process_lane)

    async def run(self) -> None:
        """Process lanes until cancelled; then finish the turns that run, within the drain timeout."""
        await self._lanes.retry_now()
        await self._free_lanes()
        with (
            self._signals.subscription(Topic.LANES) as wake,
            self._signals.subscription(Topic.LANES, Topic.JOBS) as news,
        ):
            await run_endless(
                # The first that is cancelled, before the queue's worker: its lanes must not claim another turn.
                stop=self._wait_for_stop(),
                sweep=every(_BUSY, partial(self._sweep_if_due, news), name="sweep of the lanes", wake=wake),
                queue=every(_RESTART.first, self._work, name="worker of the queue", retry=_RESTART),
            )

    async def _wait_for_stop(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self._stopping = True
            _log.info("finishing running turns", seconds=self._config.answers_timeout)

    async def _free_lanes(self) -> None:
        """Free the lanes of an earlier process at once, if no other process runs and may be starting a job."""
        try:
            async with self._locks.hold(PROCESS, 0) as alone:
                if alone and (orphans := (await self._queue.look()).orphans):
                    await self._remove(orphans)
        except StoreError as error:
            _log.warning("the lanes of an earlier process are left to the sweep", error=str(error))

    async def _work(self) -> None:
        await self._lanes.work(concurrency=self._config.max_active_lanes, drain_timeout=self._config.answers_timeout)

    async def _sweep_if_due(self, news: asyncio.Event) -> float:
        """Sweep if there is *news* of lanes or jobs, or if that is due; return the seconds until the next call.

        The signal of a job does not end a pause: many messages cause no more sweeps than one.
        """
        clock = asyncio.get_running_loop().time
        if news.is_set() or clock() >= self._next_sweep:
            news.clear()
            self._next_sweep = 0.0
            pause = await self._sweep()
            self._next_sweep = clock() + pause
        return max(0.0, min(_BUSY, self._next_sweep - clock()))

    async def _sweep(self) -> float:
        """Free the lanes of dead workers, and wake each lane that has a turn to claim and no job.

        Returns the seconds until the next look.
        """
        state = await self._queue.look()
        if lost := self._lost(state):
            await self._remove(lost)
            state = await self._queue.look()
        if idle := [lane for lane in state.idle if self._pauses.left(lane) <= 0]:
            async with self._database.transaction() as connection:
                await self._lanes.wake(connection, idle)
        if state.startable:
            # The queue's worker may have missed the signal.
            self._signals.send(Topic.JOBS)
        pauses = [_BUSY if state.busy or state.idle else LOOK]
        pauses += [] if state.due_in is None else [state.due_in]
        pauses += [since + _ORPHANED - time.monotonic() for since in self._suspects.values()]
        return max(0.0, min(pauses))

    async def _remove(self, jobs: Collection[int]) -> None:
        _log.warning("taking over the lanes of a dead worker", lanes=len(jobs))
        await self._queue.remove(jobs)

    def _lost(self, state: QueueState) -> list[int]:
        """Return the jobs that have been orphans for long enough, and remember the others."""
        now = time.monotonic()
        suspects = {job: self._suspects.get(job, now) for job in state.orphans}
        lost = [job for job, since in suspects.items() if now - since >= _ORPHANED]
        self._suspects = {job: since for job, since in suspects.items() if job not in lost}
        return lost

    async def _process_lane(self, lane: int) -> None:
        if self._pauses.left(lane) > 0:
            # The sweep wakes the lane again.
            return
        turn: Turn | None = None
        self.busy_lanes += 1
        try:
            async with self._locks.hold(LANE, lane) as held:
                # The worker that holds the lock takes all turns; the sweep finds those that it leaves.
                while held and not self._stopping and (turn := await self._take(lane)) is not None:
                    if await self._process_turn(turn):
                        # A turn that was written in the meantime has a job, which waits for this one.
                        return
        except StoreError as error:
            seconds = self._pauses.begin(lane)
            # People close turns in the ordinary course: they redact the question, or remove the agent.
            level = logging.INFO if isinstance(error, TurnLost) else logging.WARNING
            _log.log(level, "a lane is left to the sweep", lane=lane, error=str(error), seconds=seconds)
            if isinstance(error, LockLost) and turn is not None:
                await self._show_again(turn)
        finally:
            self.busy_lanes -= 1

    async def _show_again(self, turn: Turn) -> None:
        """Have the end of *turn* shown once more if another worker has ended it behind the back of this one."""
        try:
            if await self._turns.show_again(turn):
                _log.warning("a turn that another worker ended is shown once more", turn=turn.key)
        except StoreError as error:
            _log.warning("a turn is not shown once more", turn=turn.key, error=str(error))

    async def _take(self, lane: int) -> Turn | None:
        """Claim the turn at the head of *lane*; not if the database failed before, and could not store its answer."""
        turn = await self._turns.take(lane, self._locks.process)
        if turn is not None and lane in self._pauses:
            # An upstream that is asked in vain may act each time.
            await self._turns.rehearse(turn)
        return turn

    async def _process_turn(self, turn: Turn) -> bool | None:
        """Process *turn*; return True if it was the last open one of its lane."""
        with structlog.contextvars.bound_contextvars(event_id=turn.event_id, turn=turn.key):
            is_last: bool | None = False
            try:
                if turn.interruptions >= MAX_INTERRUPTIONS:
                    times = self._texts.count(turn.interruptions, self._texts.time)
                    await self._give_up(turn, self._texts.bridge_ended.format(times=times))
                elif turn.is_unreadable:
                    await self._give_up(turn, self._texts.bridge_failed)
                else:
                    is_last = await self._handlers[turn.kind].handle(turn)
            except StoreRefused as error:
                await self._fail(turn, error)
            except UserNotRegistered as error:
                await self._wait_for_homeserver(turn, error, doubted=True)
            except StoreError:
                # Without the database nothing can be written down; the job ends, and the sweep finds the lane again.
                raise
            except HomeserverUnavailable as error:
                _log.warning("turn waits for the homeserver", error=str(error))
                await self._wait_for_homeserver(turn, error)
            except Exception as error:  # noqa: BLE001  # the failure of one turn must not end the lane
                await self._fail(turn, error)
            self._pauses.end(turn.conversation)
            return is_last

    async def _wait_for_homeserver(self, turn: Turn, error: HomeserverUnavailable, *, doubted: bool = False) -> None:
        # Attempts that failed, or whose upstream was away, say nothing about the homeserver.
        delay = _PUT_BACK.delay(turn.attempts - turn.failures - turn.upstream_waits)
        await self._turns.put_back(turn, delay=delay, failed=False, why=error.says(self._texts), doubted=doubted)

    async def _fail(self, turn: Turn, error: Exception) -> None:
        unexpected = not isinstance(error, BridgeError)
        cause = error.says(self._texts) if isinstance(error, BridgeError) else self._texts.bridge_failed
        _log.error("turn failed", error=str(error), attempts=turn.attempts, exc_info=error if unexpected else None)
        if turn.failures + 1 < self._config.max_attempts:
            delay = _PUT_BACK.delay(turn.failures + 1)
            # Perhaps the ghost is not in the room any more, or the room does not exist.
            doubted = isinstance(error, HomeserverRefused) and error.status in _DOUBTFUL
            await self._turns.put_back(turn, delay=delay, failed=True, why=cause, doubted=doubted)
            return
        await self._give_up(turn, cause)

    async def _give_up(self, turn: Turn, cause: str) -> None:
        _log.error("turn failed for good: `!ab retry` asks again", cause=cause)
        try:
            await self._handlers[turn.kind].give_up(turn, cause)
        except HomeserverUnavailable as error:
            await self._wait_for_homeserver(turn, error)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  # likewise, and the log has the cause
            _log.error("turn failed, and the notice was not sent", error=str(error))
            await self._turns.finish(turn, TurnState.FAILED, {}, error=f"{cause}; the room was not told: {error}")
