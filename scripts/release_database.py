"""Write tests/migrations_data/release_REVISION.sql: a database of the present schema, with rows of every kind.

A bridge on a real Synapse writes the rows (tests/support/release_scene.py). The tests upgrade the database with each
later version. It needs the packages and the import path of the tests: make release-database.
"""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import psycopg
import structlog

from agent_bridge.store.postgres.client_programs import program
from support.harness import new_harness
from support.postgres import Cluster
from support.release_scene import empty_tables, play
from support.watchdog import temporary_folder

TOP = Path(__file__).resolve().parent.parent
#: Lines that only psql knows or that older servers do not know, and comments.
_LEFT_OUT: Final = re.compile(r"^(?:\\(?:un)?restrict .*|SET (?!check_function_bodies).*|--.*)\n", re.MULTILINE)


async def main() -> int:
    """Return 0; the names of tables without rows are printed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with temporary_folder("ab-pg-") as folder, Cluster(folder) as cluster, cluster.migrated() as url:
        async with new_harness() as harness:
            await play(harness, url)
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        (revision,) = row or ("",)
        empty = empty_tables(url)
        file = TOP / "tests" / "migrations_data" / f"release_{revision}.sql"
        file.write_text(_dump(url), encoding="utf-8")
    told = ", ".join(sorted(empty)) or "none"
    print(f"{file.relative_to(TOP)}: {file.stat().st_size // 1024} KiB; tables without rows: {told}")
    return 0


def _dump(url: str) -> str:
    """Return the database as statements that any supported PostgreSQL executes, without psql."""
    arguments = ("--no-owner", "--no-privileges", "--rows-per-insert=50", "--no-comments")
    with program("pg_dump", *arguments, uri=url, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate()
    # Data begin behind the tables. No line of theirs has one of these forms, see the test that loads the file.
    return re.sub(r"\n{3,}", "\n\n", _LEFT_OUT.sub("", output.decode())).lstrip()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
