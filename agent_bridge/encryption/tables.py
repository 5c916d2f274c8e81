"""The database of the keys: the schema ``encryption``, with the tables of mautrix and the bridge's own.

It is no part of the other tables: a restored backup with old keys would use keys of messages twice, so backups leave it
out.
"""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import asyncpg
from mautrix.crypto.store.asyncpg import PgCryptoStore
from mautrix.util.async_db import Scheme, UpgradeTable
from mautrix.util.async_db.asyncpg import PostgresDatabase
from mautrix.util.async_db.connection import LoggingConnection
from mautrix.util.async_db.database import conn_var
from psycopg.conninfo import conninfo_to_dict
from yarl import URL

from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator

SCHEMA = "encryption"
#: First key of the advisory locks; the second is 0 for changes of the tables, 1 for lists of devices, and the hash of a
#: user for the keys of that one.
LOCK = 16
DEVICE_LISTS = 1
#: Seconds for a statement, for a free connection, and of silence inside a transaction.
_STATEMENT, _FREE, _SILENCE = 20.0, 10.0, 30
#: Connections of a process for operations on keys.
_CONNECTIONS = 4
#: Parameters of a connection, and their names in asyncpg.
_PARAMETERS = {
    "host": "host",
    "port": "port",
    "user": "user",
    "password": "password",
    "dbname": "database",
    "sslmode": "ssl",
    "passfile": "passfile",
}
P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise the errors of asyncpg as the bridge's own."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        # The other lines have details, which quote the row.
        said = str(error).partition("\n")[0] or type(error).__name__
        raise StoreError(f"the database of the keys failed: {said}") from error


