"""The composition root: the one file that knows all names."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import structlog
from aiohttp import web

from agent_bridge import upstream
from agent_bridge.bridge.discovery import Discovery
from agent_bridge.bridge.doorman import Doorman
from agent_bridge.bridge.intake import Intake, Rules
from agent_bridge.bridge.lanes import Handler, Lanes
from agent_bridge.bridge.provisioner import HouseRules, Provisioner
from agent_bridge.bridge.relay import Relay, Talk
from agent_bridge.bridge.space import Space
from agent_bridge.bridge.wakeup import WakeUp
from agent_bridge.commands.agents import AgentCommands
from agent_bridge.commands.bot import Bot
from agent_bridge.commands.house import HouseCommands
from agent_bridge.core.errors import CannotListen
from agent_bridge.core.model import TurnKind
from agent_bridge.matrix.door import MAX_BODY, Door
from agent_bridge.matrix.homeserver import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store import migrate
from agent_bridge.store.contacts import Contacts
from agent_bridge.store.database import Database
from agent_bridge.store.embedded import embedded_postgres
from agent_bridge.store.facts import Facts
from agent_bridge.store.locks import Locks
from agent_bridge.store.queue import Queue
from agent_bridge.store.turns import Turns
from agent_bridge.web.health import HealthPages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bridge:
    """The bridge, built and not yet running."""

    config: Config
    lanes: Lanes
    discovery: Discovery
    provisioner: Provisioner
    wakeup: WakeUp
    web: web.Application

    async def run(self) -> None:
        """Be door, worker and discovery until cancelled; then finish what runs, within the drain timeout."""
        async with self._door(), asyncio.TaskGroup() as group:
            group.create_task(self.lanes.run())
            group.create_task(self.provisioner.run())
            group.create_task(self.wakeup.run())
            group.create_task(self.discovery.run())

    async def work(self) -> None:
        """Be a worker only, until cancelled."""
        await self.lanes.run()

    @asynccontextmanager
    async def _door(self) -> AsyncIterator[None]:
        service = self.config.appservice
        runner = web.AppRunner(self.web, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, service.hostname, service.port).start()
            except OSError as error:
                where = f"{service.hostname}:{service.port}"
                raise CannotListen(f"cannot listen on {where} (appservice.hostname, port): {error.strerror}") from error
            _log.info("door open", address=f"http://{service.hostname}:{service.port}")
            yield
        finally:
            await runner.cleanup()


@asynccontextmanager
async def database_uri(config: Config) -> AsyncIterator[str]:
    """Give the URI of the configured database, starting the embedded one."""
    if not config.database.embedded:
        yield config.database.url
        return
    async with embedded_postgres(config.database.data_dir / "postgres") as uri:
        yield uri


@asynccontextmanager
async def build(config: Config) -> AsyncIterator[Bridge]:
    """Open what the bridge stands on and put it together.

    Raises:
        StoreError: the database cannot be used, or its schema is not this program's.
    """
    names, permissions, prefix = config.names, config.permissions, config.bot.prefix
    async with AsyncExitStack() as stack:
        uri = await stack.enter_async_context(database_uri(config))
        await asyncio.to_thread(migrate.migrate if config.database.migrate else migrate.check, uri)
        database = await stack.enter_async_context(Database(uri, pool_size=config.database.pool_size))
        locks = await stack.enter_async_context(Locks(uri))
        matrix_session = await stack.enter_async_context(homeserver_session())
        upstream_session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        contacts, turns, facts = Contacts(database), Turns(database), Facts(database)
        homeserver = Homeserver(
            config.homeserver.address, config.appservice.as_token.get_secret_value(), names, matrix_session
        )
        upstreams = [(upstream.make(each, upstream_session), each) for each in config.upstreams]
        house = HouseRules(config.rooms, permissions)
        space = Space(
            homeserver,
            names,
            facts,
            config.space,
            invite=config.rooms.invite,
            powers=house.powers(names.bot),
            version=config.rooms.version,
        )
        provisioner = Provisioner(homeserver, names, contacts, space, house)
        discovery = Discovery(upstreams, contacts, provisioner, names, config.templates)
        rules = Rules(names, permissions, prefix)
        doorman = Doorman(homeserver, turns, rules)
        commands = [
            *AgentCommands(homeserver, names, contacts, permissions, prefix).commands(),
            *HouseCommands(discovery, contacts, turns).commands(),
        ]
        talks = {each.name: Talk(server, each.history_tokens) for server, each in upstreams}
        relay = Relay(homeserver, names, contacts, turns, talks, max_attempts=config.lanes.max_attempts)
        handlers: dict[TurnKind, Handler] = {
            TurnKind.MESSAGE: relay,
            TurnKind.COMMAND: Bot(homeserver, names, turns, commands, permissions, prefix),
            TurnKind.REFUSAL: doorman,
            TurnKind.INVITATION: doorman,
        }
        lanes = await stack.enter_async_context(
            Lanes(
                database,
                turns,
                locks,
                Queue(database),
                handlers,
                max_active=config.lanes.max_active_lanes,
                max_attempts=config.lanes.max_attempts,
                drain_timeout=config.lanes.drain_timeout,
            )
        )
        intake = Intake(database, contacts, turns, lanes, rules)
        app = web.Application(client_max_size=MAX_BODY + 1)
        Door(config.appservice.hs_token.get_secret_value(), intake).add_routes(app)
        checks = {"database": database.ping, "homeserver": homeserver.versions}
        HealthPages(checks, discovery.health).add_routes(app)
        wakeup = WakeUp(homeserver, facts, contacts, config.appservice)
        yield Bridge(config, lanes, discovery, provisioner, wakeup, app)
