"""Databases that the bridge cannot use: each use says why, changes nothing, and names the remedy."""

from __future__ import annotations

import asyncio
import struct
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest

from agent_bridge.cli.doctor import Doctor
from agent_bridge.config.model import Config
from agent_bridge.core.errors import DatabaseUnsuitable
from agent_bridge.store.postgres.backup import back_up, move, restore
from agent_bridge.store.postgres.migrate import check, migrate
from agent_bridge.stores import open_stores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.postgres import Server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an empty file for the configuration."""
    (tmp_path / "config.yaml").touch(mode=0o600)
    return tmp_path


def config_for(url: str, *, migrated: bool = True) -> Config:
    return Config.model_validate(
        {
            "homeserver": {"address": "http://127.0.0.1:9", "domain": "test.local"},
            "appservice": {"as_token": "a" * 32, "hs_token": "b" * 32},
            "database": {"url": url, "migrate": migrated},
            "upstreams": [{"name": "u", "url": "http://127.0.0.1:9/v1"}],
        }
    )


async def doctor_says(url: str, folder: Path) -> str:
    file = folder / "config.yaml"
    findings = Doctor(config_for(url), file, file).findings()
    try:
        return "\n".join([str(each) async for each in findings if each.check == "database"])
    finally:
        await findings.aclose()  # type: ignore[attr-defined]  # it is a generator


async def refusal_at_start(url: str, *, migrated: bool) -> str:
    async with AsyncExitStack() as stack:
        with pytest.raises(DatabaseUnsuitable) as caught:
            await open_stores(config_for(url, migrated=migrated).database, 10, stack)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_needs_the_encoding_utf8(
    encoding: LiteralString, postgres: Server, database_url: str, folder: Path
) -> None:
    file = folder / "backup"
    back_up(database_url, file)
    fault, remedy = f"the database has the encoding {encoding}", "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    with postgres.database(encoding) as url:
        for migrated in (True, False):
            said = await refusal_at_start(url, migrated=migrated)
            assert fault in said
            assert remedy in said
        line = await doctor_says(url, folder)
        assert line.startswith(f"FAIL  database: {fault}, which cannot hold all messages → ")
        assert remedy in line
        with pytest.raises(DatabaseUnsuitable, match=fault):
            restore(url, file)
        with pytest.raises(DatabaseUnsuitable, match=f"the target has the encoding {encoding}"):
            move(database_url, url)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_connections_need_the_encoding_utf8(migrated_url: str) -> None:
    for use in (migrate, check):
        with pytest.raises(DatabaseUnsuitable, match=r"use the encoding LATIN1: remove client_encoding from its URL"):
            use(f"{migrated_url}&client_encoding=LATIN1")


async def test_a_server_may_not_be_too_old(folder: Path) -> None:
    fault = "PostgreSQL 12, which is too old"
    async with old_server() as url:
        for use in (migrate, check):
            with pytest.raises(DatabaseUnsuitable, match=f"{fault}: use version 13 or newer"):
                await asyncio.to_thread(use, url)
        assert f"{fault} → use version 13 or newer" in await doctor_says(url, folder)


@asynccontextmanager
async def old_server() -> AsyncIterator[str]:
    """Accept connections as PostgreSQL 12 does, and settings; nothing else.

    PostgreSQL 18 documentation, 54.7 "Message Formats".
    """

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = message(b"Z", b"I")
        while (start := await reader.readexactly(8))[4:] != b"\0\x03\0\0":
            # A request for encryption.
            writer.write(b"N")
        await reader.readexactly(int.from_bytes(start[:4]) - 8)
        writer.write(message(b"R", bytes(4)))
        for name, value in {
            b"server_version": b"12.22",
            b"server_encoding": b"UTF8",
            b"client_encoding": b"UTF8",
        }.items():
            writer.write(message(b"S", name + b"\0" + value + b"\0"))
        writer.write(ready)
        while await reader.read(1) == b"Q":
            await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
            writer.write(message(b"C", b"SET\0") + ready)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"postgresql://u@{host}:{port}/db?gssencmode=disable"
