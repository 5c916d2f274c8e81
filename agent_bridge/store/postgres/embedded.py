"""The embedded PostgreSQL: a real server from a wheel, in a folder of the bridge."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

import psutil  # type: ignore[import-untyped]

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.account import environment, installation, make_folder, programs
from agent_bridge.store.postgres.lock_files import open_lock, wait_for
from agent_bridge.store.postgres.postmaster import Postmaster, Reaction, find_postmaster, kill_processes, socket_uri

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from agent_bridge.config.model import DatabaseConfig

_log = logging.getLogger(__name__)

_PORT = 5432
#: Bytes of the path of a Unix socket; macOS has the smallest limit.
_LONGEST_SOCKET = 103
#: Seconds that one of PostgreSQL's programs may take.
_PROGRAM = 120.0
#: Seconds between two looks whether the server runs, and between two tries to start it again.
_LOOK, _AGAIN = 1.0, Backoff(first=1, cap=30)
#: Seconds for which a server that is asked for a connection may be silent.
_SILENCE = 2
#: Connections in a row that a server may refuse before it counts as hanging.
_REFUSALS = 3
_PAUSE, _BRIEF = 0.05, 1.0
#: PostgreSQL's own locale. One of the system may be missing, and an update of the system can change its order.
_LOCALE = ("--encoding=utf8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
#: Characters of the server's log that explain why it did not start.
_EXCERPT = 500

_Mode = Literal["smart", "fast", "immediate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds that the steps of a start and a stop may take."""

    #: Until another process of the bridge has started or stopped the server.
    lock: float = 90.0
    #: Until a server reacts. It is killed after that.
    reaction: float = 15.0
    #: A recovery.
    recovery: float = 600.0
    #: A shutdown, and an immediate one, which leaves a recovery for the next start.
    fast: float = 3.0
    immediate: float = 1.0
    #: Between two checks that the server accepts connections.
    probe: float = 5.0


_LIMITS = Limits()


