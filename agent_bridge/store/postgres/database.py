"""The connection pool, and errors of PostgreSQL as errors of the bridge."""

from __future__ import annotations

import asyncio
import select
import time
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, LiteralString, Self, cast

import psycopg
from psycopg import capabilities
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from agent_bridge.core.errors import StoreError, StoreRefused
from agent_bridge.store.postgres.sockets import hang_up

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence

    Params = Sequence[Any] | Mapping[str, Any] | None

Connection = psycopg.AsyncConnection[DictRow]

#: Seconds to wait for a free connection.
POOL_TIMEOUT = 10.0
#: Rows that are decoded at once: some milliseconds of work.
SLICE = 200
_STATEMENT_TIMEOUT = 30
_SWALLOWED = 15_000
#: Seconds at least between two replacements of all connections.
_DRAIN = 1.0
#: Seconds after which the pool gives up a failed attempt to connect; the next statement begins another one.
_RECONNECT = 5.0
#: Seconds for which the disk counts as full after a write that failed so: reads succeed meanwhile.
_FULL = 10.0
#: Seconds that a statement, and a transaction, may take altogether. The server ends a statement before; a server that
#: has fallen silent does not.
_LIMIT, _TRANSACTION_LIMIT = _STATEMENT_TIMEOUT + 5.0, 90.0
#: Errors of the values. A statement's own error (a column that another version lacks) is none: that can be mended.
_HOPELESS = (psycopg.DataError, psycopg.IntegrityError)


async def rows_of(connection: Connection, query: LiteralString, params: Params = None) -> list[DictRow]:
    """Run one statement in the transaction of *connection* and return its rows.

    They are decoded in slices, between which other tasks run.
    """
    cursor = await connection.execute(query, params)
    rows = slice_ = await cursor.fetchmany(SLICE)
    while len(slice_) == SLICE:
        await asyncio.sleep(0)
        slice_ = await cursor.fetchmany(SLICE)
        rows += slice_
    return rows


async def slices_of(
    connection: Connection, query: LiteralString, params: Params = None
) -> AsyncGenerator[list[DictRow], None]:
    """Run one statement and yield its rows, some at a time: for thousands of rows, of which no more are in memory."""
    rows: list[DictRow] = []
    # Fetched in pieces as it is produced, or row by row by an older libpq.
    size = SLICE if capabilities.has_stream_chunked() else 1
    found = cast("AsyncGenerator[DictRow, None]", connection.cursor().stream(query, params, size=size))
    async with aclosing(found) as stream:
        async for row in stream:
            rows.append(row)
            if len(rows) == SLICE:
                yield rows
                rows = []
                await asyncio.sleep(0)
    if rows:
        yield rows


async def _configure(connection: psycopg.AsyncConnection[Any], *, synchronous_commit: bool) -> None:
    # One statement is one transaction, in one round trip; several are put in a transaction by name.
    await connection.set_autocommit(True)
    connection.row_factory = dict_row
    # A foreign lock on a table must not block a transaction of the homeserver for longer than the homeserver waits.
    # Every statement finds its rows by an index, for any values: to plan it again for the values of each call takes
    # longer than the statement itself.
    settings = f"SET statement_timeout = '{_STATEMENT_TIMEOUT}s'; SET plan_cache_mode = 'force_generic_plan'"
    # A connection that falls silent inside a transaction must not hold its locks.
    settings += f"; SET idle_in_transaction_session_timeout = '{_STATEMENT_TIMEOUT}s'"
    if not synchronous_commit:
        settings += "; SET synchronous_commit = off"
    await connection.execute(settings.encode())


async def _check(connection: psycopg.AsyncConnection[Any]) -> None:
    # A server that went away has closed its end, which shows as something to read. That costs no round trip.
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)


class _Pool(AsyncConnectionPool[Connection]):
    """A pool that leaves no cancellation out, keeps no connections that may not write, and waits for none forever."""

    _drained = -_DRAIN

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: The sockets of the connections that are in use.
        self._sockets: set[int] = set()

    @asynccontextmanager
    async def connection(
        self,
        timeout: float | None = None,  # noqa: ASYNC109  # the pool's own signature
        *,
        limit: float = _LIMIT,
    ) -> AsyncIterator[Connection]:
        """Give a connection; distrust it, and the idle ones, when it is in use for longer than *limit* seconds."""
        try:
            connection = await self.getconn(timeout)
            number = connection.fileno()
            self._sockets.add(number)
            hanging_up = asyncio.get_running_loop().call_later(limit, self.distrust, number)
            try:
                # In autocommit mode, there is no transaction to end here.
                yield connection
            finally:
                hanging_up.cancel()
                self._sockets.discard(number)
                await self.putconn(connection)
        except psycopg.errors.ReadOnlySqlTransaction:
            # A session keeps the setting that it began with: only new sessions may write when the server may again.
            await self.replace_all()
            raise

    async def replace_all(self) -> None:
        """Replace the connections, those that are in use when they come back; at most once a second."""
        if time.monotonic() - self._drained >= _DRAIN:
            self._drained = time.monotonic()
            await self.drain()

    def distrust(self, *numbers: int) -> None:
        """End the connections of the sockets *numbers*, by default all that are in use; replace the idle ones.

        The server has fallen silent on one connection, and may have on each.
        """
        for number in numbers or self._sockets:
            hang_up(number)
        # The pool's own tasks replace the connections; this one only asks for it.
        self._draining = asyncio.create_task(self.drain())

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109  # likewise
        # It waits with asyncio.wait_for, which before Python 3.12 drops a cancellation that comes together with the
        # connection: the cancelled task would go on for ever.
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        connection = await super().getconn(timeout)
        if task and task.cancelling() > before:
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection


