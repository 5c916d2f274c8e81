"""Brings the schema up to date: the bridge's tables by alembic, the queue's by procrastinate's own SQL files."""

from __future__ import annotations

import logging
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import procrastinate
import psycopg
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from agent_bridge.core.errors import DatabaseUnsuitable, SchemaTooNew, SchemaTooOld, StoreError
from agent_bridge.store.postgres.sockets import hang_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Gets how much is done, how much is to be done, and the name of the last piece.
    Show = Callable[[int, int, str], None]

_log = logging.getLogger(__name__)

#: Key of the advisory lock under which one process at a time migrates.
_LOCK = 4_279_114_021
#: Major version of PostgreSQL that the queue's functions need.
_OLDEST_SERVER = 13
_ENCODING = "UTF8"
#: Key, in the table ``kv``, of the newest file of procrastinate's migrations that was applied.
QUEUE_KEY = "procrastinate_migration"
#: Parameters that the URL may set. A server has 10 s to accept a connection. A network that drops all packets counts as
#: a lost connection after about 20 s, also while a long statement runs.
_PARAMETERS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
#: Seconds between two looks whether another process has ended its migration.
_PAUSE = 0.5
#: libpq's error for a parameter that it does not know. It quotes no other part of the URL.
_UNKNOWN_PARAMETER = re.compile(r'^invalid URI query parameter: ("\w+")')

# procrastinate's workers look for jobs when one is deferred, not when one ends: a job that waits for its lock would
# wait for the next poll. This trigger has them look when a job ends, too.
# procrastinate writes the history of each job, which nothing reads and which is deleted with the job.
# A change here needs a new revision, which may be empty: a database of the newest revision is not migrated.
_QUEUE_TRIGGERS = """
CREATE OR REPLACE FUNCTION agent_bridge_notify_lock_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM procrastinate_jobs WHERE lock = OLD.lock AND status = 'todo') THEN
        PERFORM pg_notify('procrastinate_queue_v1#' || OLD.queue_name, '{"type": "job_inserted", "job_id": 0}');
    END IF;
    RETURN NULL;
END;
$$;
DROP TRIGGER IF EXISTS agent_bridge_lock_released ON procrastinate_jobs;
CREATE TRIGGER agent_bridge_lock_released
    AFTER DELETE ON procrastinate_jobs FOR EACH ROW
    WHEN (OLD.status = 'doing' AND OLD.lock IS NOT NULL)
    EXECUTE FUNCTION agent_bridge_notify_lock_released();
ALTER TABLE procrastinate_jobs
    DISABLE TRIGGER procrastinate_trigger_status_events_insert_v1,
    DISABLE TRIGGER procrastinate_trigger_status_events_update_v1;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds after which a server that has not finished counts as silent."""

    #: The statements that compare the schema with the program.
    check: float = 30.0
    #: A migration, and the migration of another process.
    migration: float = 3600.0
    #: The log has a line each time so many seconds of a migration are over.
    line: float = 30.0


_LIMITS = Limits()


def migrations_folder() -> Path:
    """Return the folder of the migrations: in the wheel inside the package, in a checkout beside it."""
    package = Path(str(resources.files("agent_bridge")))
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "alembic"


def migrate(uri: str, limits: Limits = _LIMITS, show: Show = lambda *_: None) -> None:
    """Bring the database at *uri* up to date. Safe to repeat, and for several processes at once.

    *show* gets the number of revisions that are applied, that of all, and the name of the last one.

    Raises:
        SchemaTooNew: a newer program migrated it; nothing was changed.
        DatabaseUnsuitable: the server is too old, or an encoding is not UTF8; nothing was changed.
        StoreError: the database cannot be reached, refuses, or falls silent.
    """
    with as_store_error("the database cannot be migrated"), patient_connection(uri, autocommit=True) as connection:
        with answers_within(limits.check, connection):
            refuse_unsuitable(connection)
            if _is_up_to_date(connection):
                return
        _wait_for_lock(connection, limits)
        with answers_within(limits.check, connection):
            _refuse_newer(connection)
            before = _revision(connection)
        from agent_bridge.store.postgres.revisions import upgrade

        upgrade(uri, limits, before, show)
        with answers_within(limits.migration, connection, limits.line):
            _migrate_queue(connection)


