"""A temporary Synapse: a real homeserver on 127.0.0.1 with all its data in one folder."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import importlib.util
import os
import secrets
import socket
import sys
from typing import TYPE_CHECKING, Self

import aiohttp

from agent_bridge.core.errors import BridgeError
from agent_bridge.demo import homeserver_yaml
from agent_bridge.demo.account import call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from agent_bridge.demo.program import Process

_LOG_TAIL_LINES = 20
_HEALTH_INTERVAL = 0.05


class SynapseError(BridgeError):
    """The temporary Synapse could not be started; the message is the cause."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def start_homeserver(folder: Path, log: Path) -> Process:
    """Start Synapse with the homeserver.yaml in *folder*, and append its output to *log*. It ends with this process."""
    with log.open("ab") as output:
        # In a new session: Ctrl-C at the terminal reaches only this process, which then stops Synapse in order.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent_bridge.demo.parent_watch", str(os.getpid())),
            *("synapse.app.homeserver", "-c", "homeserver.yaml"),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            umask=0o077,
        )


class Synapse:
    """A Synapse that runs while the context is entered.

    *registrations* are the registration files of application services, which Synapse reads at each start. *relaxed*
    lifts the rate limits for people. The *folder* of an earlier Synapse with the same *server_name* keeps its users and
    rooms. Synapse ends even if this process is killed. *start* replaces the way in which the process is started.
    """

    def __init__(
        self,
        folder: Path,
        server_name: str,
        *,
        port: int = 0,
        registrations: Sequence[Path] = (),
        relaxed: bool = True,
        start_within: float = 60,
        stop_within: float = 10,
        start: Callable[[Path, Path], Awaitable[Process]] = start_homeserver,
    ) -> None:
        self.server_name = server_name
        #: TCP port on 127.0.0.1, the same after a restart. 0 in the constructor chooses a free port.
        self.port = port or free_port()
        #: The log of Synapse.
        self.log = folder / "homeserver.log"
        self._folder = folder
        self._registrations = registrations
        self._relaxed = relaxed
        self._start_within = start_within
        self._stop_within = stop_within
        self._shared_secret = secrets.token_urlsafe(32)
        self._start = start
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Base URL of the client-server API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id; None while Synapse does not run."""
        return self._process.pid if self._process else None

    def user_id(self, name: str) -> str:
        """Return the user id of *name* on this homeserver."""
        return f"@{name}:{self.server_name}"

    async def __aenter__(self) -> Self:
        if importlib.util.find_spec("synapse") is None:
            raise SynapseError("matrix-synapse is not installed. It comes with: pip install 'agent-bridge[demo]'")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        homeserver_yaml.write(
            self._folder,
            homeserver_yaml.settings(
                self._folder.absolute(),
                server_name=self.server_name,
                port=self.port,
                shared_secret=self._shared_secret,
                registrations=self._registrations,
                relaxed=self._relaxed,
            ),
        )
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the process and wait until it responds; for use after :meth:`stop` or :meth:`kill`.

        Raises:
            SynapseError: the process ended or did not respond in time. It does not run then.
        """
        self.log.touch(mode=0o600)
        self._process = await self._start(self._folder, self.log)
        try:
            await self._healthy(self._process)
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """End the process with SIGTERM, or with SIGKILL after *stop_within* seconds. No effect if it does not run."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), self._stop_within)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End the process with SIGKILL, like a crash. No effect if it does not run."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._process = None

    async def restart(self) -> None:
        """Stop in order and start again, on the same port and with the same data.

        Raises:
            SynapseError: as :meth:`start`.
        """
        await self.stop()
        await self.start()

    async def register_user(self, name: str, password: str, *, admin: bool = False) -> str:
        """Create the account *name* and return an access token for it.

        Raises:
            HomeserverError: Synapse refused, for example because the name is in use.
        """
        path = "/_synapse/admin/v1/register"
        async with aiohttp.ClientSession(self.url) as http:
            nonce = (await call(http, "GET", path))["nonce"]
            proof = "\0".join((nonce, name, password, "admin" if admin else "notadmin")).encode()
            account = {
                "nonce": nonce,
                "username": name,
                "password": password,
                "admin": admin,
                "mac": hmac.new(self._shared_secret.encode(), proof, hashlib.sha1).hexdigest(),
            }
            return str((await call(http, "POST", path, account))["access_token"])

    async def _healthy(self, process: Process) -> None:
        try:
            async with asyncio.timeout(self._start_within), aiohttp.ClientSession(self.url) as http:
                while process.returncode is None:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with http.get("/health") as response:
                            if response.ok:
                                return
                    await asyncio.sleep(_HEALTH_INTERVAL)
        except TimeoutError:
            message = f"Synapse did not answer within {self._start_within:g} s"
            raise SynapseError(self._with_log(message)) from None
        raise SynapseError(self._with_log(f"Synapse ended at its start with code {process.returncode}"))

    def _with_log(self, message: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return "\n".join((f"{message}. The end of {self.log}:", *lines))