class EmbeddedServer:
    """A PostgreSQL server in *folder*; several processes may use it.

    Each process that uses the server holds a shared lock on a file beside *folder*, which the kernel releases when the
    process ends. The last one stops the server. Another lock orders starts and stops.
    """

    def __init__(self, folder: Path, limits: Limits = _LIMITS) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / "log"
        self._account = make_folder(self.folder)
        self._programs = programs(self._account, installation(), self.folder.parent)
        self._uses = open_lock(self.folder, "users")
        self._limits = limits
        self._closing = threading.Event()
        #: Held by the thread that starts the server.
        self._starting = threading.Lock()

    @property
    def uri(self) -> str:
        """The URI of the database ``postgres``, through a Unix socket: nothing listens on the network."""
        return socket_uri(str(self.folder), _PORT)

    @property
    def postmaster(self) -> Postmaster | None:
        """The main process of the server, if it runs."""
        return find_postmaster(self.folder)

    def accepts_connections(self) -> bool:
        """Tell whether the server accepts connections. Takes two seconds at most."""
        return self._reaction(self.postmaster) is Reaction.ACCEPTS

    def start(self) -> None:
        """Start the server if it does not run, and wait until it accepts connections.

        A server that recovers is waited for. One that hangs is killed and started again.

        Raises:
            StoreError: it does not start.
        """
        with self._starting, self._starts_and_stops(self._limits.lock, self._pause):
            self._pause(0)
            fcntl.flock(self._uses, fcntl.LOCK_SH)
            if self.postmaster is None:
                _log.info("starting the embedded PostgreSQL in %s", self.folder)
            self._make()
            self._pause(0)
            running = self.postmaster
            if running is None or not self._becomes_ready(running):
                self._launch()

    def _make(self) -> None:
        """Make the database if there is none, also if an earlier attempt was cut off."""
        unfinished = self.folder.with_name(f".{self.folder.name}.unfinished")
        if unfinished.exists():
            _log.warning("making the embedded PostgreSQL again: the first attempt was cut off")
            for each in self.folder.iterdir():
                shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        elif (self.folder / "PG_VERSION").exists():
            return
        unfinished.touch(mode=0o600)
        self.run("initdb", "--auth=trust", *_LOCALE, "-U", "postgres", "-D", str(self.folder))
        unfinished.unlink()

    def close(self) -> None:
        """Stop using the server; the last user stops it within :attr:`Limits.fast` + :attr:`Limits.immediate` seconds.

        A start in another thread ends with an error: at once while it waits for another process of the bridge, else as
        soon as the program that it runs has ended.
        """
        self._closing.set()
        try:
            # A process that holds the lock for longer is another user.
            with suppress(BlockingIOError, TimeoutError), self._starting, self._starts_and_stops(_BRIEF, time.sleep):
                fcntl.flock(self._uses, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.stop()
        finally:
            os.close(self._uses)

    def stop(self, mode: _Mode = "fast") -> None:
        """Stop the server as *mode* of ``pg_ctl`` does; kill it if it does not end."""
        running = self.postmaster
        if running is None:
            return
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        if running.end(number, self._limits.fast):
            return
        _log.warning("the embedded PostgreSQL does not shut down within %g s: it is ended at once", self._limits.fast)
        if not running.end(signal.SIGQUIT, self._limits.immediate):
            kill_processes(self.folder)

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of PostgreSQL as the user of the database, without the bridge's secrets; return its last words.

        Raises:
            StoreError: it failed, with its output.
        """
        code, said = self._execute(program, *arguments)
        if code:
            raise StoreError(f"{program} ended with code {code}: {said or 'no message'}")
        return said

    def _execute(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run a program as :meth:`run` does; return its exit code and its last words."""
        account = self._account
        # Not a pipe, which the server that pg_ctl starts would keep open.
        with tempfile.TemporaryFile() as output:
            try:
                ended = subprocess.run(
                    (str(self._programs / program), *arguments),
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=_PROGRAM,
                    env=environment(),
                    cwd="/",
                    umask=0o077,
                    user=None if account is None else account.uid,
                    group=None if account is None else account.gid,
                    extra_groups=None if account is None else [],
                )
            except subprocess.TimeoutExpired:
                raise StoreError(f"{program} took more than {_PROGRAM:g} s") from None
            return ended.returncode, _end_of(output)

    def _launch(self) -> None:
        deadline = time.monotonic() + self._limits.reaction
        logged, said = self.log.stat().st_size if self.log.exists() else 0, ""
        while True:
            if self.postmaster is None:
                kill_processes(self.folder)
                self._refuse_foreign_server()
                # PostgreSQL would refuse to start if another process has the id in the file of an ended server.
                (self.folder / "postmaster.pid").unlink(missing_ok=True)
                options = f"-h '' -k {shlex.quote(str(self.folder))} -p {_PORT}"
                arguments = ("-W", "-D", str(self.folder), "-l", str(self.log), "-o", options, "start")
                said = self.run("pg_ctl", *arguments)
            running = self._appears()
            if running is not None and self._becomes_ready(running):
                return
            if time.monotonic() > deadline:
                words = self._last_words(logged)
                raise StoreError(f"it ends at once; {self.log} says: {words}" if words else f"it ends at once: {said}")
            self._pause(_BRIEF)

    def _refuse_foreign_server(self) -> None:
        """Raise a :class:`StoreError` if a server responds that is none of this machine's, or container's, processes.

        PostgreSQL does not notice it, and two servers would destroy the database.
        """
        if self._reaction(None) is not Reaction.NONE:
            raise StoreError("a PostgreSQL of another container or machine uses this folder: run the command there")

    def _appears(self) -> Postmaster | None:
        """Return the process that was started; None if it ended."""
        deadline = time.monotonic() + _BRIEF
        while time.monotonic() < deadline:
            if (running := self.postmaster) is not None:
                return running
            self._pause(_PAUSE)
        return None

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise StoreError("the bridge stops")

    def _becomes_ready(self, running: Postmaster) -> bool:
        """Wait until the server accepts connections; False if it ended. A server that hangs is killed."""
        begin = reacted = time.monotonic()
        told = False
        while running.is_alive():
            found = self.postmaster
            reaction = self._reaction(found)
            if reaction is Reaction.ACCEPTS:
                return True
            now = time.monotonic()
            if reaction is Reaction.REFUSES and found is not None and not found.is_stopping:
                # It starts or recovers.
                reacted = now
            if not told and now - begin > _BRIEF:
                _log.info(
                    "waiting for the embedded PostgreSQL, which %s",
                    "starts or recovers" if reaction is Reaction.REFUSES else "does not react",
                )
                told = True
            if now - reacted > self._limits.reaction or now - begin > self._limits.recovery:
                _log.warning("the embedded PostgreSQL (process %d) hangs: it is killed", running.pid)
                kill_processes(self.folder)
                return False
            self._pause(_PAUSE)
        return False

    def _reaction(self, found: Postmaster | None) -> Reaction:
        """Return the reaction of the server *found* to a new connection. Takes two seconds at most.

        Other threads run meanwhile: the function of libpq would hold the interpreter for as long as the server is
        silent.
        """
        code, said = self._execute("pg_isready", "-t", str(_SILENCE), "-d", (found and found.uri) or self.uri)
        if code not in {each.value for each in Reaction}:
            raise StoreError(f"pg_isready ended with code {code}: {said or 'no message'}")
        return Reaction(code)

    def _last_words(self, begin: int) -> str:
        """Return the end of the log, without its first *begin* bytes: an earlier server wrote them."""
        try:
            with self.log.open("rb") as log:
                return _end_of(log, begin)
        except OSError as error:
            return str(error)

    @contextmanager
    def _starts_and_stops(self, within: float, pause: Callable[[float], object]) -> Iterator[None]:
        lock = open_lock(self.folder, "lock")
        try:
            wait_for(lock, self.folder, within, pause)
            yield
        finally:
            os.close(lock)


def _end_of(output: IO[bytes], begin: int = 0) -> str:
    """Return the last lines behind the first *begin* bytes of a log."""
    output.seek(begin)
    text = output.read().decode(errors="replace").strip()
    return text if len(text) < _EXCERPT else text[-_EXCERPT:].partition("\n")[2]


def start_postgres(folder: Path, limits: Limits = _LIMITS) -> EmbeddedServer:
    """Start PostgreSQL on *folder*, which is made if need be, or find it running there.

    Raises:
        StoreError: it does not start.
    """
    server = _open(folder, limits)
    try:
        _start(server)
    except BaseException:
        server.close()
        raise
    return server


def _open(folder: Path, limits: Limits = _LIMITS) -> EmbeddedServer:
    with _reasons(folder):
        if len(os.fsencode(folder.resolve() / f".s.PGSQL.{_PORT}")) > _LONGEST_SOCKET:
            raise StoreError("the path is too long for a Unix socket: set database.data_dir to a shorter one")
        return EmbeddedServer(folder, limits)


def _start(server: EmbeddedServer) -> None:
    with _reasons(server.folder):
        server.start()


@contextmanager
def _reasons(folder: Path) -> Iterator[None]:
    try:
        yield
    except (StoreError, OSError, subprocess.SubprocessError) as error:
        reason = str(error) or repr(error)
        raise StoreError(f"the embedded PostgreSQL in {folder} does not start: {reason}") from error


@asynccontextmanager
async def embedded_postgres(folder: Path, limits: Limits = _LIMITS) -> AsyncIterator[str]:
    """Run PostgreSQL on *folder* and give its connection URI (a Unix socket: nothing listens on the network).

    If the server ends, or accepts no connections any more, it is started again. It outlives a killed bridge, and the
    next start finds it again; a clean end stops it with its last user.

    Raises:
        StoreError: it does not start.
    """
    server = await asyncio.to_thread(_open, folder, limits)
    try:
        await asyncio.to_thread(_start, server)
        keeper = asyncio.create_task(_keep_running(server, limits.probe))
        try:
            yield server.uri
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
    finally:
        await asyncio.to_thread(server.close)


async def _keep_running(server: EmbeddedServer, probe: float) -> None:
    failures = refusals = 0
    probed = time.monotonic()
    while True:
        await asyncio.sleep(_AGAIN.delay(failures) if failures else _LOOK)
        try:
            runs = server.postmaster is not None
            if runs and (refusals or time.monotonic() - probed > probe):
                refusals = 0 if await asyncio.to_thread(server.accepts_connections) else refusals + 1
                probed = time.monotonic()
            if runs and refusals < _REFUSALS:
                failures = 0
                continue
            _log.warning(
                "the embedded PostgreSQL %s: it is started again",
                "accepts no connections" if runs else "has ended",
            )
            await asyncio.to_thread(_start, server)
            refusals = 0
        except (StoreError, OSError, psutil.Error) as error:
            failures += 1
            _log.error("%s", error)


@asynccontextmanager
async def database_uri(config: DatabaseConfig) -> AsyncIterator[str]:
    """Give the URI of the configured database; start the embedded one for the length of the block."""
    if not config.embedded:
        yield config.url
        return
    async with embedded_postgres(config.data_dir / "postgres") as uri:
        yield uri
