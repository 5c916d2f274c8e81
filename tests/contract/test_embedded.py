"""The embedded PostgreSQL: starts without an administrator, has no open port, and survives a kill of the bridge."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.account import Account, installation, programs, system_user
from agent_bridge.store.postgres.embedded import EmbeddedServer, Limits, embedded_postgres, start_postgres
from agent_bridge.store.postgres.lock_files import open_lock
from agent_bridge.store.postgres.postmaster import find_postmaster
from support.conditions import eventually
from support.watchdog import ends_with_us, temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start programs as another user")

#: Another bridge: starts PostgreSQL, says so, and waits to be killed.
OTHER = """
import sys, time
from pathlib import Path
from agent_bridge.store.postgres.embedded import start_postgres
print(start_postgres(Path(sys.argv[1])).uri, flush=True)
time.sleep(600)
"""
QUICK = Limits(lock=1.5, reaction=1.5, fast=1, immediate=0.5, probe=0.5)


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder("ab-em-") as parent:
        data = parent.resolve() / "new" / "postgres"
        with ends_with_us("cluster", str(data)):
            yield data


@pytest.fixture(scope="module")
def model() -> Iterator[Path]:
    """The folder of a database that has been made."""
    with temporary_folder("ab-em-") as parent:
        start_postgres(parent / "postgres").close()
        yield parent / "postgres"


@pytest.fixture
def made(folder: Path, model: Path) -> Path:
    """A folder with a database: a copy, because initdb takes long."""
    folder.parent.mkdir()
    subprocess.run(["/bin/cp", "-a", str(model), str(folder)], check=True)
    return folder


def setting(uri: str, name: str) -> str:
    with psycopg.connect(uri) as connection:
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def pid_of(folder: Path) -> int | None:
    """Return the process id of the server that runs on *folder*; a server that starts may not have written it yet."""
    try:
        return int((folder / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None


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


def test_a_path_too_long_for_a_socket_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"too long for a Unix socket: set database\.data_dir"):
        start_postgres(folder / ("long" * 30))


def test_a_folder_that_is_none_is_an_error_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"the embedded PostgreSQL in .*file.* does not start: .+"):
        start_postgres(tmp_path / "file")


def modes_above(folder: Path) -> dict[Path, int]:
    return {each: each.stat().st_mode for each in folder.parents if each.exists()}


@as_root
def test_a_private_folder_above_is_refused_and_stays_private(folder: Path) -> None:
    private = folder.parents[1]
    private.chmod(0o700)
    before = modes_above(folder)
    with pytest.raises(StoreError, match=rf"may not enter {private} \(mode 0700\): run the bridge as an unpriv"):
        start_postgres(folder)
    assert modes_above(folder) == before
    assert list(private.iterdir()) == []


@as_root
def test_no_folder_above_is_changed(folder: Path) -> None:
    wheel = modes_above(installation() / "bin" / "postgres")
    before = modes_above(folder)
    server = start_postgres(folder)
    try:
        assert before.items() <= modes_above(folder).items()
        assert modes_above(installation() / "bin" / "postgres") == wheel
        # The folder that the bridge made can be entered and not be listed.
        assert permissions_of_others(folder.parent) == 0o011
    finally:
        server.close()


@as_root
def test_the_user_of_postgresql_is_added_once() -> None:
    name = f"abtest{secrets.token_hex(4)}"
    try:
        with ThreadPoolExecutor(3) as threads:
            first, *others = threads.map(system_user, [name] * 3)
        assert others == [first, first]
        assert first.name == name
        assert 0 not in {first.uid, first.gid}
    finally:
        subprocess.run(["/usr/sbin/userdel", name], check=False)
    with pytest.raises(StoreError, match=r"its user not a name could not be added \(useradd: .*not a name"):
        system_user("not a name")


@as_root
def test_programs_in_a_private_folder_are_copied(folder: Path) -> None:
    folder.parent.mkdir()
    private = folder.parent / "private"
    for name in ("bin", "lib"):
        (private / name).mkdir(parents=True)
    (private / "bin" / "postgres").write_text("program")
    (private / "bin" / "postgres").chmod(0o700)
    private.chmod(0o700)
    account = Account(12345, 12345, "someone")
    found = programs(account, private, folder.parent)
    assert (found / "postgres").read_text() == "program"
    assert all(map(account.can_enter, (found, found.parent, found / "postgres")))
    assert programs(account, private, folder.parent) == found
    assert private.stat().st_mode & 0o777 == 0o700
    assert programs(None, private, folder.parent) == private / "bin"


def test_postgresql_has_neither_the_secrets_nor_the_group_of_the_bridge(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LETTA_API_KEY", "secret-canary")
    # A locale that the system lacks, as ssh passes on.
    monkeypatch.setenv("LC_ALL", "zz_ZZ.ISO-8859-1")
    server = start_postgres(folder)
    try:
        assert setting(server.uri, "server_encoding") == "UTF8"
        assert server.postmaster is not None
        process = psutil.Process(server.postmaster.pid)
        assert "secret-canary" not in str(process.environ())
        added_by_postgresql = {"PWD", "PGDATA", "PGSYSCONFDIR", "PGLOCALEDIR", "PG_GRANDPARENT_PID", "_", "SHLVL"}
        passed_on = {name for name in process.environ() if name in {"LANG", "TZ"} or name.startswith("LC_")}
        assert process.environ().keys() - passed_on <= added_by_postgresql
        if os.geteuid() == 0:
            assert 0 not in {*process.uids(), *process.gids()}
            groups = Path(f"/proc/{process.pid}/status").read_text().partition("Groups:")[2].splitlines()[0]
            assert groups.split() == []
    finally:
        server.close()


def test_locks_and_sockets_are_in_folders_of_the_bridge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_folder("ab-tmp-") as shared:
        monkeypatch.setenv("TMPDIR", str(shared))
        server = start_postgres(folder)
        server.close()
        assert list(shared.iterdir()) == []
    locks = [each for each in folder.parent.iterdir() if each.is_file()]
    assert {each.name for each in locks} == {".postgres.lock", ".postgres.users"}
    assert [permissions_of_others(each) for each in locks] == [0, 0]


@pytest.mark.long
def test_a_lock_that_is_held_has_a_limit_and_a_message(folder: Path) -> None:
    server = EmbeddedServer(folder, QUICK)
    with (folder.parent / ".postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match=r"another process of the bridge starts or stops it for more than 1\.5 s"):
            start_postgres(folder, QUICK)
    server.close()


async def test_a_server_whose_postmaster_dies_is_started_again(made: Path) -> None:
    async with embedded_postgres(made) as uri:
        first = pid_of(made)
        assert first is not None
        os.kill(first, signal.SIGKILL)

        async def runs_again() -> bool:
            return can_connect(uri) and pid_of(made) != first

        await eventually(runs_again, "PostgreSQL runs again", within=20)
    assert pid_of(made) is None


@pytest.mark.long
async def test_a_server_that_accepts_no_connections_is_started_again(made: Path) -> None:
    """A shutdown that waits for the open sessions, and a postmaster that hangs."""
    async with embedded_postgres(made, QUICK) as uri:
        for number in (signal.SIGTERM, signal.SIGSTOP):
            pid = pid_of(made)
            assert pid is not None
            with contextlib.closing(psycopg.connect(uri)):
                os.kill(pid, number)

                async def runs_again(ended: int = pid) -> bool:
                    return pid_of(made) != ended and can_connect(uri)

                await eventually(runs_again, f"PostgreSQL runs again after {number.name}", within=25)
    assert pid_of(made) is None


@pytest.mark.long
async def test_a_silent_server_does_not_hold_up_the_bridge(made: Path) -> None:
    """The bridge goes on while a thread looks whether the server accepts connections."""
    server = start_postgres(made)
    hung = pid_of(made)
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    try:
        longest, looking = 0.0, asyncio.create_task(asyncio.to_thread(server.accepts_connections))
        while not looking.done():
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - begun)
        assert not await looking
        assert longest < 1
    finally:
        os.kill(hung, signal.SIGCONT)
        assert server.accepts_connections()
        server.close()


def can_connect(uri: str) -> bool:
    try:
        psycopg.connect(uri, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.long
def test_a_postmaster_that_hangs_is_killed_at_a_start(made: Path) -> None:
    start_and_be_killed(made)
    hung = pid_of(made)
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    server = start_postgres(made, QUICK)
    try:
        assert can_connect(server.uri)
        assert pid_of(made) != hung
    finally:
        server.close()


@pytest.mark.long
def test_a_postmaster_that_shuts_down_without_end_is_killed_at_a_start(made: Path) -> None:
    start_and_be_killed(made)
    hung = pid_of(made)
    assert hung is not None
    child_of(hung, "checkpointer").suspend()
    os.kill(hung, signal.SIGINT)
    server = start_postgres(made, QUICK)
    try:
        assert can_connect(server.uri)
        assert pid_of(made) != hung
    finally:
        server.close()


@pytest.mark.long
def test_a_stop_that_hangs_becomes_an_immediate_one(made: Path) -> None:
    server = start_postgres(made, QUICK)
    assert server.postmaster is not None
    child_of(server.postmaster.pid, "checkpointer").suspend()
    begin = time.monotonic()
    server.close()
    assert time.monotonic() - begin < 8
    assert find_postmaster(made) is None
    again = start_postgres(made)
    assert can_connect(again.uri)
    again.close()


def start_in_thread(server: EmbeddedServer) -> tuple[threading.Thread, list[str]]:
    """Start *server* in a thread; return the thread, and the list that gets the error of the start."""
    errors: list[str] = []

    def start() -> None:
        try:
            server.start()
        except StoreError as error:
            errors.append(str(error))

    starting = threading.Thread(target=start)
    starting.start()
    return starting, errors


@pytest.mark.parametrize("seconds", [0.1, *(pytest.param(each, marks=pytest.mark.long) for each in (0.0, 0.5, 1.0))])
def test_a_stop_during_a_start_leaves_no_server(folder: Path, seconds: float) -> None:
    """The stop comes while initdb, pg_ctl or the server itself begins."""
    server = EmbeddedServer(folder)
    starting, errors = start_in_thread(server)
    time.sleep(seconds)
    server.close()
    starting.join()
    assert not errors or errors[0] == "the bridge stops"
    assert find_postmaster(folder) is None


def test_a_stop_does_not_wait_for_another_process_that_starts_the_server(folder: Path) -> None:
    server = EmbeddedServer(folder)
    lock = open_lock(folder, "lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        starting, errors = start_in_thread(server)
        begin = time.monotonic()
        server.close()
        starting.join()
        assert time.monotonic() - begin < 10, "less than the 90 s for which a start waits for another process"
    finally:
        os.close(lock)
    assert errors == ["the bridge stops"]


def test_a_database_whose_making_was_cut_off_is_made_again(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True)
    (folder / "PG_VERSION").write_text("18\n")
    (folder / "base").mkdir()
    folder.with_name(f".{folder.name}.unfinished").touch()
    server = start_postgres(folder)
    assert can_connect(server.uri)
    server.close()
    assert not folder.with_name(f".{folder.name}.unfinished").exists()
    start_postgres(folder).close()


@pytest.mark.long
def test_a_failed_start_shows_the_log_of_that_start(made: Path) -> None:
    with (made / "postgresql.conf").open("a") as settings:
        settings.write("nonsense = 1\n")
    with pytest.raises(StoreError, match=r"(?s)does not start: it ends at once; .*log says: .*\"nonsense\"") as caught:
        start_postgres(made, QUICK)
    assert "shut down" not in str(caught.value)


def test_a_server_of_another_container_is_not_joined_by_a_second_one(made: Path) -> None:
    """Its processes are not visible here; only its socket in the shared folder responds."""
    elsewhere = start_postgres(made.with_name("elsewhere"))
    (made / ".s.PGSQL.5432").symlink_to(elsewhere.folder / ".s.PGSQL.5432")
    try:
        with pytest.raises(StoreError, match="of another container"):
            start_postgres(made)
        assert can_connect(elsewhere.uri)
    finally:
        elsewhere.close()


def test_a_start_waits_for_the_recovery(made: Path) -> None:
    start_and_be_killed(made)
    pid = pid_of(made)
    assert pid is not None
    walwriter = child_of(pid, "walwriter")
    walwriter.kill()
    # The server recovers as soon as it has noticed the end of its process.
    walwriter.wait(10)
    server = start_postgres(made)
    try:
        assert can_connect(server.uri)
    finally:
        server.close()
    assert pid_of(made) is None


def child_of(postmaster: int, name: str) -> psutil.Process:
    def is_it(child: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):  # also a zombie
            return name in " ".join(child.cmdline())
        return False

    (child,) = filter(is_it, psutil.Process(postmaster).children())
    return child


def test_a_stale_file_with_the_id_of_another_process_is_no_obstacle(made: Path) -> None:
    (made / "postmaster.pid").write_text(f"{os.getppid()}\n{made}\n1\n5432\n{made}\n\n 1 1\nready\n")
    server = start_postgres(made)
    assert can_connect(server.uri)
    server.close()


def test_a_server_is_stopped_by_its_last_user(made: Path) -> None:
    first, second = start_postgres(made), start_postgres(made)
    first.close()
    assert can_connect(second.uri)
    second.close()
    assert pid_of(made) is None
