"""``agent-bridge backup``, ``restore`` and ``database move``: the database as a file, and on another server."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from agent_bridge.config.types import ENVIRONMENT, POSTGRESQL, refuse_ambiguous_password
from agent_bridge.core.errors import ConfigError, StoreError
from agent_bridge.store.postgres import backup as backups
from agent_bridge.store.postgres.backup_file import refuse_other_format
from agent_bridge.store.postgres.embedded import database_uri

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config


async def back_up(config: Config, config_file: Path, file: Path, *, force: bool) -> str:
    """Write the database of *config* to *file*; return the report for the operator.

    Raises:
        StoreError: it cannot be read, or the file cannot be written.
    """
    backups.refuse_to_replace(file, force=force)
    _require_database(config)
    async with database_uri(config.database) as uri:
        size = await asyncio.to_thread(backups.back_up, uri, file, force=force)
    return (
        f"{file} contains the database ({size:,} bytes). Only its owner can read it.\n"
        f"A complete backup also has {config_file} and registration.yaml."
    )


async def restore(config: Config, file: Path, *, force: bool) -> str:
    """Replace the tables of the database of *config* by those of *file*; return the report for the operator.

    Raises:
        StoreError: a process uses the database, it has tables and *force* is false, or the file cannot be used.
    """
    refuse_other_format(file)
    async with database_uri(config.database) as uri:
        counts = await asyncio.to_thread(backups.restore, uri, file, force=force)
    return f"The database contains {_counted(counts)} of {file}. The next start brings its schema up to date."


async def move(config: Config, config_file: Path, target: str) -> str:
    """Copy the embedded database of *config* to *target*, a URL or ``env:NAME``; return the report for the operator.

    Raises:
        ConfigError: the database is not embedded, or *target* is not a URL.
        StoreError: a process uses the database, the target is not empty, or the copy failed.
    """
    if not config.database.embedded:
        raise ConfigError(f"{config_file}: database.url names an external database already")
    url = _target(target)
    _require_database(config)
    async with database_uri(config.database) as uri:
        counts = await asyncio.to_thread(backups.move, uri, url)
    reference = target if target.startswith(ENVIRONMENT) else "the URL of the target, or env:NAME"
    return (
        f"The target contains {_counted(counts)}, as many as the embedded database.\n"
        f"Now set database.url in {config_file} and start the bridge:\n\n"
        f"database:\n  url: {reference}\n\n"
        f"Remove {config.database.data_dir / 'postgres'} when the bridge works: it is not used any more."
    )


def _target(target: str) -> str:
    name = target.removeprefix(ENVIRONMENT)
    url = os.environ.get(name, "") if name != target else target
    if not name:
        raise ConfigError("the target must have the name of an environment variable after env:")
    if not url:
        raise ConfigError(f"the target: {name} is not set in the environment")
    if not url.startswith(POSTGRESQL):
        raise ConfigError("the target must start with postgresql://, or be env:NAME with such a value")
    try:
        refuse_ambiguous_password(url)
    except ValueError as error:
        raise ConfigError(f"the target {error}") from None
    return url


def _require_database(config: Config) -> None:
    """Raise a :class:`StoreError` if the embedded database does not exist: its start would make an empty one."""
    folder = config.database.data_dir / "postgres"
    if config.database.embedded and not (folder / "PG_VERSION").exists():
        raise StoreError(f"{folder} contains no database (database.data_dir)")


def _counted(counts: dict[str, int]) -> str:
    return f"{sum(counts.values()):,} rows in {len(counts)} tables"
