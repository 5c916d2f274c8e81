"""A real homeserver with the bridge registered, and bridges to run beside it."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import aiohttp

from agent_bridge.app import Timeouts, build
from agent_bridge.config.model import Config
from agent_bridge.config.registration import registration, to_yaml
from agent_bridge.core.errors import StoreError
from agent_bridge.demo.synapse import Synapse, free_port
from agent_bridge.store.agents import AgentRoom, Agents
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.turns import Turns
from support.conditions import DEADLINE, eventually
from support.forked import fork_module
from support.person import Person
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from agent_bridge.config.source import ConfigSource
    from agent_bridge.demo.program import Process
    from agent_bridge.demo.timeline import Message, Room
    from agent_bridge.lifecycle import Bridge
    from agent_bridge.matrix.client import Homeserver
    from support.scripted_upstream import ScriptedUpstream

DOMAIN = "test.local"
PREFIX = "!ab"
#: Application services that the homeserver knows: one for the bridge of a single test, one for a bridge of many tests.
OWN, SHARED = "own", "shared"
#: Configurations after which a homeserver has many rooms.
_MANY = 10
_LEAN = Path(__file__).with_name("lean_homeserver.yaml")
#: What a registration has with encryption.allow: any bridge may have keys.
_FOR_KEYS = dict.fromkeys(
    ("receive_ephemeral", "de.sorunome.msc2409.push_ephemeral", "io.element.msc4190", "org.matrix.msc3202"), True
)


@dataclass(frozen=True)
class Running:
    """A bridge that runs in this process, with its database."""

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

    async def join(self, person: Person, agent: str) -> Conversation:
        """Put *person* into the room of *agent*."""
        contact = await self.contact(agent)
        room_id = contact.home.room_id or ""
        await self.homeserver.invite(room_id, person.user_id)
        await person.join(room_id)
        await person.wait_for(lambda: room_id in person.rooms)
        return Conversation(self, person, room_id, self.homeserver.namespace.user_id(contact.agent.ghost))

    async def contact(self, name: str) -> AgentRoom:
        """Wait until the agent called *name* has a complete room, and return both."""

        async def settled() -> AgentRoom | None:
            for contact in await self.agents.all():
                if contact.agent.name == name and contact.home.bot_joined and contact.home.name_applied:
                    return contact
            return None

        return await eventually(settled, f"the agent {name} has a room")

    async def agents_known(self, count: int) -> None:
        """Wait until *count* agents have rows; their rooms may still be missing."""

        async def known() -> bool:
            return len(await self.agents.all()) >= count

        await eventually(known, f"{count} agents are known")


@dataclass(frozen=True)
class Conversation:
    """A person in the room of an agent."""

    running: Running
    person: Person
    room_id: str
    #: User id of the agent.
    ghost: str

    @property
    def room(self) -> Room:
        """The room as the person sees it."""
        return self.person.room(self.room_id)

    @property
    def answers(self) -> list[Message]:
        """The messages of the agent, as the person sees them."""
        return self.room.said_by(self.ghost)

    async def say(self, text: str) -> str:
        """Send *text* and return the event id."""
        return await self.person.say(self.room_id, text)

    async def command(self, text: str, by: Person | None = None) -> str:
        """Send a command to the bridge bot and return its answer."""
        before = len(self.from_bot)
        await (by or self.person).say(self.room_id, f"{PREFIX} {text}")
        await self.person.wait_for(lambda: len(self.from_bot) > before)
        return self.from_bot[before].body

    @property
    def from_bot(self) -> list[Message]:
        """The messages of the bridge bot, as the person sees them."""
        return self.room.said_by(self.running.homeserver.namespace.bot)

    async def idle(self) -> bool:
        """Tell whether no turn of the room is open; False while the database is away."""
        query = """
            SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation
            WHERE c.room_id = %s AND t.open
        """
        try:
            return not await self.running.database.rows(query, (self.room_id,))
        except StoreError:
            return False

    async def wait_until_idle(self, within: float = DEADLINE) -> None:
        """Wait until no turn of the room is open."""
        await eventually(self.idle, "every turn of the room is closed", within)

    async def wait_for_answers(self, count: int, within: float = DEADLINE) -> list[Message]:
        """Wait until the agent has sent *count* messages and no turn of the room is open; return the messages.

        The message of the person may have no turn at first, and the last answer is seen before its turn is closed. The
        person sees each event of the room when this returns.
        """
        await self.wait_until_idle(within)
        await self.person.wait_for(lambda: len(self.answers) >= count, within)
        await self.wait_until_idle(within)
        await eventually(self._sees_all, "the person sees the newest event", within)
        return self.answers

    async def _sees_all(self) -> bool:
        """Tell whether the client of the person has the newest event of the room."""
        page = await self.person.ask("GET", f"/rooms/{quote(self.room_id)}/messages", query={"dir": "b", "limit": "1"})
        return bool(page["chunk"][0]["event_id"] == self.room.newest)


def _service(name: str, bot: str = "agentbridge", prefix: str = "agent_") -> dict[str, Any]:
    port = free_port()
    return {
        "id": name,
        "address": f"http://127.0.0.1:{port}",
        "port": port,
        "as_token": f"as-token-of-{name}",
        "hs_token": f"hs-token-of-{name}",
        "bot_username": bot,
        "username_prefix": prefix,
    }


async def _listens(bridge: asyncio.Task[None], url: str) -> bool:
    """Tell whether *bridge* has opened *url*; raise its error if it has ended: another process may listen there."""
    if bridge.done():
        bridge.result()
    try:
        async with aiohttp.request("GET", f"{url}/healthz") as response:
            return response.status == HTTPStatus.OK
    except aiohttp.ClientError:
        return False


async def _fork_whole(folder: Path, log: Path) -> Process:
    """Start Synapse within a tenth of a second: the fork server has imported it."""
    return await fork_module("support.synapse_program", str(folder), str(log))


async def _fork_lean(folder: Path, log: Path) -> Process:
    """Start Synapse without some parts."""
    return await fork_module("support.synapse_program", str(folder), str(log), str(_LEAN))


class BridgeHarness:
    """A Synapse on 127.0.0.1, the bridges that are registered with it, and the people on it.

    Synapse notifies people of messages only with *notifies*. With *limited*, it limits the requests of all users by its
    defaults.
    """

    def __init__(self, folder: Path, *, notifies: bool = False, limited: bool = False) -> None:
        self._services = {OWN: _service("agent-bridge"), SHARED: _service("shared", "sharedbridge", "shared_")}
        self._stack = AsyncExitStack()
        self._people = itertools.count(1)
        #: The bridges and clients that run, and the configurations since the homeserver began with no rooms.
        self._running = self._configurations = 0
        self._tokens: dict[str, str] = {}
        self._url = "http://127.0.0.1:9"
        files = {name: folder / f"{name}.yaml" for name in self._services}
        for name, file in files.items():
            config = self.config("postgresql://unused", [{"name": "unused", "url": self._url}], service=name)
            content = registration(config) | {"rate_limited": limited} | _FOR_KEYS
            file.write_text(to_yaml(content), encoding="utf-8")
        start = _fork_whole if notifies else _fork_lean
        self.synapse = Synapse(
            folder / "synapse", DOMAIN, registrations=[*files.values()], relaxed=not limited, start=start
        )
        self._url = self.synapse.url

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.synapse)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def clear(self) -> None:
        """Empty the homeserver if nothing uses it and many bridges have: each start looks at the rooms of the bot."""
        if self._running == 0 and self._configurations >= _MANY:
            await self.synapse.stop()
            for file in self.synapse.log.parent.glob("homeserver.db*"):
                file.unlink()
            await self.synapse.start()
            self.forget_people()
            self._configurations = 0

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def config(self, database: str, upstreams: list[dict[str, Any]], *, service: str = OWN, **sections: Any) -> Config:
        """Return a configuration for a bridge of this homeserver; only one bridge of a *service* runs at a time."""
        self._configurations += 1
        values: dict[str, Any] = {
            "homeserver": {"address": self._url, "domain": DOMAIN},
            "appservice": self._services[service],
            # Each connection is a process of PostgreSQL, whose start and first statements take 10 ms.
            "database": {"url": database, "pool_size": 6},
            "upstreams": [{"poll_interval": 0.1, "gone_after": 0.3, **each} for each in upstreams],
            "permissions": {DOMAIN: "member", f"@admin:{DOMAIN}": "admin", f"@stranger:{DOMAIN}": "none"},
            "lanes": {"drain_timeout": 2},
            "notifications": {"gather": 0.2},
            "presence": False,
            "profiles": False,
        }
        # Most tests enter rooms by invitations, and count the messages in them.
        sections["rooms"] = {"join_rule": "invite", "introduce": False} | sections.get("rooms", {})
        # The Space is one more room, and two more state events of each room. Tests that look at it pass space={}.
        sections.setdefault("space", {"enabled": False})
        # Each room with a command would get some forty state events.
        sections["bot"] = {"describe_commands": False} | sections.get("bot", {})
        return Config.model_validate(values | sections)

    @asynccontextmanager
    async def bridge(
        self, config: Config, timeouts: Timeouts | None = None, source: ConfigSource | None = None
    ) -> AsyncIterator[Running]:
        """Run a bridge in this process. *source*: the file of *config*."""
        with self._counted():
            async with self._bridge(config, timeouts, source) as running:
                yield running

    @asynccontextmanager
    async def _bridge(
        self, config: Config, timeouts: Timeouts | None, source: ConfigSource | None
    ) -> AsyncIterator[Running]:
        async with (
            build(config, timeouts or Timeouts(), source=source) as bridge,
            Database(config.database.url) as database,
        ):
            task = asyncio.create_task(bridge.run())
            try:
                await eventually(partial(_listens, task, config.appservice.url), "the bridge listens")
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
        space: dict[str, Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[Conversation]:
        """Run a bridge with *upstream*, configured by *options*, and put a person into the room of its first agent."""
        sections: dict[str, Any] = {"language": language, "threads": threads or {}, "files": files or {}}
        sections |= {"homeserver": homeserver} if homeserver else {}
        sections |= {"space": space} if space is not None else {}
        sections |= {"lanes": {"drain_timeout": 2} | lanes} if lanes else {}
        config = self.config(database, [{"name": "scripted", "url": upstream.url, **options}], **sections)
        async with self.person() as person, self.bridge(config) as running:
            yield await running.join(person, upstream.names[0])

    @asynccontextmanager
    async def watching(self, talk: Conversation) -> AsyncIterator[Conversation]:
        """Open the client of the person of an earlier *talk* again; no bridge runs for it."""
        name = talk.person.user_id[1:].partition(":")[0]
        async with self.person(name) as person:
            yield replace(talk, person=person)

    @asynccontextmanager
    async def person(self, name: str | None = None) -> AsyncIterator[Person]:
        """Give a person with an open client: the one called *name*, or a new one."""
        name = name or f"person{next(self._people)}"
        if name not in self._tokens:
            self._tokens[name] = await self.synapse.register_user(name, "password")
        with self._counted():
            async with Person(self.synapse.url, self.synapse.user_id(name), self._tokens[name]) as person:
                yield person

    def forget_people(self) -> None:
        """Forget the accounts of people: the homeserver has lost them."""
        self._tokens.clear()


@asynccontextmanager
async def new_harness(*, notifies: bool = False, limited: bool = False) -> AsyncIterator[BridgeHarness]:
    """Give an empty homeserver at which the bridge is registered; the options are those of :class:`BridgeHarness`."""
    with temporary_folder("ab-hs-") as folder:
        async with BridgeHarness(folder, notifies=notifies, limited=limited) as running:
            yield running
