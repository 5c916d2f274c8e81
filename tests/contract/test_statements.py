"""The statements of ``store/sql``: each has a description and a caller, and fits the newest schema."""

from __future__ import annotations

import re
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import agent_bridge.store
from agent_bridge.encryption.tables import KeyDatabase, make_tables
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from support.postgres import Server

FOLDER = Path(agent_bridge.store.__file__).parent
FILES = sorted((FOLDER / "sql").glob("*.sql"))
NAMES = [file.stem for file in FILES]
EACH_FILE = pytest.mark.parametrize("name", NAMES)
PARTS = sorted((FOLDER / "sql" / "parts").glob("*.sql"))
PARAMETER = re.compile(r"%\((\w+)\)s")


def numbered(statement: str) -> str:
    """The statement as PostgreSQL's PREPARE takes it."""
    names = list(dict.fromkeys(PARAMETER.findall(statement)))
    return PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", statement).replace("%%", "%")


def test_every_file_belongs_to_a_module_of_its_name() -> None:
    assert NAMES
    for name in NAMES:
        assert isinstance(import_module(f"agent_bridge.store.{name}")._SQL, Statements)


@EACH_FILE
def test_a_module_uses_every_statement_of_its_file_and_no_other(name: str) -> None:
    code = (FOLDER / f"{name}.py").read_text()
    used = set(re.findall(r'"([a-z_]+)"', code))
    assert set(Statements(name).all) - used == set()
    assert set(re.findall(r'_SQL\["([a-z_]+)"\]', code)) - set(Statements(name).all) == set()


@EACH_FILE
def test_every_statement_has_a_name_of_its_own_and_a_description(name: str) -> None:
    text = Statements(name).text
    headings = re.findall(r"^-- ([a-z_]+) --$", text, re.MULTILINE)
    assert sorted(headings) == sorted(Statements(name).all)
    assert re.findall(r"^-- ([a-z_]+) --\n-- [A-Z]", text, re.MULTILINE) == headings
    assert text.startswith("-- ")


@EACH_FILE
async def test_the_database_understands_every_statement(name: str, migrated_url: str, postgres: Server) -> None:
    statements = Statements(name).all.values()
    with ExitStack() as stack:
        url = migrated_url
        if any("encryption." in statement for statement in statements):
            url = stack.enter_context(postgres.migrated())
            keys = KeyDatabase(url)
            await keys.start()
            await make_tables(keys, "")
            await keys.stop()
        connection = stack.enter_context(psycopg.connect(url))
        for number, statement in enumerate(statements):
            # PostgreSQL prepares every statement but this one.
            prepare = "" if statement.startswith("LOCK TABLE ") else f"PREPARE s{number} AS "
            connection.execute((prepare + numbered(statement)).encode())


def test_a_statement_is_found_by_its_name_without_its_description() -> None:
    assert Statements("queue")["remove"] == "DELETE FROM procrastinate_jobs WHERE id = ANY(%(jobs)s)"
    with pytest.raises(KeyError):
        Statements("queue")["remove_all"]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.stem)
def test_a_part_has_a_description_and_several_places(part: Path) -> None:
    assert part.read_text().startswith("-- ")
    places = [line for file in (*FILES, *PARTS) for line in file.read_text().splitlines()]
    assert places.count(f"-- include {part.stem} --") > 1


def test_a_part_stands_in_the_place_of_its_line() -> None:
    columns = (FOLDER / "sql" / "parts" / "usage_rows.sql").read_text().partition("\n")[2]
    assert Statements("usage")["of_all"].startswith(f"{columns}WHERE u.at >= ")
    # A part may have parts.
    assert "INSERT INTO usage" in Statements("turns")["commit"]
    assert not any("-- include" in statement for name in NAMES for statement in Statements(name).all.values())
