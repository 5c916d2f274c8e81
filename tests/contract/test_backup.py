"""Backups on a real PostgreSQL: a database goes to a file, from a file, and to another database."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from agent_bridge.cli import database as database_commands
from agent_bridge.config.model import Config
from agent_bridge.core.errors import ConfigError, SchemaTooOld, StoreError
from agent_bridge.store.postgres import migrate
from agent_bridge.store.postgres.backup import back_up, move, restore, row_counts
from agent_bridge.store.postgres.client_programs import program
from agent_bridge.store.postgres.embedded import embedded_postgres
from support import released_databases
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.postgres import Server


@pytest.fixture
def filled(database_url: str) -> str:
    """A database with the bridge's tables and some rows."""
    fill(database_url)
    return database_url


@pytest.fixture
def folder() -> Iterator[Path]:
    # The path of the server's socket is short.
    with temporary_folder("ab-backup-") as path:
        yield path.resolve()


def fill(url: str, rows: int = 3) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO kv (key, value) SELECT 'k' || n, to_jsonb(n) FROM generate_series(1, %s) n", (rows,)
        )


def value(url: str, key: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT value FROM kv WHERE key = %s", (key,)).fetchone()
        assert row is not None
        return row[0]


def keys(url: str) -> int:
    return row_counts(url)["kv"]


def test_a_database_comes_back_as_it_was(filled: str, postgres: Server, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with psycopg.connect(filled) as connection:
        connection.execute("INSERT INTO kv (key, value) VALUES ('numbers_compared', '\"1 term\"')")
        feed = '{"epoch": "0123abcd", "pruned": 7}'
        connection.execute("INSERT INTO kv (key, value) VALUES ('feed', %s)", (feed,))
    back_up(filled, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    counts = row_counts(filled)
    with postgres.database() as empty:
        assert restore(empty, file) == counts
        migrate.check(empty)
        assert value(empty, "numbers_compared") is None
        # The cursors of subscribers that are ahead of the backup would count again once the feed is as long as then.
        begun = value(empty, "feed")
        assert isinstance(begun, dict)
        assert begun["pruned"] == 7
        assert re.fullmatch("[0-9a-f]{8}", begun["epoch"])
        assert begun["epoch"] != "0123abcd"
        with psycopg.connect(empty) as connection:
            # The sequences continue behind the restored rows.
            connection.execute("SELECT nextval('turn_position_seq')")
    with psycopg.connect(filled) as connection:
        # A newer program added it.
        connection.execute("CREATE TABLE newer (id bigint PRIMARY KEY)")
        connection.execute("DELETE FROM kv")
    with pytest.raises(StoreError, match=r"the database has \d+ tables; --force replaces them"):
        restore(filled, file)
    assert restore(filled, file, force=True) == counts


def test_a_backup_replaces_no_file_unasked(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    file.write_text("mine")
    with pytest.raises(StoreError, match="already exists; --force replaces it"):
        back_up(filled, file)
    assert file.read_text() == "mine"
    back_up(filled, file, force=True)
    assert file.stat().st_mode & 0o777 == 0o600
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(StoreError, match="is not a regular file"):
            back_up(filled, path, force=True)
    assert (tmp_path / "fifo").is_fifo()
    with pytest.raises(StoreError, match="is not a file"):
        restore(filled, tmp_path / "fifo")
    with pytest.raises(StoreError, match="none/backup: No such file or directory"):
        back_up(filled, tmp_path / "none" / "backup")


def test_a_file_that_cannot_be_used_changes_nothing(filled: str, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    with psycopg.connect(filled) as connection:
        # Rows that fill the second half of the file.
        connection.execute(
            "INSERT INTO kv (key, value) SELECT 'r' || n, to_jsonb(md5(n::text)) FROM generate_series(1, 9000) n"
        )
    back_up(filled, good)
    counts = row_counts(filled)
    whole = good.read_bytes()
    for content, problem in {
        b"": "bad is empty",
        b"text": "bad is no backup",
        b"--\n-- PostgreSQL database dump\n--\n": "bad is a script of SQL",
        b"PGDMP": "bad is cut off or damaged: ",
        whole[: len(whole) * 6 // 10]: "bad is cut off or damaged: ",
        whole[: len(whole) // 4]: "bad is cut off or damaged: ",
        whole[: len(whole) * 6 // 10] + bytes(9) + whole[len(whole) * 6 // 10 + 9 :]: "bad is cut off or damaged: ",
        # The version of the format is behind the mark.
        whole[:6] + b"\x63" + whole[7:]: "bad was written by a pg_dump that is newer than version 18",
    }.items():
        bad.write_bytes(content)
        with pytest.raises(StoreError, match=problem):
            restore(filled, bad, force=True)
        assert row_counts(filled) == counts
    for path, problem in {
        tmp_path / "absent": "absent: No such file or directory",
        tmp_path: "Is a directory",
    }.items():
        with pytest.raises(StoreError, match=problem):
            restore(filled, path, force=True)
    assert row_counts(filled) == counts


def dump(url: str, file: Path) -> None:
    """Write *url* to *file* as an operator does with pg_dump alone."""
    with file.open("wb") as output, program("pg_dump", "--format=custom", uri=url, stdout=output) as process:
        process.wait()


def test_a_file_of_another_program_changes_nothing(filled: str, postgres: Server, tmp_path: Path) -> None:
    file, counts = tmp_path / "other", row_counts(filled)
    with postgres.database() as other:
        for statement, problem in {
            "CREATE TYPE mood AS ENUM ('fine')": "other contains no database of agent-bridge: it has no tables",
            # Other programs use alembic too.
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0009');"
            "CREATE TABLE customer (id int)": r"agent-bridge: it has 2 tables \(alembic_version, customer",
        }.items():
            with psycopg.connect(other) as connection:
                connection.execute(statement.encode())
            dump(other, file)
            with pytest.raises(StoreError, match=problem):
                restore(filled, file, force=True)
            assert row_counts(filled) == counts
    with postgres.database() as empty, pytest.raises(StoreError, match="the database has no tables of agent-bridge"):
        back_up(empty, tmp_path / "none")


def test_a_file_in_another_schema_changes_nothing(filled: str, postgres: Server, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    back_up(filled, file)
    with postgres.database() as empty:
        with psycopg.connect(empty) as connection:
            connection.execute("CREATE SCHEMA bridge")
        there = f"{empty}&options=-csearch_path%3Dbridge"
        with pytest.raises(StoreError, match=r"contains the schema public and .* use the schema bridge: add"):
            restore(there, file)
        with pytest.raises(StoreError, match="the target use the schema bridge, and the tables are in public"):
            move(filled, there)
        with pytest.raises(StoreError, match=r"none of the schemas of its search_path \(lost\)"):
            restore(f"{empty}&options=-csearch_path%3Dlost", file)
        assert row_counts(there) == row_counts(empty) == {}


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", r"a newer agent-bridge wrote .*backup \(revision 9999\)"),
        ("DELETE FROM alembic_version", "contains an empty database of agent-bridge"),
        (
            "UPDATE kv SET value = '\"99.00.00_01.sql\"' WHERE key = 'procrastinate_migration'",
            r"newer procrastinate wrote .*backup \(99.00.00_01.sql\)",
        ),
    ],
)
def test_a_file_of_a_newer_program_changes_nothing(
    statement: str, problem: str, filled: str, postgres: Server, tmp_path: Path
) -> None:
    file, counts = tmp_path / "backup", row_counts(filled)
    with postgres.copy(filled) as newer:
        with psycopg.connect(newer) as connection:
            connection.execute(statement.encode())
        back_up(newer, file)
    with pytest.raises(StoreError, match=problem):
        restore(filled, file, force=True)
    assert row_counts(filled) == counts


def test_a_file_of_an_older_program_is_restored(filled: str, postgres: Server, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with postgres.database() as older:
        released_databases.load(older, "release_0003")
        back_up(older, file)
    restore(filled, file, force=True)
    with pytest.raises(SchemaTooOld):
        migrate.check(filled)
    migrate.migrate(filled)


def test_a_database_in_use_is_not_replaced(filled: str, postgres: Server, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with psycopg.connect(filled, application_name="agent_bridge"):
        back_up(filled, file)
        with pytest.raises(StoreError, match=r"1 connections use the database \(agent_bridge\): stop all processes"):
            restore(filled, file, force=True)
        with postgres.database() as empty, pytest.raises(StoreError, match="stop all processes"):
            move(filled, empty)


def test_a_session_that_ends_in_a_moment_does_not_use_the_database(filled: str, postgres: Server) -> None:
    """The server still lists the session of a connection that was closed a moment ago."""
    with psycopg.connect(filled) as ending, postgres.database() as target:
        closing = threading.Timer(0.3, ending.close)
        closing.start()
        assert move(filled, target) == row_counts(filled)
        closing.join()


def test_a_move_needs_an_empty_target(filled: str, postgres: Server) -> None:
    with postgres.database() as target:
        assert move(filled, target) == row_counts(filled) == row_counts(target)
        with pytest.raises(StoreError, match=r"the target is not empty: it has \d+ tables \(admin_action, "):
            move(filled, target)
    with pytest.raises(StoreError, match="the target cannot be reached: "):
        move(filled, "postgresql://127.0.0.1:9/none")


def test_secrets_are_no_arguments(filled: str, postgres: Server, tmp_path: Path) -> None:
    """The programs run while a thread copies their arguments, which other users of the machine can read."""
    key = base64.b64encode(b"hush" * 8).decode()
    secrets = f"password=hush%20&sslpassword=hush%202&scram_client_key={quote(key)}&oauth_client_secret=hush4"
    file, seen = tmp_path / "backup", set()
    with postgres.database() as empty, ThreadPoolExecutor(1) as pool:
        for work in (
            pool.submit(back_up, f"{filled}&{secrets}", file),
            pool.submit(restore, f"{empty}&{secrets}", file),
        ):
            while not work.done():
                for child in psutil.Process().children():
                    with suppress(psutil.Error):
                        command = " ".join(child.cmdline())
                        seen |= {name for name in ("pg_dump", "psql") if name in command}
                        assert not re.search(f"hush|{key[:8]}", command)
            work.result()
    assert seen == {"pg_dump", "psql"}


def test_the_programs_get_the_secrets(filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show = "\\! grep sslpassword $PGSERVICEFILE && readlink $PGSERVICEFILE"
    with program("psql", "-Xc", show, uri=f"{filled}&sslpassword=hush", stdout=subprocess.PIPE) as shown:
        assert shown.stdout is not None
        secret, _, file = shown.stdout.read().decode().partition("\n")
    assert secret == "sslpassword=hush"
    # No other process can find the file.
    assert file.strip().endswith("(deleted)")
    services = tmp_path / "services"
    services.write_text("[mine]\nconnect_timeout=9\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with pytest.raises(StoreError, match="has sslpassword beside a service") as caught:
        back_up(f"{filled}&sslpassword=hush&service=mine", tmp_path / "backup")
    assert "hush" not in str(caught.value)


def test_a_wrong_url_shows_no_password(filled: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        back_up(
            filled.replace("postgresql://postgres@", "postgresql://postgres:hush@", 1) + "&sslmode=bad", tmp_path / "b"
        )
    assert "hush" not in str(caught.value)


def config_for(folder: Path, **database: str) -> Config:
    return Config.model_validate(
        {
            "homeserver": {"address": "http://localhost:8008", "domain": "test.local"},
            "appservice": {"as_token": "a" * 32, "hs_token": "b" * 32},
            "database": {"data_dir": str(folder / "data"), **database},
            "upstreams": [{"name": "u", "url": "http://localhost:9/v1"}],
        }
    )


async def test_an_embedded_database_is_backed_up_restored_and_moved(
    folder: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, file, config_file = config_for(folder), folder / "backup", folder / "config.yaml"
    with pytest.raises(StoreError, match="contains no database"):
        await database_commands.back_up(config, config_file, file, force=False)
    async with embedded_postgres(config.database.data_dir / "postgres") as uri:
        # As while the bridge runs: the command finds the running server.
        migrate.migrate(uri)
        fill(uri)
        assert "config.yaml" in await database_commands.back_up(config, config_file, file, force=False)
    # The command starts the server, and stops it.
    assert "rows in" in await database_commands.restore(config, file, force=True)
    assert not (config.database.data_dir / "postgres" / "postmaster.pid").exists()
    with postgres.database() as target:
        monkeypatch.setenv("TARGET_URL", target)
        said = await database_commands.move(config, config_file, "env:TARGET_URL")
        assert "url: env:TARGET_URL" in said
        assert keys(target) == 4
    for wrong, problem in {"env:UNSET_URL": "UNSET_URL is not set", "mysql://x": "postgresql://"}.items():
        with pytest.raises(ConfigError, match=problem):
            await database_commands.move(config, config_file, wrong)
    with pytest.raises(ConfigError, match="external database already"):
        await database_commands.move(config_for(folder, url="postgresql://x/y"), config_file, "postgresql://x/z")
