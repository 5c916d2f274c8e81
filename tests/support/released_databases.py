"""Databases that earlier releases wrote: ``tests/migrations_data``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = Path(__file__).parent.parent / "migrations_data"
_TIMES = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'timestamp with time zone' AND table_name NOT LIKE 'procrastinate%'
"""


def load(uri: str, name: str, renamed: Mapping[str, str] | None = None) -> None:
    """Load the dump *name* into the empty database *uri*, as if it had been written just now.

    *renamed* gives rooms and events of the dump the ids that they have on a homeserver.
    """
    dump = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    for old, new in (renamed or {}).items():
        dump = re.sub(rf"{re.escape(old)}(?![\w-])", new, dump)
    with psycopg.connect(uri) as connection:
        connection.execute(dump.encode())
    with psycopg.connect(uri) as connection:
        row = connection.execute("SELECT now() - max(created_at) FROM turn").fetchone()
        assert row is not None
        for table, column in connection.execute(_TIMES).fetchall():
            statement = sql.SQL("UPDATE {0} SET {1} = {1} + %s").format(sql.Identifier(table), sql.Identifier(column))
            connection.execute(statement, row)
