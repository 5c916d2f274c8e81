"""Session: one database connection of the process's own, which holds its advisory locks and receives its signals."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.locks import PROCESS, WORKER
from agent_bridge.store.postgres.signals import CHANNEL, GROWTH_CHANNEL, LIVE_CHANNEL, STREAM_CHANNEL, Topic
from agent_bridge.store.postgres.sockets import hang_up
from agent_bridge.store.queue import JOB_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent_bridge.store.postgres.signals import Signals

#: Seconds between two checks that the server still answers.
_HEARTBEAT = 2.0
#: Seconds after which a server that does not answer counts as lost.
_PATIENCE = 5.0
#: With these settings a server frees the locks of a machine that lost its power within about 10 s; the default is two
#: hours. The process has noticed the loss by then: _HEARTBEAT + _PATIENCE is less.
_KEEPALIVES = (
    "-c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10000"
)
_RECONNECT = Backoff(first=0.1, cap=2)
#: Errors by which a server ends a connection.
_ENDED = (psycopg.errors.AdminShutdown, psycopg.errors.CrashShutdown, psycopg.errors.CannotConnectNow)
#: Ends the earlier sessions of this process. The session begins before the migrations, so it has no view of the locks.
_END_EARLIER = """
    SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted
      AND l.classid = %s::bigint AND l.objid = %s::bigint AND l.objsubid = 2 AND l.pid <> pg_backend_pid()
"""


class Session:
    """One connection, made again whenever it is lost. Use as async context manager.

    Between two statements the event loop watches the socket, so a signal is delivered, and a server that closes the
    connection is noticed, at once. A server that only falls silent is noticed by a statement every *heartbeat* seconds,
    when it takes longer than *patience* seconds.
    """

    def __init__(
        self, uri: str, signals: Signals, *, heartbeat: float = _HEARTBEAT, patience: float = _PATIENCE
    ) -> None:
        self._uri = uri
        self._signals = signals
        #: What is called with the payloads of a channel.
        self._calls = {
            LIVE_CHANNEL: signals.on_live,
            GROWTH_CHANNEL: signals.on_growth,
            STREAM_CHANNEL: signals.on_stream,
        }
        self._heartbeat = heartbeat
        self._patience = patience
        #: A random number that names this process among those on the database.
        self.process = secrets.randbelow(2**31)
        #: When the server answered last, by the clock of :func:`time.monotonic`.
        self.answered_at = 0.0
        self._connection: psycopg.AsyncConnection[Any] | None = None
        #: File descriptor of the connection's socket.
        self._socket = -1
        self._turn = asyncio.Lock()
        self._lost = asyncio.Event()
        #: Called when the connection is lost, before anything else can use a new one.
        self.on_lost: list[Callable[[], None]] = []

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._keeping.cancel()
        await asyncio.wait({self._keeping})
        self._close()

    async def execute(self, query: str, params: tuple[int, ...] = ()) -> tuple[Any, ...] | None:
        """Run one statement that returns rows, and return its first row. Connects if there is no connection.

        Raises:
            StoreError: the server is not there or does not answer, and the connection, if there was one, is lost; or
                the server refuses the statement, and the connection stays.
        """
        async with self._turn:
            try:
                connection = self._connection or await self._connect()
                with self._alone(connection):
                    cursor = await connection.execute(query.encode(), params)
                    row = await cursor.fetchone()
                self.answered_at = time.monotonic()
            except (psycopg.Error, TimeoutError) as error:
                if not self._is_refusal(error):
                    self._lose()
                raise StoreError(f"the database failed: {str(error).strip() or 'no answer'}") from error
            if connection is not self._connection:
                # The row may say that a lock is held, and the lock is lost already.
                raise StoreError("the database failed: the connection was closed behind the answer")
            return row

    def _is_refusal(self, error: Exception) -> bool:
        """Tell whether *error* is about the statement alone: a server without room for a lock keeps those it gave."""
        is_ended = isinstance(error, _ENDED) or self._connection is None or self._connection.closed
        return isinstance(error, psycopg.Error) and error.sqlstate is not None and not is_ended

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        options = f"{conninfo_to_dict(self._uri).get('options') or ''} {_KEEPALIVES}"
        async with asyncio.timeout(self._patience):
            connection = await psycopg.AsyncConnection.connect(self._uri, autocommit=True, options=options)
            await self._begin(connection)
            self._connection, self._socket = connection, connection.fileno()
        # Signals that were sent while there was no connection are lost.
        self._signals.send_all()
        return connection

    async def _begin(self, connection: psycopg.AsyncConnection[Any]) -> None:
        try:
            connection.add_notify_handler(lambda notice: self._deliver(notice.channel, notice.payload))
            for channel in (CHANNEL, JOB_CHANNEL, *self._calls):
                await connection.execute(f'LISTEN "{channel}"'.encode())
            await connection.execute(
                "SELECT pg_advisory_lock_shared(%s, 0), pg_advisory_lock_shared(%s, %s)",
                (PROCESS, WORKER, self.process),
            )
            # A proxy may keep an earlier connection open that has fallen silent, and the server its locks.
            await connection.execute(_END_EARLIER, (WORKER, self.process))
        except BaseException:
            await connection.close()
            raise

    @contextmanager
    def _alone(self, connection: psycopg.AsyncConnection[Any]) -> Iterator[None]:
        """Leave the socket to psycopg, which watches it while a statement runs; hang up when that takes too long.

        A cancellation would not do: psycopg asks the server to cancel the statement first, and waits for that.
        """
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        hanging_up = loop.call_later(self._patience, hang_up, self._socket)
        try:
            yield
        finally:
            hanging_up.cancel()
            if not connection.closed:
                loop.add_reader(self._socket, self._read)
                self._read()

    def _read(self) -> None:
        """Read the messages that the server sent between two statements: signals, or the end of the connection."""
        if self._connection is None:
            return
        server = self._connection.pgconn
        try:
            server.consume_input()
            while (notice := server.notifies()) is not None:
                self._deliver(notice.relname.decode(), notice.extra.decode())
        except psycopg.OperationalError:
            self._lose()

    def _deliver(self, channel: str, payload: str) -> None:
        if channel in self._calls:
            for call in self._calls[channel]:
                call(payload)
            return
        self._signals.send(payload if channel == CHANNEL else Topic.JOBS)

    async def _keep(self) -> None:
        """Keep a connection, and check that the server answers, until cancelled."""
        failures = 0
        while True:
            self._lost.clear()
            try:
                await self.execute("SELECT 1")
            except StoreError:
                failures += 1
                await asyncio.sleep(_RECONNECT.delay(failures))
            else:
                failures = 0
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._heartbeat):
                        await self._lost.wait()

    def _lose(self) -> None:
        if self._connection is None:
            return
        self._close()
        self._lost.set()
        for call in self.on_lost:
            call()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # First: libpq may have closed the socket already, and its number may be another's soon.
            asyncio.get_running_loop().remove_reader(self._socket)
            connection.pgconn.finish()
