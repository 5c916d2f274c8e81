"""A real PostgreSQL for the tests, and a fresh database in it for each that asks."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import psycopg

from agent_bridge.store.embedded import start_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Cluster:
    """A PostgreSQL server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "pg"
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self._server = start_postgres(self._folder)
        self.uri = self._server.get_uri()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URI of an empty database, which is dropped afterwards."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.uri, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield self.uri.replace("/postgres?", f"/{name}?")
        finally:
            with psycopg.connect(self.uri, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
