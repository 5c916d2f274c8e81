"""A migrated database for the tests of what stands on it: one for all, emptied for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from agent_bridge.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.postgres import Cluster

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"


@pytest.fixture(scope="session")
def migrated_url(cluster: Cluster) -> Iterator[str]:
    with cluster.migrated() as uri:
        yield uri


@pytest.fixture
def store_url(migrated_url: str) -> str:
    """Every table, and nothing in them."""
    with psycopg.connect(migrated_url) as connection:
        tables = [sql.Identifier(name) for (name,) in connection.execute(_TABLES)]
        connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(sql.SQL(", ").join(tables)))
    return migrated_url


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    async with Database(store_url) as database:
        yield database
