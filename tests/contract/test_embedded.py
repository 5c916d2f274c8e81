"""The embedded PostgreSQL: starts without an administrator, has no open port, and survives a kill of the bridge."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.embedded import embedded_postgres, start_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Another bridge: starts PostgreSQL, says so, and waits to be killed.
OTHER = """
import sys, time
from pathlib import Path
from agent_bridge.store.postgres.embedded import start_postgres
print(start_postgres(Path(sys.argv[1])).get_uri(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ab-em-") as parent:
        yield Path(parent).resolve() / "new" / "postgres"


def setting(uri: str, name: str) -> str:
    with psycopg.connect(uri) as connection:
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def pid_of(folder: Path) -> int | None:
    """Return the process id of the server that runs on *folder*."""
    file = folder / "postmaster.pid"
    return int(file.read_text().split()[0]) if file.exists() else None


def permissions_of_others(folder: str | Path) -> int:
    return Path(folder).stat().st_mode & 0o077


def start_and_be_killed(folder: Path) -> str:
    with subprocess.Popen([sys.executable, "-c", OTHER, str(folder)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        uri = other.stdout.readline().strip()
        other.send_signal(signal.SIGKILL)
    return uri


async def test_the_server_runs_in_a_private_folder_and_keeps_its_data(folder: Path) -> None:
    async with embedded_postgres(folder) as uri:
        assert pid_of(folder) is not None
        assert setting(uri, "listen_addresses") == ""
        assert setting(uri, "unix_socket_directories") == str(folder)
        assert permissions_of_others(folder) == 0
        with psycopg.connect(uri) as connection:
            connection.execute("CREATE TABLE kept ()")
    assert pid_of(folder) is None

    # The server survives the kill. The next bridge finds it, and stops it at a regular exit.
    assert start_and_be_killed(folder) == uri
    pid = pid_of(folder)
    assert pid is not None
    async with embedded_postgres(folder) as again:
        assert (again, pid_of(folder)) == (uri, pid)
        with psycopg.connect(uri) as connection:
            connection.execute("TABLE kept")
    assert pid_of(folder) is None


async def test_a_path_too_long_for_a_socket_opens_no_door(folder: Path) -> None:
    async with embedded_postgres(folder / ("long" * 30)) as uri:
        sockets = setting(uri, "unix_socket_directories")
        assert not sockets.startswith(str(folder))
        assert permissions_of_others(sockets) == 0


def test_a_folder_that_is_none_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"the embedded PostgreSQL in .*file.* does not start: .+"):
        start_postgres(tmp_path / "file")
