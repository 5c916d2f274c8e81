"""The database of a run: the embedded one, which the bridge starts, or a server of the run behind lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, LiteralString, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from support.severable_proxy import Line
from support.watchdog import ends_with_us

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from support.postgres import Cluster

#: The lines of postmaster.pid that have the port and the folder of the socket, from 0.
_PORT, _SOCKETS = 3, 4
_LOOK_AGAIN = 0.2


class External:
    """An empty database at *uri* in a *cluster* of this run. Each replica reaches it by a line."""

    def __init__(self, cluster: Cluster, uri: str) -> None:
        self._cluster = cluster
        self.uri = uri
        self.lines: list[Line] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def line(self) -> dict[str, str]:
        """Add a line; return the section of the configuration for a bridge that uses it."""
        where = conninfo_to_dict(self.uri)
        line = await self._stack.enter_async_context(Line(f"{where['host']}/.s.PGSQL.{where.get('port') or 5432}"))
        self.lines.append(line)
        return {"url": f"postgresql://{where['user']}@127.0.0.1:{line.port}/{where['dbname']}"}

    async def crash(self) -> None:
        """Stop the server like a crash."""
        await asyncio.to_thread(self._cluster.stop, "immediate")

    async def start(self) -> None:
        """Start it again."""
        await asyncio.to_thread(self._cluster.start)


class Embedded:
    """The embedded database in *folder*, which all replicas share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(ends_with_us("cluster", str(self._folder / "postgres")))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def line(self) -> dict[str, str]:
        """Return the section of the configuration."""
        return {"url": "embedded", "data_dir": str(self._folder)}

    @property
    def uri(self) -> str:
        """The address of the server, which was started once at least."""
        lines = (self._folder / "postgres" / "postmaster.pid").read_text().splitlines()
        return make_conninfo("", host=lines[_SOCKETS], port=lines[_PORT], user="postgres", dbname="postgres")

    async def is_up(self, within: float, *, after: int | None) -> bool:
        """Tell whether another server than the process *after* answers within some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    with contextlib.suppress(psycopg.OperationalError, OSError, IndexError):
                        if self._postmaster != after:
                            await execute(self.uri, "SELECT 1")
                            return True
                    await asyncio.sleep(_LOOK_AGAIN)
        return False

    @property
    def _postmaster(self) -> int | None:
        """Process id of the server's first process, None if it does not run."""
        with contextlib.suppress(FileNotFoundError):
            return int((self._folder / "postgres" / "postmaster.pid").read_text().split()[0])
        return None

    def signal_postmaster(self, number: signal.Signals) -> int | None:
        """Send a signal to the server's first process, and return its id."""
        pid = self._postmaster
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pid


async def connect(uri: str) -> psycopg.AsyncConnection[Any]:
    """Return a connection.

    Raises:
        psycopg.OperationalError: the server does not answer.
    """
    return await psycopg.AsyncConnection.connect(uri, autocommit=True, connect_timeout=10)


async def execute(uri: str, *statements: LiteralString) -> None:
    """Run *statements* on a connection of their own.

    Raises:
        psycopg.OperationalError: the server does not answer.
    """
    async with await connect(uri) as admin:
        for statement in statements:
            await admin.execute(statement)
