"""Backups: a database is written to a file, read from a file, or copied to another server.

A file has the custom format of ``pg_dump``; its tables belong to no user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import psycopg
from psycopg import sql

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres import client_programs
from agent_bridge.store.postgres.backup_file import file_errors, reading, refuse_unusable
from agent_bridge.store.postgres.client_programs import ProgramFailed, program
from agent_bridge.store.postgres.migrate import as_store_error, connect, refuse_unsuitable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Exit code of psql after an error of a statement: the server has rolled back.
_ROLLED_BACK = 3
#: The oldest server that knows the setting ``transaction_timeout``, which a dump sets.
_KNOWS_TRANSACTION_TIMEOUT = 17
_SETTING = b"SET transaction_timeout = 0;\n"

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
#: Seconds in which the sessions of closed connections end, and between two looks.
_ENDING, _PAUSE = 2.0, 0.05
_OTHERS = """
SELECT coalesce(nullif(application_name, ''), 'process ' || pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
# The next leader looks for the chats that the backup lacks. The feed goes on with positions that it has given before,
# for other entries: with another epoch, no cursor of that time counts. An old backup has no such table.
_RESTORED = """
DO $restored$
BEGIN
    IF to_regclass(format('%%I.kv', %(schema)s)) IS NOT NULL THEN
        EXECUTE format('UPDATE %%I.kv SET value = %%L WHERE key = %%L', %(schema)s, 'null', 'numbers_compared');
        EXECUTE format('UPDATE %%I.kv SET value = jsonb_set(value::jsonb, %%L, to_jsonb(left(md5(random()::text || '
                       'clock_timestamp()::text), 8))) WHERE key = %%L', %(schema)s, '{epoch}', 'feed');
    END IF;
END $restored$;
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


def back_up(uri: str, file: Path, *, force: bool = False) -> int:
    """Write the database at *uri* to *file*, which only its owner can read; return its size in bytes.

    The bridge may run. The file appears when it is complete.

    Raises:
        StoreError: the file exists and *force* is false, it cannot be written, or the database cannot be read.
    """
    refuse_to_replace(file, force=force)
    schema = _source_schema(uri)
    with file_errors(file), tempfile.TemporaryDirectory(dir=file.parent, prefix=".agent-bridge.") as folder:
        complete = Path(folder, file.name)
        try:
            with os.fdopen(os.open(complete, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
                _dump(uri, schema, output)
                output.flush()
                os.fsync(output.fileno())
        except ProgramFailed as error:
            raise StoreError(f"{file} was not written: {error}") from None
        complete.replace(file)
        return file.stat().st_size


def refuse_to_replace(file: Path, *, force: bool) -> None:
    """Return if a backup may be written to *file*.

    Raises:
        StoreError: it is no regular file, or it exists and *force* is false; or its folder does not exist.
    """
    with file_errors(file):
        if file.exists() and not file.is_file():
            # As root, a rename would replace even /dev/null.
            raise StoreError(f"{file}: is not a regular file")
        if not force and os.path.lexists(file):
            raise StoreError(f"{file}: already exists; --force replaces it")
        file.parent.stat()


def restore(uri: str, file: Path, *, force: bool = False) -> dict[str, int]:
    """Replace the tables of the database at *uri* by those of *file*, in one transaction; return their row counts.

    Raises:
        StoreError: another process uses the database; it has tables and *force* is false; the file is not a complete
            backup, or a newer program wrote it. The database is as it was before.
    """
    with _connection(uri) as connection:
        refuse_unsuitable(connection)
        schema = _schema(connection)
        refuse_unusable(file, schema)
        _refuse_users(connection)
        if not force and (tables := _tables(connection)):
            raise StoreError(f"the database has {len(tables)} tables; --force replaces them by those of {file}")
    try:
        with ExitStack() as stack:
            with file_errors(file):
                content = stack.enter_context(file.open("rb"))
            with reading(file):
                return _load(uri, content, schema, replace=True)
    except ProgramFailed as error:
        kept = ", and the database is as before" if error.code == _ROLLED_BACK else ""
        raise StoreError(f"{file} was not restored{kept}: {error}") from None


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
        refuse_unsuitable(connection, "the target")
        if (there := _schema(connection)) != schema:
            raise StoreError(f"connections to the target use the schema {there}, and the tables are in {schema}")
        if tables := _tables(connection):
            shown = ", ".join(tables[:3])
            raise StoreError(
                f"the target is not empty: it has {len(tables)} tables ({shown}, …); name an empty database"
            )
    # A file without a name: a killed process leaves none behind.
    with tempfile.TemporaryFile() as content:
        try:
            _dump(source, schema, content)
            content.seek(0)
            counts = _load(target, content, schema, replace=False)
        except ProgramFailed as error:
            raise StoreError(f"the copy by way of a file in {tempfile.gettempdir()} failed: {error}") from None
    here = row_counts(source)
    different = sorted(table for table in here.keys() | counts.keys() if here.get(table) != counts.get(table))
    if different:
        raise StoreError(f"the row counts differ after the copy: {', '.join(different)}; do not use the target")
    return counts


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
        if version > client_programs.VERSION:
            raise StoreError(
                f"the server is PostgreSQL {version}, and the pg_dump of this installation is of version "
                f"{client_programs.VERSION}: use the pg_dump of your server: pg_dump --format=custom --no-owner "
                "--no-privileges"
            )
        row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        if row != (True,):
            raise StoreError("the database has no tables of agent-bridge")
        return _schema(connection)


def _schema(connection: psycopg.Connection[Any]) -> str:
    """Return the schema in which the connection makes tables."""
    row = connection.execute("SELECT current_schema(), current_setting('search_path')").fetchone()
    if row is None or row[0] is None:
        raise StoreError(f"the database has none of the schemas of its search_path ({row[1] if row else ''})")
    return str(row[0])


def _dump(uri: str, schema: str, output: IO[bytes]) -> None:
    arguments = ("--format=custom", "--no-owner", "--no-privileges", f"--schema={schema}")
    with program("pg_dump", *arguments, uri=uri, stdout=output) as process:
        process.wait()


def _load(uri: str, content: IO[bytes], schema: str, *, replace: bool) -> dict[str, int]:
    with _connection(uri) as connection:
        literal = psycopg.ClientCursor(connection).mogrify
        before, behind = (literal(each, {"schema": schema}).encode() if replace else b"" for each in (_DROP, _RESTORED))
        left_out = connection.info.server_version // 10_000 < _KNOWS_TRANSACTION_TIMEOUT
    arguments = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
    with program("psql", *arguments, uri=uri, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as loading:
        commands = cast("IO[bytes]", loading.stdin)
        try:
            # Only the last statement commits: of a file that is cut off, nothing stays.
            commands.write(b"SET client_min_messages = warning;\nBEGIN;\n" + before)
            _pump(content, commands, schema, left_out=_SETTING if left_out else None)
            commands.write(behind + b"COMMIT;\n")
            commands.close()
        except BrokenPipeError:
            # psql ended with an error, which it printed. The rest of the buffer is lost.
            with suppress(BrokenPipeError):
                commands.close()
        loading.wait()
    return row_counts(uri)


def _pump(content: IO[bytes], target: IO[bytes], schema: str, *, left_out: bytes | None) -> None:
    """Write the SQL of the dump *content* that fills *schema* to *target*, without *left_out* at its beginning."""
    # With this option the schema itself is not created.
    arguments = ("--no-owner", "--no-privileges", f"--schema={schema}", "--file=-")
    with program("pg_restore", *arguments, stdin=content, stdout=subprocess.PIPE) as process:
        statements = cast("IO[bytes]", process.stdout)
        beginning = statements.read(1 << 16)
        target.write(beginning if left_out is None else beginning.replace(left_out, b"", 1))
        shutil.copyfileobj(statements, target)
        process.wait()


def _tables(connection: psycopg.Connection[Any]) -> list[str]:
    return [str(name) for (name,) in connection.execute(_TABLES)]


def _refuse_users(connection: psycopg.Connection[Any]) -> None:
    # The server ends a session a moment after its connection: that of an earlier step, or of a process just stopped.
    deadline = time.monotonic() + _ENDING
    while others := [str(name) for (name,) in connection.execute(_OTHERS)]:
        if time.monotonic() > deadline:
            shown = ", ".join(sorted(set(others))[:3])
            raise StoreError(
                f"{len(others)} connections use the database ({shown}): stop all processes of the bridge first"
            )
        time.sleep(_PAUSE)


@contextmanager
def _connection(uri: str, database: str = "the database (database.url)") -> Iterator[psycopg.Connection[Any]]:
    with (
        as_store_error(f"{database} cannot be used", database),
        connect(uri, client_encoding="UTF8") as connection,
    ):
        connection.execute("SET statement_timeout = 0")
        yield connection
