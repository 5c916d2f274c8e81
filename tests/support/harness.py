"""A real homeserver with the bridge registered, and bridges to run beside it."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from agent_bridge.app import Bridge, build
from agent_bridge.config.model import Config
from agent_bridge.config.registration import registration, to_yaml
from agent_bridge.demo.client import Person
from agent_bridge.demo.synapse import Synapse, free_port
from agent_bridge.store.agents import AgentRoom, Agents
from agent_bridge.store.database import Database
from agent_bridge.store.turns import Turns
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.timeline import Message, Room
    from agent_bridge.matrix.client import Homeserver
    from support.postgres import Cluster
    from support.scripted_upstream import ScriptedUpstream

DOMAIN = "test.local"
PREFIX = "!ab"


@dataclass(frozen=True)
class Running:
    """A bridge that runs, and what a test looks at behind its back."""

    bridge: Bridge
    database: Database
    agents: Agents
    task: asyncio.Task[None]

    @property
    def homeserver(self) -> Homeserver:
        """The homeserver, as the bridge speaks to it."""
        return self.bridge.homeserver

    async def idle(self) -> bool:
        """Tell whether no turn is open."""
        return not await Turns(self.database).count_open()

    async def contact(self, name: str) -> AgentRoom:
        """Wait until the agent called *name* has a settled room, and return both."""

        async def settled() -> AgentRoom | None:
            for contact in await self.agents.all():
                if contact.agent.name == name and contact.home.bot_joined and contact.home.name_applied:
                    return contact
            return None

        return await eventually(settled, f"the agent {name} has a room")


@dataclass(frozen=True)
class Conversation:
    """A person in an agent's room."""

    running: Running
    person: Person
    room_id: str
    ghost: str

    @property
    def room(self) -> Room:
        """What the person sees."""
        return self.person.room(self.room_id)

    @property
    def answers(self) -> list[Message]:
        """What the agent said, as the person sees it."""
        return self.room.said_by(self.ghost)

    async def say(self, text: str) -> str:
        """Say *text* and return the event."""
        return await self.person.say(self.room_id, text)

    async def command(self, text: str, by: Person | None = None) -> str:
        """Say a command to the bridge bot and return its answer."""
        before = len(self.from_bot)
        await (by or self.person).say(self.room_id, f"{PREFIX} {text}")
        await self.person.wait_for(lambda: len(self.from_bot) > before)
        return self.from_bot[before].body

    @property
    def from_bot(self) -> list[Message]:
        """What the bridge bot said, as the person sees it."""
        return self.room.said_by(f"@agentbridge:{DOMAIN}")

    async def wait_for_answers(self, count: int, within: float = 15) -> list[Message]:
        """Wait until the agent said *count* things and no turn is open, and return them."""
        await eventually(self.running.idle, "every turn is closed", within)
        return await self.person.wait_for(lambda: self.answers if len(self.answers) >= count else [], within)


async def _open(url: str) -> bool:
    try:
        async with aiohttp.request("GET", f"{url}/healthz") as response:
            return response.status == HTTPStatus.OK
    except aiohttp.ClientError:
        return False


class BridgeHarness:
    """Synapse on 127.0.0.1, and databases for bridges that are registered with it."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self._folder = folder
        self._cluster = cluster
        self._port = free_port()
        self._stack = AsyncExitStack()
        self._people = itertools.count(1)
        self._tokens: dict[str, str] = {}
        self._url = "http://127.0.0.1:9"
        file = folder / "registration.yaml"
        base = self.config("postgresql://unused", [{"name": "unused", "url": "http://127.0.0.1:9"}])
        file.write_text(to_yaml(registration(base)), encoding="utf-8")
        self.synapse = Synapse(folder / "synapse", DOMAIN, registrations=[file])
        self._url = self.synapse.url

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.synapse)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def config(self, database: str, upstreams: list[dict[str, Any]], **sections: Any) -> Config:
        """Return a configuration for a bridge of this homeserver."""
        values: dict[str, Any] = {
            "homeserver": {"address": self._url, "domain": DOMAIN},
            "appservice": {
                "address": f"http://127.0.0.1:{self._port}",
                "port": self._port,
                "as_token": "as-token-of-the-tests",
                "hs_token": "hs-token-of-the-tests",
            },
            "database": {"url": database},
            "upstreams": [{"poll_interval": 0.1, **each} for each in upstreams],
            "permissions": {DOMAIN: "member", f"@admin:{DOMAIN}": "admin", f"@stranger:{DOMAIN}": "none"},
            "lanes": {"drain_timeout": 2},
        }
        return Config.model_validate(values | sections)

    @asynccontextmanager
    async def bridge(self, config: Config) -> AsyncIterator[Running]:
        """Run a bridge in this process."""
        async with build(config) as bridge, Database(config.database.url) as database:
            task = asyncio.create_task(bridge.run())
            try:
                await eventually(partial(_open, config.appservice.url), "the door is open")
                yield Running(bridge, database, Agents(database), task)
            finally:
                task.cancel()
                await asyncio.wait({task})
            if not task.cancelled():
                task.result()

    @asynccontextmanager
    async def talk(
        self,
        database: str,
        upstream: ScriptedUpstream,
        homeserver: dict[str, str] | None = None,
        lanes: dict[str, Any] | None = None,
        language: str = "en",
        threads: dict[str, Any] | None = None,
        files: dict[str, Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[Conversation]:
        """Run a bridge with *upstream*, configured by *options*, and put a person into the room of its first agent."""
        sections: dict[str, Any] = {"language": language, "threads": threads or {}, "files": files or {}}
        sections |= {"homeserver": homeserver} if homeserver else {}
        sections |= {"lanes": {"drain_timeout": 2} | lanes} if lanes else {}
        config = self.config(database, [{"name": "scripted", "url": upstream.url, **options}], **sections)
        async with self.person() as person, self.bridge(config) as running:
            contact = await running.contact(upstream.names[0])
            room_id = contact.home.room_id or ""
            await running.homeserver.invite(room_id, person.user_id)
            await person.join(room_id)
            await person.wait_for(lambda: room_id in person.rooms)
            yield Conversation(running, person, room_id, config.namespace.user_id(contact.agent.ghost))

    @asynccontextmanager
    async def watching(self, talk: Conversation) -> AsyncIterator[Conversation]:
        """Put the person of an earlier *talk* before their client again; no bridge runs for it."""
        name = talk.person.user_id[1:].partition(":")[0]
        async with self.person(name) as person:
            yield replace(talk, person=person)

    @asynccontextmanager
    async def person(self, name: str | None = None) -> AsyncIterator[Person]:
        """Give a person with an open client; a new one, unless *name* says who."""
        name = name or f"person{next(self._people)}"
        if name not in self._tokens:
            self._tokens[name] = await self.synapse.register_user(name, "password")
        async with Person(self.synapse.url, self.synapse.user_id(name), self._tokens[name]) as person:
            yield person


@asynccontextmanager
async def new_house(cluster: Cluster) -> AsyncIterator[BridgeHarness]:
    """Give a homeserver that has the bridge registered, and nothing in it."""
    with TemporaryDirectory(prefix="ab-hs-") as folder:
        async with BridgeHarness(Path(folder), cluster) as running:
            yield running
