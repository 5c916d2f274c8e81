"""The database of each release is upgraded to the newest schema, and keeps its rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from agent_bridge.store.payloads import decode, decode_step
from agent_bridge.store.postgres.migrate import check, migrate
from support.database_structure import structure
from support.released_databases import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.postgres import Server

    Upgraded = tuple[str, str, dict[str, "Table"]]

NAMES = sorted(file.stem for file in (Path(__file__).parents[1] / "migrations_data").glob("release_*.sql"))
#: Tables whose rows are elsewhere now; tests/contract/test_populated_migrations.py looks for them.
MOVED: Final = {"release_0003": {"fact", "portal", "send", "set_aside"}}
#: Rows of the tables that stayed, which are turns now.
MOVED_ROWS: Final = {"release_0003": {("ignored", "$refused"), ("ignored", "$encrypted")}}
#: Columns whose values mean the same in another form, likewise.
REWRITTEN: Final = {
    "release_0003": {
        *("conversation.thread_id", "turn.event_id", "turn.failures", "turn.kind", "turn.payload", "turn.state"),
    }
}


@dataclass(frozen=True)
class Table:
    """The columns of the primary key, and the rows."""

    key: list[str]
    rows: list[dict[str, Any]]

    def by(self, key: list[str]) -> dict[tuple[object, ...], dict[str, Any]]:
        """Return the rows by the columns of *key*."""
        return {tuple(row[column] for column in key): row for row in self.rows}


def tables(uri: str) -> dict[str, Table]:
    """The tables of the bridge itself."""
    query = """
        SELECT t.relname AS table, array_agg(a.attname::text ORDER BY a.attnum) AS key
        FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indisprimary AND t.relnamespace = 'public'::regnamespace
        AND t.relname !~ '^(procrastinate_|alembic_version|kv$)' GROUP BY 1
    """
    with psycopg.connect(uri, row_factory=dict_row) as connection:
        keys = {row["table"]: row["key"] for row in connection.execute(query).fetchall()}
        every = sql.SQL("SELECT * FROM {}")
        return {
            table: Table(key, connection.execute(every.format(sql.Identifier(table))).fetchall())
            for table, key in keys.items()
        }


@pytest.fixture(scope="module", params=NAMES)
def upgraded(request: pytest.FixtureRequest, postgres: Server) -> Iterator[Upgraded]:
    """The name of a release, its database after the upgrade, and the rows from before."""
    with postgres.database() as uri:
        load(uri, request.param)
        before = tables(uri)
        migrate(uri)
        yield request.param, uri, before


def test_the_schema_is_that_of_a_new_database(upgraded: Upgraded, postgres: Server) -> None:
    _, uri, _ = upgraded
    check(uri)
    with postgres.migrated() as new:
        assert structure(uri) == structure(new)


def test_no_row_is_lost_or_changed(upgraded: Upgraded) -> None:
    name, uri, before = upgraded
    after = tables(uri)
    assert before.keys() - after.keys() == MOVED.get(name, set())
    assert sum(len(table.rows) for table in before.values()) > 50
    changed: set[str] = set()
    moved: set[tuple[object, ...]] = set()
    for table in before.keys() & after.keys():
        old, new = before[table].by(before[table].key), after[table].by(before[table].key)
        moved |= {(table, *key) for key in old.keys() - new.keys()}
        for key in old.keys() & new.keys():
            there = old[key].keys() & new[key].keys()
            changed |= {f"{table}.{column}" for column in there if old[key][column] != new[key][column]}
    assert moved == MOVED_ROWS.get(name, set())
    assert changed == REWRITTEN.get(name, set())


def test_every_payload_and_step_can_be_read(upgraded: Upgraded) -> None:
    _, uri, _ = upgraded
    with psycopg.connect(uri, row_factory=dict_row) as connection:
        rows = connection.execute("SELECT kind, payload, steps, open FROM turn").fetchall()
    for row in rows:
        decode(row["kind"], row["payload"])
        assert all(decode_step(step).name for step in row["steps"])
    # Releases end while turns are open: an upgrade must not lose them.
    assert len([row for row in rows if row["open"]]) > 1