def _wait_for_lock(connection: psycopg.Connection[Any], limits: Limits) -> None:
    begin = told = time.monotonic()
    while True:
        with answers_within(limits.check, connection):
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        if row is not None and row[0]:
            return
        now = time.monotonic()
        if now - begin > limits.migration:
            raise StoreError(f"another process has migrated the database for more than {limits.migration:g} s")
        if now - told > limits.line:
            _log.info("another process migrates the database: waiting for %.0f s", now - begin)
            told = now
        time.sleep(_PAUSE)


def connect(uri: str, **more: str) -> psycopg.Connection[Any]:
    """Return a connection in which each statement is a transaction. A server that accepts none fails soon.

    *more* are further parameters, which win over those of the URL.
    """
    given = conninfo_to_dict(uri)
    parameters: dict[str, Any] = {name: value for name, value in _PARAMETERS.items() if name not in given}
    return psycopg.connect(uri, autocommit=True, **parameters | more)


@contextmanager
def answers_within(seconds: float, connection: psycopg.Connection[Any], line: float | None = None) -> Iterator[None]:
    """End *connection* if the block, which uses it, takes longer than *seconds*. Log a line every *line* seconds.

    Raises:
        psycopg.OperationalError: the block took longer.
    """
    over, silent, number = threading.Event(), threading.Event(), connection.fileno()

    def watch() -> None:
        begin = time.monotonic()
        while (left := seconds - (time.monotonic() - begin)) > 0:
            if over.wait(left if line is None else min(left, line)):
                return
            if line is not None:
                _log.info("the database is being migrated: %.0f s so far", time.monotonic() - begin)
        silent.set()
        hang_up(number)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
        if silent.is_set():
            raise psycopg.OperationalError(f"no answer within {seconds:g} s")


def patient_connection(uri: str, *, autocommit: bool = False) -> psycopg.Connection[Any]:
    """Return a connection without time limits for statements and locks, which the server or the URL may set.

    A migration of many rows takes longer than a statement of the bridge, and waits for that of another process.
    """
    connection = connect(uri)
    try:
        with answers_within(_LIMITS.check, connection):
            connection.execute(
                "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0"
            )
        connection.autocommit = autocommit
    except psycopg.Error:
        connection.close()
        raise
    return connection


def check(uri: str, limits: Limits = _LIMITS) -> None:
    """Return if the schema at *uri* is the one that this program needs.

    Raises:
        SchemaTooNew, SchemaTooOld: it is not.
        DatabaseUnsuitable: the server is too old, or an encoding is not UTF8.
        StoreError: the database cannot be reached, or falls silent.
    """
    with (
        as_store_error("the database cannot be reached"),
        connect(uri) as connection,
        answers_within(limits.check, connection),
    ):
        refuse_unsuitable(connection)
        if _is_up_to_date(connection):
            return
        _refuse_newer(connection)
        revision, newest = _revision(connection), known_revisions()[-1]
        if revision != newest:
            found = f"is at revision {revision}" if revision else "is empty"
            raise SchemaTooOld(f"the database {found}, this program needs {newest}: run agent-bridge migrate")
        raise SchemaTooOld("the queue's tables are older than this program: run agent-bridge migrate")