def storing(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let a method raise the errors of asyncpg as the bridge's own."""

    @functools.wraps(method)
    async def wrapped(*arguments: P.args, **named: P.kwargs) -> T:
        with store_errors():
            return await method(*arguments, **named)

    return wrapped


class _Connection(asyncpg.Connection):
    """A connection whose settings nobody changes: it needs no reset after each use."""

    def get_reset_query(self) -> str:
        return ""


class KeyDatabase(PostgresDatabase):
    """A pool of connections. Tasks of one transaction use one connection."""

    def __init__(self, uri: str) -> None:
        parameters = {key: value for key, value in conninfo_to_dict(uri).items() if value is not None}
        arguments = {name: parameters[key] for key, name in _PARAMETERS.items() if key in parameters}
        settings = {"idle_in_transaction_session_timeout": f"{_SILENCE}s", "application_name": "agent_bridge keys"}
        if "options" in parameters:
            settings["options"] = str(parameters["options"])
        self._arguments: dict[str, Any] = {**arguments, "server_settings": settings}
        super().__init__(URL("postgresql://"), UpgradeTable(), db_args={"meow_exit_on_ice": False})

    async def start(self) -> None:
        """Open the pool. The schemas of the bridge's other tables stay in the search path, behind that of the keys."""
        connection = await asyncpg.connect(**self._arguments, timeout=_FREE)
        try:
            path = await connection.fetchval("SHOW search_path")
        finally:
            await connection.close()
        settings = {**self._arguments["server_settings"], "search_path": f"{SCHEMA}, {path}"}
        self._pool = await asyncpg.create_pool(
            **{**self._arguments, "server_settings": settings},
            min_size=1,
            max_size=_CONNECTIONS,
            connection_class=_Connection,
            command_timeout=_STATEMENT,
            timeout=_FREE,
        )

    @asynccontextmanager
    async def acquire_direct(self) -> AsyncIterator[LoggingConnection]:  # type: ignore[override]  # mautrix's is not true
        """Give a connection; a server that is silent gives none in time."""
        async with self.pool.acquire(timeout=_FREE) as connection:
            yield LoggingConnection(Scheme.POSTGRES, cast("asyncpg.Connection[asyncpg.Record]", connection), self.log)

    @asynccontextmanager
    async def in_transaction(self) -> AsyncIterator[LoggingConnection]:
        """Have the statements of this task use one connection, in one transaction: it is committed at the end."""
        async with self.acquire_direct() as connection:
            token = conn_var.set(connection)
            try:
                async with connection.wrapped.transaction():
                    yield connection
            finally:
                conn_var.reset(token)


_own = UpgradeTable(version_table_name="vault_version", database_name="keys of users")


async def _first(connection: LoggingConnection) -> None:
    for statement in (
        """
        CREATE TABLE vault (
            id boolean PRIMARY KEY DEFAULT true CHECK (id),
            fingerprint text NOT NULL DEFAULT '',
            device_changes bigint NOT NULL DEFAULT 0
        )
        """,
        "INSERT INTO vault DEFAULT VALUES",
        """
        CREATE TABLE device (
            user_id text PRIMARY KEY,
            device_id text NOT NULL,
            identity_key text NOT NULL DEFAULT '',
            is_signed boolean NOT NULL DEFAULT false,
            sync_token text,
            fetched_at timestamptz
        )
        """,
        """
        CREATE TABLE inbox (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            user_id text NOT NULL,
            kind text NOT NULL,
            content text NOT NULL
        )
        """,
        """
        CREATE TABLE seen_message (
            user_id text NOT NULL,
            digest bytea NOT NULL,
            seen_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, digest)
        )
        """,
        "CREATE INDEX inbox_user_idx ON inbox (user_id, kind, id)",
        """
        CREATE TABLE device_message (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            txn_id text NOT NULL DEFAULT gen_random_uuid()::text,
            user_id text NOT NULL,
            type text NOT NULL,
            content text NOT NULL
        )
        """,
        "CREATE INDEX device_message_user_idx ON device_message (user_id, id)",
        """
        CREATE TABLE ciphertext (
            user_id text NOT NULL,
            txn_id text NOT NULL,
            content text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, txn_id)
        )
        """,
        "CREATE INDEX ciphertext_created_at_idx ON ciphertext (created_at)",
        """
        CREATE TABLE room_session (
            room_id text NOT NULL,
            user_id text NOT NULL,
            version bigint NOT NULL,
            members text[] NOT NULL,
            retry_at timestamptz,
            PRIMARY KEY (room_id, user_id)
        )
        """,
        "CREATE INDEX room_session_members_idx ON room_session USING gin (members)",
        """
        CREATE TABLE session_owner (
            session_id text NOT NULL,
            user_id text NOT NULL,
            PRIMARY KEY (session_id, user_id)
        )
        """,
        "CREATE INDEX megolm_inbound_session_idx ON crypto_megolm_inbound_session (session_id)",
        "CREATE INDEX device_identity_key_idx ON crypto_device (identity_key)",
        "COMMENT ON COLUMN vault.fingerprint IS 'of the secret that encrypts the keys'",
        "COMMENT ON COLUMN vault.device_changes IS 'counts changes of the lists of devices'",
        "COMMENT ON TABLE device IS 'the device of each user of the bridge that takes part in encrypted rooms'",
        "COMMENT ON COLUMN device.is_signed IS 'whether the cross-signing keys of the user have signed it'",
        "COMMENT ON COLUMN device.sync_token IS 'up to where the homeserver has deleted the messages to the device'",
        "COMMENT ON TABLE seen_message IS 'processed messages to devices; the homeserver may have them still'",
        "COMMENT ON TABLE inbox IS 'messages to devices, and news of devices and keys, not processed yet'",
        "COMMENT ON TABLE device_message IS 'encrypted messages to devices that are not sent yet'",
        "COMMENT ON TABLE ciphertext IS 'encrypted contents by transaction ids: a repeat of a request sends the same'",
        "COMMENT ON TABLE room_session IS 'the version of a room for which a user has shared its key there'",
        "COMMENT ON COLUMN room_session.members IS 'with whose devices it was shared'",
        "COMMENT ON COLUMN room_session.retry_at IS 'when it is shared anew: some device could not get the key'",
        "COMMENT ON TABLE session_owner IS 'the senders of the key of a session: only their events are opened with it'",
    ):
        await connection.execute(statement)
    # The tables are new, or their predecessors are lost: everybody gets new devices, and people's clients the new keys.
    await connection.execute("UPDATE encrypted_room SET has_devices = false, version = version + 1")


async def _senders(connection: LoggingConnection) -> None:
    for statement in (
        "ALTER TABLE inbox ADD COLUMN sender text NOT NULL DEFAULT ''",
        "DROP INDEX inbox_user_idx",
        "CREATE INDEX inbox_user_idx ON inbox (user_id, kind, sender, id)",
        "COMMENT ON COLUMN inbox.sender IS 'of a message to a device: the messages of all senders take turns'",
    ):
        await connection.execute(statement)


_own.register(_first, description="First tables")
_own.register(_senders, description="Senders of messages to devices")


async def make_tables(database: KeyDatabase, fingerprint: str) -> None:
    """Make the tables, or bring them up to date. Processes do it one after the other.

    Keys that were encrypted with another secret than that with *fingerprint* are of no use, and are forgotten.
    """
    async with database.in_transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1, 0)", LOCK)
        there = await _fingerprint(connection)
        if there not in {None, "", fingerprint}:
            database.log.warning("encryption.secret has changed: the devices of agents are made anew")
            await connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await PgCryptoStore.upgrade_table.upgrade(database)
        await _own.upgrade(database)
        await connection.execute("UPDATE vault SET fingerprint = $1 WHERE fingerprint <> $1", fingerprint)
        if there != fingerprint:
            # The devices are gone, and people encrypt for the former ones until there are others.
            await connection.execute("UPDATE encrypted_room SET has_devices = false WHERE has_devices")


async def _fingerprint(connection: LoggingConnection) -> str | None:
    if await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.vault") is None:
        return None
    return str(await connection.fetchval("SELECT fingerprint FROM vault"))
