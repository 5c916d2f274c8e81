"""The common environment of all figures: a real Synapse, a PostgreSQL and the registered services."""

from __future__ import annotations

import itertools
import secrets
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg

from agent_bridge.config.example import render
from agent_bridge.config.registration import registration, to_yaml
from agent_bridge.config.validation import config_from
from agent_bridge.demo.client import Person
from agent_bridge.demo.synapse import Synapse, free_port
from benchmarks.program import LoggedProgram

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config

DOMAIN = "bench.localhost"
#: One bridge for each figure, so that no figure has the rooms of another one; and the baselines with the same events.
BRIDGES = (
    *("throughput-courteous", "durability-relay"),
    *("latency", "throughput", "durability", "provision", "rename"),
    *("restart", "takeover", "speedup", "rooms", "soak"),
    *("streaming", "first-words", "deltas", "idle"),
    *("new-chat", "many-chats", "no-chats", "groups"),
    *("app-server-letta", "app-server-openai"),
    "role-change",
    *("start", "start-one", "repair", "import"),
    *("subscribers", "ask"),
    "encrypted",
    *("scale-1000", "scale-10000", "four", "costs"),
)
#: Sections of the configuration that also change the registration, by the bridge.
_SECTIONS = {"encrypted": {"encryption": {"allow": True}}}
#: Baselines, each with its own namespace.
BASELINES = ("latency-echo", "throughput-echo", "provision-bare", "new-chat-bare")


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge under test: ``agent-bridge run`` in a separate process."""

    config: Config
    program: LoggedProgram

    @property
    def rooms(self) -> dict[str, str]:
        """Room ids of the agents whose rooms are ready, by the agent's name."""
        return {event["agent"]: event["room"] for event in self.program.heard.get("room ready", [])}

    async def ready(self, count: int) -> None:
        """Wait until the rooms of *count* agents are complete."""
        await self.program.wait_until(lambda: len(self.rooms) >= count, within=300 + count)


class Ground:
    """Synapse with SQLite, the embedded PostgreSQL and a registration of each service. Use it as a context manager."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._people = itertools.count(1)

    async def __aenter__(self) -> Self:
        # A short path, because it contains the Unix socket of PostgreSQL.
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ab-bench-")))
        # If root runs the benchmark, PostgreSQL runs as another user.
        self._folder.chmod(0o711)
        files = {name: self.registration(name) for name in (*BRIDGES, *BASELINES)}
        self.synapse = Synapse(self._folder / "synapse", DOMAIN, registrations=list(files.values()))
        self._services = {name: _service(name) for name in files}
        for name, file in files.items():
            _write(file, to_yaml(registration(self.config(name))))
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._stack.aclose)
            # In a process that ends with this one, even if this one is killed.
            postgres = LoggedProgram("benchmarks.postgres", str(self._folder / "pg"))
            await self._stack.enter_async_context(postgres)
            await postgres.logs("listening")
            self._postgres = postgres.heard["listening"][0]
            await self._stack.enter_async_context(self.synapse)
            undo.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def processes(self) -> dict[str, int]:
        """Process ids of the shared servers, by name."""
        return {"Synapse": self.synapse.pid or 0, "PostgreSQL": self._postgres["pid"]}

    @property
    def postgres_log(self) -> Path:
        """The log file of PostgreSQL."""
        return Path(self._postgres["log"])

    def config(self, name: str, upstream: str = "http://127.0.0.1:9", **sections: Any) -> Config:
        """Return the configuration of the service *name*."""
        values: dict[str, Any] = {
            "homeserver": {"address": self.synapse.url, "domain": DOMAIN},
            "appservice": self._services[name],
            "upstreams": [{"name": "bench", "url": upstream, "max_new_agents": 1000}],
            "permissions": {DOMAIN: "member"},
            "logging": {"format": "json"},
        }
        return config_from(values | _SECTIONS.get(name, {}) | sections)

    def database(self, name: str) -> str:
        """Create an empty database and return its URI."""
        url: str = self._postgres["url"]
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        return url.replace("/postgres?", f"/{name}?")

    def registration(self, name: str) -> Path:
        """Return the registration file of the service *name*."""
        return self._folder / f"{name}.registration.yaml"

    @asynccontextmanager
    async def bridge(self, name: str, upstream: str, **sections: Any) -> AsyncIterator[Bridge]:
        """Run the bridge *name* with the agents of *upstream* and a new database."""
        config = self.config(name, upstream, database={"url": self.database(name)}, **sections)
        async with self.process(config) as bridge:
            await bridge.program.logs("upstream reachable")
            yield bridge

    @asynccontextmanager
    async def process(self, config: Config, command: str = "run") -> AsyncIterator[Bridge]:
        """Run ``agent-bridge`` *command* with *config*: a restart, or a further process on the same database."""
        async with LoggedProgram("agent_bridge", command, "--config", self._file(config)) as program:
            yield Bridge(config, program)

    @asynccontextmanager
    async def baseline(self, name: str, upstream: str, module: str, *options: str) -> AsyncIterator[LoggedProgram]:
        """Run *module* as the service *name*."""
        async with LoggedProgram(module, self._file(self.config(name, upstream)), *options) as program:
            await program.logs("listening")
            yield program

    async def register(self) -> tuple[str, str]:
        """Register a new person and return the user id and the access token."""
        name = f"person{next(self._people)}"
        token = await self.synapse.register_user(name, secrets.token_urlsafe(9))
        return self.synapse.user_id(name), token

    def _file(self, config: Config) -> str:
        file = self._folder / f"{config.appservice.id}-{config.appservice.port}.config.yaml"
        _write(file, render(config))
        return str(file)

    def person(self, account: tuple[str, str]) -> Person:
        """Return the client of *account*, which is not entered yet."""
        return Person(self.synapse.url, *account)


def _service(name: str) -> dict[str, Any]:
    port = free_port()
    return {
        "id": name,
        "address": f"http://127.0.0.1:{port}",
        "port": port,
        "as_token": secrets.token_urlsafe(32),
        "hs_token": secrets.token_urlsafe(32),
        "bot_username": f"bot-{name}",
        "username_prefix": f"{name}_",
    }


def _write(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
