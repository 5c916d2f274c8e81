"""Lanes: each conversation's turns in strict order, all conversations in parallel, spread over processes.

The queue (procrastinate) holds at most one waiting job for a lane, not one for each message: the job takes turns from
the head of its lane until none is left. The table of turns is the truth; a job is only an occasion to look.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, LiteralString, Self

import procrastinate
import structlog
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.store.queue import JOB_CHANNEL, QUEUE, TASK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from procrastinate.connector import Notify

    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.queue import Queue

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks for jobs whose signal was lost.
POLLING_INTERVAL = 30.0
#: Seconds after which a worker is told of jobs a second time: it forgets a signal that comes while it looks for jobs.
_AGAIN = 0.25
#: Database connections that the library's statements need: they are short.
JOB_CONNECTIONS = 2
_JOB_INSERTED = '{"type": "job_inserted", "job_id": 0}'
#: The beginning of the database's message about the end of a job that is no longer there.
_NO_JOB = "Job was not found"


class _Connector(procrastinate.PsycopgConnector):
    """Procrastinate's access to the database.

    Workers hear of jobs by the process's one session: the library's own listener is a further connection, and jobs that
    are deferred while it connects wait for the next poll. A job may end although another process has removed it and
    taken its lane over: a task of the library would end with an error that nothing reads.
    """

    def __init__(self, signals: Signals) -> None:
        super().__init__()
        self._signals = signals

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        try:
            await super().execute_query_async(query, **arguments)
        except ConnectorException as error:
            if not str(error.__cause__).startswith(_NO_JOB):
                raise
            _log.info("another process took the lane of a job over", job=arguments.get("job_id"))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:  # noqa: ARG002  # theirs
        with self._signals.subscription(Topic.JOBS) as news:
            # The worker may have looked for jobs before the subscription.
            news.set()
            while True:
                await news.wait()
                while news.is_set():
                    news.clear()
                    await on_notification(channel=JOB_CHANNEL, payload=_JOB_INSERTED)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_AGAIN):
                            await news.wait()
                await on_notification(channel=JOB_CHANNEL, payload=_JOB_INSERTED)


class Lanes:
    """The queue of the lanes' jobs. Use as async context manager.

    The connections of *database* need not wait for the disk: a job that a crash of PostgreSQL loses, or brings back, is
    only an occasion to look.
    """

    def __init__(self, database: Database, queue: Queue, signals: Signals) -> None:
        self._database = database
        self._queue = queue
        self._app = procrastinate.App(connector=_Connector(signals))

    async def __aenter__(self) -> Self:
        await self._app.connector.open_async(self._database.pool)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._app.connector.close_async()

    async def wake(self, connection: Connection, lanes: Collection[int]) -> None:
        """Have *lanes* processed once the transaction of *connection* is committed."""
        if lanes:
            await self._queue.wake(connection, lanes)

    async def retry_now(self) -> None:
        """Make the turns due that wait for the homeserver: it may have recovered."""
        try:
            await self._queue.retry_now()
        except StoreError as error:
            _log.warning("postponed turns keep waiting", error=str(error))

    def set_processor(self, process: Callable[[int], Awaitable[None]]) -> None:
        """Have :meth:`work` call *process* with the row id of each lane that has a job."""

        async def job(lane: int) -> None:
            await process(lane)

        self._app.task(name=TASK, queue=QUEUE)(job)

    async def work(self, *, concurrency: int, drain_timeout: float) -> None:
        """Process *concurrency* lanes at once, until cancelled; then finish them, within *drain_timeout* seconds.

        Raises:
            StoreError: the database is away.
        """
        try:
            await self._app.run_worker_async(
                queues=[QUEUE],
                concurrency=concurrency,
                fetch_job_polling_interval=POLLING_INTERVAL,
                shutdown_graceful_timeout=drain_timeout,
                delete_jobs=DeleteJobCondition.ALWAYS,
                install_signal_handlers=False,
            )
        except ConnectorException as error:
            # The message of procrastinate's error is its docstring.
            cause = error.__cause__ or error
            raise StoreError(f"the queue failed: {str(cause).strip() or repr(cause)}") from error
