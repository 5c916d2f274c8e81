"""Brings the schema up to date: our tables by alembic, the queue's by procrastinate's own SQL files."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import procrastinate
import psycopg
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from agent_bridge.core.errors import SchemaTooNew, SchemaTooOld, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

_log = logging.getLogger(__name__)

#: Key of the advisory lock under which one process at a time migrates.
_LOCK = 4_279_114_021
#: Major version of PostgreSQL that the queue's functions need.
_OLDEST_SERVER = 13
_QUEUE_KEY = "procrastinate_migration"

# procrastinate's workers look for jobs when one is deferred, not when one ends: a job that waited for its lock would
# wait for the next poll. This makes the end of a job an occasion to look as well.
_LOCK_RELEASED = """
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
"""


def migrations_folder() -> Path:
    """Return the folder of the migrations: in the wheel inside the package, in a checkout beside it."""
    package = Path(str(resources.files("agent_bridge")))
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "alembic"


def alembic_config(connection: Connection | None = None) -> AlembicConfig:
    """Return alembic's configuration; *connection* is what its ``env.py`` works on."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def engine(uri: str) -> Engine:
    """Return a SQLAlchemy engine for *uri*, which may be any that libpq takes."""
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(uri), poolclass=NullPool)


def migrate(uri: str) -> None:
    """Bring the database at *uri* up to date. Safe to repeat, and for several processes at once.

    Raises:
        SchemaTooNew: a newer program migrated it; nothing was changed.
        StoreError: the database cannot be reached or refuses.
    """
    with _as_store_error("the database cannot be migrated"), psycopg.connect(uri, autocommit=True) as lock:
        _refuse_old_server(lock)
        lock.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        with engine(uri).connect() as connection:
            if _refuse_newer(connection) is not None:
                _refuse_newer_queue(lock)
            command.upgrade(alembic_config(connection), "head")
            connection.commit()
        _migrate_queue(lock)


def check(uri: str) -> None:
    """Return if the schema at *uri* is the one this program was made for.

    Raises:
        SchemaTooNew, SchemaTooOld: it is not.
        StoreError: the database cannot be reached.
    """
    with _as_store_error("the database cannot be reached"):
        with engine(uri).connect() as connection:
            revision = _refuse_newer(connection)
            head = ScriptDirectory.from_config(alembic_config()).get_current_head()
            if revision != head:
                found = f"is at revision {revision}" if revision else "is empty"
                raise SchemaTooOld(f"the database {found}, this program needs {head}: run agent-bridge migrate")
        with psycopg.connect(uri) as queue:
            if _refuse_newer_queue(queue) != _queue_files()[-1].name:
                raise SchemaTooOld("the queue's tables are older than this program: run agent-bridge migrate")


@contextmanager
def _as_store_error(what: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # Its own words are about its statement; the driver's are about the matter.
        raise StoreError(f"{what}: {str(error.__cause__ or error).strip()}") from error
    except psycopg.Error as error:
        if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
            # libpq quotes what it could not read, which may be a part of the password.
            raise StoreError(f"{what}: database.url is no PostgreSQL URL") from None
        raise StoreError(f"{what}: {str(error).strip()}") from error


def _refuse_old_server(connection: psycopg.Connection[Any]) -> None:
    version = connection.info.server_version // 10_000
    if version < _OLDEST_SERVER:
        raise StoreError(f"PostgreSQL {version} is too old: {_OLDEST_SERVER} or newer is needed")


def _refuse_newer(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None:
        try:
            ScriptDirectory.from_config(alembic_config()).get_revision(revision)
        except CommandError:
            raise SchemaTooNew(
                f"the database was migrated by a newer agent-bridge (revision {revision}): "
                "install that version or restore an older database"
            ) from None
    return revision


def _refuse_newer_queue(connection: psycopg.Connection[Any]) -> str | None:
    version = _queue_version(connection)
    if version is not None and version > _queue_files()[-1].name:
        raise SchemaTooNew(
            f"the queue's tables were made by a newer procrastinate ({version}) than this one "
            f"({procrastinate.__version__}): install that version or restore an older database"
        )
    return version


def _queue_files() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _queue_version(connection: psycopg.Connection[Any]) -> str | None:
    # Before revision 0004 the table had another name.
    found = connection.execute("SELECT coalesce(to_regclass('kv'), to_regclass('fact'))::text").fetchone()
    table = sql.Identifier(found[0] if found else "kv")
    query = sql.SQL("SELECT value FROM {} WHERE key = %s").format(table)
    row = connection.execute(query, (_QUEUE_KEY,)).fetchone()
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
        connection.execute(_LOCK_RELEASED.encode())
        connection.execute(
            "INSERT INTO kv (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
            (_QUEUE_KEY, Jsonb(_queue_files()[-1].name)),
        )
