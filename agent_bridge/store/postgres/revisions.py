"""Revisions of the bridge's tables, by alembic. Imported only to migrate: SQLAlchemy is half of a start's CPU time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from agent_bridge.core.errors import StoreError
from agent_bridge.core.operations import MIGRATE
from agent_bridge.store.postgres.migrate import (
    Limits,
    answers_within,
    known_revisions,
    migrations_folder,
    patient_connection,
)

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationInfo
    from sqlalchemy import Connection, Engine

    from agent_bridge.store.postgres.migrate import Show


#: Writes the entry of a migration, which is done.
_ENTRY = """
INSERT INTO operation (kind, key, params, state, done, total, note, requested_by, created_at, finished_at)
VALUES (%s, gen_random_uuid()::text, '{}', 'done', %s, %s, %s, '', %s, now())
"""


def alembic_config(connection: Connection | None = None) -> AlembicConfig:
    """Return alembic's configuration; its ``env.py`` works on *connection*."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def engine(uri: str) -> Engine:
    """Return a SQLAlchemy engine for *uri*, which may have any form that libpq takes."""
    return create_engine("postgresql+psycopg://", creator=lambda: patient_connection(uri), poolclass=NullPool)


def upgrade(uri: str, limits: Limits, before: str | None, show: Show) -> None:
    """Bring the tables at *uri* from the revision *before* to the newest one, in one transaction.

    *show* gets the progress. A database that had tables gets an entry among the operations.

    Raises:
        psycopg.Error, StoreError: a statement failed or took longer than *limits* permit; nothing was changed.
    """
    try:
        with engine(uri).connect() as connection, answers_within(limits.migration, _driver(connection), limits.line):
            revisions = known_revisions()
            left = revisions[revisions.index(before) + 1 :] if before is not None else revisions
            begun, done = datetime.now(UTC), 0

            def applied(*, step: MigrationInfo, **_: object) -> None:
                nonlocal done
                done += 1
                show(done, len(left), str(step.up_revision_id))

            config = alembic_config(connection)
            config.attributes["on_version_apply"] = applied
            command.upgrade(config, "head")
            if before is not None and left:
                values = (MIGRATE, len(left), len(left), left[-1], begun)
                connection.exec_driver_sql(_ENTRY, values)
            connection.commit()
    except SQLAlchemyError as error:
        # Its own text quotes the statement; the driver's names the cause.
        raise error.__cause__ if isinstance(error.__cause__, psycopg.Error) else StoreError(str(error)) from error


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"{driver!r} is no connection of psycopg")
    return driver