@contextmanager
def _as_store_error() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise StoreError(
            "the database gave no connection in time: is PostgreSQL reachable, database.pool_size enough?"
        ) from error
    except psycopg.Error as error:
        kind = StoreRefused if isinstance(error, _HOPELESS) else StoreError
        # Its details quote the row, and so the messages of people.
        raise kind(f"the database failed: {error.diag.message_primary or str(error).strip()}") from error


class Database:
    """A pool of connections to one PostgreSQL.

    Use as async context manager. Every method raises :class:`StoreError` when the database cannot be reached.

    Without *synchronous_commit* a statement does not wait until its changes are on the disk. A crash of PostgreSQL, not
    of the bridge, may then lose the changes of the last moments: never one without all later ones.
    """

    def __init__(
        self, uri: str, *, pool_size: int = 10, pool_timeout: float = POOL_TIMEOUT, synchronous_commit: bool = True
    ) -> None:
        self.uri = uri
        #: When a write found the disk full, by the monotonic clock.
        self._full_at = -_FULL
        self._pool_timeout = pool_timeout
        self.pool = _Pool(
            uri,
            min_size=2,
            max_size=pool_size,
            timeout=pool_timeout,
            # A network that drops all packets counts as a lost connection after 15 s, not after minutes.
            kwargs={"tcp_user_timeout": _SWALLOWED},
            # The pool waits longer after each failure. It begins again, without a pause, after this time.
            reconnect_timeout=_RECONNECT,
            configure=partial(_configure, synchronous_commit=synchronous_commit),
            check=self._check,
            open=False,
        )

    async def __aenter__(self) -> Self:
        with _as_store_error():
            try:
                await self.pool.open(wait=True, timeout=self._pool_timeout)
            except BaseException:
                await self.pool.close()
                raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.close()

    async def ping(self) -> None:
        """Return if the database answers, and its disk is not full as far as writes have found."""
        await self.execute("SELECT 1")
        if time.monotonic() - self._full_at < _FULL:
            raise StoreError("the disk of the database is full")

    def distrust(self) -> None:
        """End the connections that are in use, and replace the others: the server has fallen silent."""
        self.pool.distrust()

    async def _check(self, connection: psycopg.AsyncConnection[Any]) -> None:
        try:
            await _check(connection)
        except psycopg.Error:
            # A server that was restarted has closed the other idle connections too. One by one, with the pool's pauses
            # of 1, 2, 4 and more seconds between them, they take longer than a caller waits.
            await self.pool.replace_all()
            raise

    @asynccontextmanager
    async def _connection(self, limit: float = _LIMIT) -> AsyncIterator[Connection]:
        with _as_store_error():
            try:
                async with self.pool.connection(limit=limit) as connection:
                    yield connection
            except psycopg.errors.DiskFull:
                self._full_at = time.monotonic()
                raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection inside one transaction: committed when the block ends, rolled back when it raises."""
        async with self._connection(_TRANSACTION_LIMIT) as connection, connection.transaction():
            yield connection

    async def rows(self, query: LiteralString, params: Params = None) -> list[DictRow]:
        """Run one statement in its own transaction and return its rows."""
        async with self._connection() as connection:
            return await rows_of(connection, query, params)

    async def slices(self, query: LiteralString, params: Params = None) -> AsyncGenerator[list[DictRow], None]:
        """Like :meth:`rows`, for thousands of rows: yields some at a time. Close it if you leave it early."""
        async with self._connection() as connection, aclosing(slices_of(connection, query, params)) as slices:
            async for rows in slices:
                yield rows

    async def row(self, query: LiteralString, params: Params = None) -> DictRow | None:
        """Like :meth:`rows`, for a statement that returns at most one row."""
        async with self._connection() as connection:
            cursor = await connection.execute(query, params)
            return await cursor.fetchone()

    async def execute(self, query: LiteralString, params: Params = None) -> int:
        """Run one statement in its own transaction and return the number of rows that it changed."""
        async with self._connection() as connection:
            cursor = await connection.execute(query, params)
            return cursor.rowcount