@contextmanager
def as_store_error(failure: str, database: str = "the database (database.url)") -> Iterator[None]:
    """Raise a :class:`StoreError` that begins with *failure* for each error of the database, without secrets.

    If it cannot be reached, the error names it as *database*.
    """
    try:
        yield
    except psycopg.Error as error:
        if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
            # libpq quotes the part that it could not read, which may be a part of the password.
            unknown = _UNKNOWN_PARAMETER.search(str(error))
            hint = f": it has an unknown parameter {unknown[1]}" if unknown else ""
            raise StoreError(f"{failure}: {database} has no PostgreSQL URL{hint}") from None
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            failure = f"{database} cannot be reached"
        raise StoreError(f"{failure}: {str(error).strip()}") from error


def known_revisions() -> list[str]:
    """Return the revisions that this program knows, oldest first. The names of their files begin with them."""
    return sorted(file.name.partition("_")[0] for file in (migrations_folder() / "versions").glob("[0-9]*_*.py"))


def _is_up_to_date(connection: psycopg.Connection[Any]) -> bool:
    if _revision(connection) != known_revisions()[-1]:
        return False
    return _queue_version(connection) == _queue_files()[-1].name


def _revision(connection: psycopg.Connection[Any]) -> str | None:
    """Return the revision of the bridge's tables, None without tables."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return None if row is None else str(row[0])


def refuse_unsuitable(connection: psycopg.Connection[Any], database: str = "the database") -> None:
    """Return if the server and the encodings of *database* and connection suit the bridge. Sends no statement.

    Raises:
        DatabaseUnsuitable: they do not.
    """
    version = connection.info.server_version // 10_000
    if version < _OLDEST_SERVER:
        raise DatabaseUnsuitable(
            f"the server of {database} is PostgreSQL {version}, which is too old: use version {_OLDEST_SERVER} or newer"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {_ENCODING, None}:
        raise DatabaseUnsuitable(
            f"{database} has the encoding {encoding}, which cannot hold all messages: make another database with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name that one"
        )
    encoding = connection.info.parameter_status("client_encoding")
    if encoding not in {_ENCODING, None}:
        raise DatabaseUnsuitable(
            f"connections to {database} use the encoding {encoding}: remove client_encoding from its URL, "
            "PGCLIENTENCODING from the environment, or the setting client_encoding of the user or the database"
        )


def _refuse_newer(connection: psycopg.Connection[Any]) -> None:
    revision = _revision(connection)
    if revision is None:
        return
    if revision not in known_revisions():
        raise SchemaTooNew(
            f"the database was migrated by a newer agent-bridge (revision {revision}): "
            "install that version or restore an older database"
        )
    version = _queue_version(connection)
    if version is not None and is_newer_queue(version):
        raise SchemaTooNew(
            f"the queue's tables were made by a newer procrastinate ({version}) than this one "
            f"({procrastinate.__version__}): install that version or restore an older database"
        )


def is_newer_queue(version: str) -> bool:
    """Tell whether the queue's tables of *version* (a value of :data:`QUEUE_KEY`) are newer than this program."""
    return version > _queue_files()[-1].name


def _queue_files() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _queue_version(connection: psycopg.Connection[Any]) -> str | None:
    # Before revision 0004 the table had another name.
    found = connection.execute("SELECT coalesce(to_regclass('kv'), to_regclass('fact'))::text").fetchone()
    table = sql.Identifier(found[0] if found else "kv")
    query = sql.SQL("SELECT value FROM {} WHERE key = %s").format(table)
    row = connection.execute(query, (QUEUE_KEY,)).fetchone()
    return None if row is None else str(row[0])


def _queue_steps(version: str | None) -> Iterator[str]:
    if version is None:
        yield SchemaManager.get_schema()
        return
    for file in _queue_files():
        if file.name > version:
            _log.info("migrating the queue: %s (procrastinate %s)", file.name, procrastinate.__version__)
            yield file.read_text(encoding="utf-8")


def _migrate_queue(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        for step in _queue_steps(_queue_version(connection)):
            connection.execute(step.encode())
        connection.execute(_QUEUE_TRIGGERS.encode())
        connection.execute(
            "INSERT INTO kv (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
            (QUEUE_KEY, Jsonb(_queue_files()[-1].name)),
        )
