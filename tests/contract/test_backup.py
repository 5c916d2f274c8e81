"""Backups on a real PostgreSQL: a database goes to a file, from a file, and to another database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from agent_bridge.cli import database as database_commands
from agent_bridge.config.model import Config
from agent_bridge.core.errors import ConfigError, StoreError
from agent_bridge.store.postgres import migrate
from agent_bridge.store.postgres.backup import back_up, move, restore, row_counts
from agent_bridge.store.postgres.embedded import embedded_postgres
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


def keys(url: str) -> int:
    return row_counts(url)["kv"]


def test_a_database_comes_back_as_it_was(filled: str, postgres: Server, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    back_up(filled, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    counts = row_counts(filled)
    with postgres.database() as empty:
        assert restore(empty, file) == counts
        migrate.check(empty)
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
    for content in (b"", b"text", whole[: len(whole) * 6 // 10], whole[: len(whole) // 4]):
        bad.write_bytes(content)
        with pytest.raises(StoreError, match="pg_restore ended with code 1: "):
            restore(filled, bad, force=True)
        assert row_counts(filled) == counts
    with pytest.raises(StoreError, match="absent: No such file or directory"):
        restore(filled, tmp_path / "absent", force=True)


def test_a_file_of_another_program_or_of_a_newer_one(filled: str, postgres: Server, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with psycopg.connect(filled) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    back_up(filled, file)
    with postgres.database() as empty:
        with pytest.raises(StoreError, match="a newer agent-bridge wrote the file"):
            restore(empty, file)
        assert row_counts(empty) == {}
        with pytest.raises(StoreError, match="the database has no tables of agent-bridge"):
            back_up(empty, tmp_path / "other")


def test_a_database_in_use_is_not_replaced(filled: str, postgres: Server, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with psycopg.connect(filled, application_name="agent_bridge"):
        back_up(filled, file)
        with pytest.raises(StoreError, match=r"1 connections use the database \(agent_bridge\): stop all processes"):
            restore(filled, file, force=True)
        with postgres.database() as empty, pytest.raises(StoreError, match="stop all processes"):
            move(filled, empty)


def test_a_move_needs_an_empty_target(filled: str, postgres: Server) -> None:
    with postgres.database() as target:
        assert move(filled, target) == row_counts(filled) == row_counts(target)
        with pytest.raises(StoreError, match=r"the target is not empty: it has \d+ tables \(agent, "):
            move(filled, target)
    with pytest.raises(StoreError, match="the target cannot be reached: "):
        move(filled, "postgresql://127.0.0.1:9/none")


def test_passwords_are_no_arguments(filled: str, tmp_path: Path) -> None:
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
