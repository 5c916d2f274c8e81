"""A real PostgreSQL for the tests, and a new database in it for each test that needs one."""

from __future__ import annotations

import itertools
import os
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Literal, LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from agent_bridge.store.postgres.embedded import start_postgres
from agent_bridge.store.postgres.migrate import migrate
from support.watchdog import ends_with_us

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The first version whose databases choose the provider of their locale, and how they are copied.
_CHOOSES = 150_000
#: Without fsync the data need not survive a power cut. Commits stay synchronous, as in production.
_FAST = ("fsync = off", "full_page_writes = off", "max_wal_size = '128MB'")


class Server:
    """A running PostgreSQL server, and new databases in it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._numbers = itertools.count(1)
        # Another process may use the same server.
        self._template = f"migrated_{os.getpid()}"
        self._has_template = False

    def close(self) -> None:
        """Drop the template."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(self._template)))

    @contextmanager
    def database(self, encoding: LiteralString = "UTF8") -> Iterator[str]:
        """Give the URI of an empty database, which is dropped afterwards."""
        # Each encoding works with the locale C of the system. Older servers have no other provider.
        provider = " LOCALE_PROVIDER libc" if self._version >= _CHOOSES else ""
        locale = "" if encoding == "UTF8" else f" ENCODING '{encoding}'{provider} LC_COLLATE 'C' LC_CTYPE 'C'"
        with self._new("template0", locale) as uri:
            yield uri

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """Give the URI of a database with every table and no rows, which is dropped afterwards.

        It is a copy of a template, which the first call migrates: a copy takes a tenth of the time.
        """
        if not self._has_template:
            self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._template)))
            migrate(self._uri_of(self._template))
            self._has_template = True
        with self._new(self._template) as uri:
            yield uri

    @contextmanager
    def copy(self, uri: str) -> Iterator[str]:
        """Give the URI of a copy of the database *uri*, to which nothing is connected; it is dropped afterwards."""
        with self._new(str(conninfo_to_dict(uri)["dbname"])) as copied:
            yield copied

    @contextmanager
    def _new(self, template: str, options: LiteralString = "") -> Iterator[str]:
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        # A copy of the files takes less time than a copy through the log.
        options += " STRATEGY FILE_COPY" if self._version >= _CHOOSES else ""
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}" + options)
        self._execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield self._uri_of(name)
        finally:
            self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _uri_of(self, database: str) -> str:
        # PostgreSQL's URIs end with the name of the database and its parameters.
        server, _, parameters = self.uri.partition("?")
        return f"{server.rpartition('/')[0]}/{database}" + (f"?{parameters}" if parameters else "")

    @cached_property
    def _version(self) -> int:
        with psycopg.connect(self.uri) as connection:
            return connection.info.server_version

    def _execute(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self.uri, autocommit=True) as admin:
            admin.execute(statement)


class Cluster(Server):
    """A PostgreSQL server in a separate folder. It ends with this process, even by SIGKILL."""

    def __init__(self, folder: Path) -> None:
        super().__init__("")
        self._folder = folder / "pg"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(ends_with_us("cluster", str(self._folder)))
        self._server = start_postgres(self._folder)
        self._stack.callback(self._server.close)
        self.uri = self._server.uri
        for setting in _FAST:
            self._execute(sql.SQL("ALTER SYSTEM SET " + setting))
        self._execute(sql.SQL("SELECT pg_reload_conf()"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server: *fast* like an operator, *immediate* like a crash (no shutdown, then recovery)."""
        self._server.stop(mode)

    def start(self) -> None:
        """Start the server again after :meth:`stop`, at the same address; return when it takes connections."""
        self._server.start()

    @property
    def log(self) -> Path:
        """The file that the server logs to."""
        return self._server.log
