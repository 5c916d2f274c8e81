"""Revisions of the bridge's tables, by alembic. Imported only to migrate: SQLAlchemy is half of a start's CPU time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.migrate import Limits, answers_within, migrations_folder, patient_connection

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


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


def upgrade(uri: str, limits: Limits) -> None:
    """Bring the tables at *uri* to the newest revision, in one transaction.

    Raises:
        psycopg.Error, StoreError: a statement failed or took longer than *limits* permit; nothing was changed.
    """
    try:
        with engine(uri).connect() as connection, answers_within(limits.migration, _driver(connection), limits.line):
            command.upgrade(alembic_config(connection), "head")
            connection.commit()
    except SQLAlchemyError as error:
        # Its own text quotes the statement; the driver's names the cause.
        raise error.__cause__ if isinstance(error.__cause__, psycopg.Error) else StoreError(str(error)) from error


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"{driver!r} is no connection of psycopg")
    return driver
