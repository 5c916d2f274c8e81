"""The statements that PostgreSQL writes to its log, by which benchmarks count them."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A logged statement; its further lines begin with a tab.
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)")
#: Only new sessions have a new setting.
_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
#: Characters of a statement that name it.
_NAME = 48


@contextmanager
def logged(uri: str) -> Iterator[None]:
    """Have PostgreSQL log all statements in the database *uri* during the block. Open sessions end at its beginning."""
    with psycopg.connect(uri, autocommit=True) as admin:
        name = sql.Identifier(admin.info.dbname)
        admin.execute(sql.SQL("ALTER DATABASE {} SET log_statement = 'all'").format(name))
        admin.execute(_END_OTHERS)
    yield
    with psycopg.connect(uri, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} RESET log_statement").format(name))


class StatementLog:
    """The statements that the log *file* has got since the object was made."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._begin = file.stat().st_size

    def counts(self) -> Counter[str]:
        """Return the number of statements by the beginnings of their texts."""
        with self._file.open("rb") as file:
            file.seek(self._begin)
            text = file.read().decode("utf-8", "replace")
        return Counter(" ".join(each.split())[:_NAME] for each in _STATEMENT.findall(text))
