"""The file of a backup: its content is checked before a restore changes the database.

Its format is the custom format of ``pg_dump``.
"""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.client_programs import VERSION, ProgramFailed, program
from agent_bridge.store.postgres.migrate import QUEUE_KEY, is_newer_queue, known_revisions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The first bytes of the format, and of a script that pg_dump writes without an option.
_MAGIC, _SCRIPT = b"PGDMP", b"-- PostgreSQL database"
#: The name of a table, behind that of its schema, in the list of ``pg_restore``.
_TABLE = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA )(.+) (\w+) \S+$", re.MULTILINE)
#: Tables of every version of the bridge. Other programs have an alembic_version, too.
_OURS = frozenset({"alembic_version", "agent", "turn", "message"})
_READER = "pg_restore"
_UNKNOWN_FORMAT = "unsupported version"
_BEGINNING, _LISTED = 100, 3
#: Exit code of a program that reports an error.
_ERROR = 1


@contextmanager
def file_errors(file: Path) -> Iterator[None]:
    """Raise a :class:`StoreError` that names *file* for each error of the operating system."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror or error}") from error


def refuse_unusable(file: Path, schema: str) -> None:
    """Return if *file* is a backup of the bridge's tables in *schema*, and this program knows their revision.

    Only a restore notices that the rows are cut off or damaged.

    Raises:
        StoreError: it is not, and why.
    """
    refuse_other_format(file)
    _refuse_other_tables(file, schema)
    _refuse_newer(file, schema)


def refuse_other_format(file: Path) -> None:
    """Return if *file* has the format of a backup.

    Raises:
        StoreError: it has not, and why.
    """
    with file_errors(file):
        if file.exists() and not file.is_file() and not file.is_dir():
            raise StoreError(f"{file} is not a file")
        with file.open("rb") as content:
            beginning = content.read(_BEGINNING)
    if not beginning:
        raise StoreError(f"{file} is empty")
    if _SCRIPT in beginning:
        raise StoreError(
            f"{file} is a script of SQL: restore needs a file of agent-bridge backup or pg_dump --format=custom"
        )
    if not beginning.startswith(_MAGIC):
        raise StoreError(f"{file} is no backup: restore needs a file that agent-bridge backup wrote")


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Raise a :class:`StoreError` that names *file* if ``pg_restore`` cannot read it."""
    try:
        yield
    except ProgramFailed as error:
        if error.name != _READER:
            raise
        if _UNKNOWN_FORMAT in error.said:
            raise StoreError(f"{file} was written by a pg_dump that is newer than version {VERSION}") from None
        if error.code == _ERROR:
            raise StoreError(f"{file} is cut off or damaged: {error.said}") from None
        raise


def _refuse_other_tables(file: Path, schema: str) -> None:
    found: dict[str, set[str]] = {}
    for place, table in _TABLE.findall(_output(file, "--list")):
        found.setdefault(place, set()).add(table)
    if found.get(schema, set()) >= _OURS:
        return
    others = [place for place, tables in found.items() if tables >= _OURS]
    if others:
        raise StoreError(
            f"{file} contains the schema {others[0]} and connections to the database use the schema {schema}: "
            f"add options=-csearch_path={others[0]} to its URL"
        )
    tables = sorted(table for tables in found.values() for table in tables)
    shown = f": it has {len(tables)} tables ({', '.join(tables[:_LISTED])}, …)" if tables else ": it has no tables"
    raise StoreError(f"{file} contains no database of agent-bridge{shown}")


def _refuse_newer(file: Path, schema: str) -> None:
    revision = next(iter(_rows(file, schema, "alembic_version")), "")
    if not revision:
        raise StoreError(f"{file} contains an empty database of agent-bridge: it has no revision")
    if revision not in known_revisions():
        raise StoreError(f"a newer agent-bridge wrote {file} (revision {revision}): install that version")
    values = dict(row.split("\t")[:2] for row in _rows(file, schema, "kv"))
    queue = json.loads(values.get(QUEUE_KEY, "null"))
    if queue is not None and is_newer_queue(queue):
        raise StoreError(f"an agent-bridge with a newer procrastinate wrote {file} ({queue}): install that version")


def _rows(file: Path, schema: str, table: str) -> list[str]:
    """Return the rows of a table, as COPY writes them; none if the file lacks the table."""
    text = _output(file, "--data-only", f"--schema={schema}", f"--table={table}", "--file=-")
    found = re.search(rf"^COPY .*\.{table} \(.*;\n((?:.*\n)*?)\\\.$", text, re.MULTILINE)
    return found[1].splitlines() if found else []


def _output(file: Path, *arguments: str) -> str:
    with reading(file), program(_READER, *arguments, str(file), stdout=subprocess.PIPE) as process:
        return cast("IO[bytes]", process.stdout).read().decode(errors="replace")
