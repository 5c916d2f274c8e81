"""The composition root: the one file that knows all names."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from agent_bridge.bridge.agents.discovery import Discovery
from agent_bridge.bridge.agents.presence import Presence
from agent_bridge.bridge.agents.provisioner import HouseRules, Provisioner
from agent_bridge.bridge.agents.upstream_status import Bulletin
from agent_bridge.bridge.answering.cancellation import Stops
from agent_bridge.bridge.answering.edit_handler import Changer
from agent_bridge.bridge.answering.generation import Answers, Asking, Talk
from agent_bridge.bridge.answering.incoming_files import Attachments
from agent_bridge.bridge.answering.message_handler import Manners, Relay
from agent_bridge.bridge.answering.question import Questions
from agent_bridge.bridge.delivery.edit_budget import EditBudget
from agent_bridge.bridge.delivery.status_reactions import Signs
from agent_bridge.bridge.delivery.uploads import Enclosures
from agent_bridge.bridge.delivery.waiting_reactions import Hourglass
from agent_bridge.bridge.inbound.backfill import Comparison
from agent_bridge.bridge.inbound.homeserver_monitor import WakeUp
from agent_bridge.bridge.inbound.intake import Intake
from agent_bridge.bridge.inbound.invites import Doorman
from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.bridge.queue.lanes import Handler, Lanes
from agent_bridge.bridge.queue.leader import Leader
from agent_bridge.bridge.queue.retention import Housekeeping
from agent_bridge.bridge.rooms.space import Space
from agent_bridge.commands.agents import AgentCommands
from agent_bridge.commands.handler import Bot
from agent_bridge.commands.status import HouseCommands
from agent_bridge.commands.trace import Stories
from agent_bridge.commands.turns import TurnCommands
from agent_bridge.core.errors import CannotListen
from agent_bridge.core.turns import TurnKind
from agent_bridge.i18n import words_in
from agent_bridge.matrix.appservice import MAX_BODY, Door
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.media import Media
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.rendition import Pace
from agent_bridge.store import migrate
from agent_bridge.store.agents import Contacts
from agent_bridge.store.database import Database
from agent_bridge.store.edits import Changes
from agent_bridge.store.embedded import embedded_postgres
from agent_bridge.store.history import Rooms
from agent_bridge.store.intake import Inbox
from agent_bridge.store.kv import Facts
from agent_bridge.store.locks import Locks
from agent_bridge.store.queue import Queue
from agent_bridge.store.turn_admin import Ledger
from agent_bridge.store.turns import Turns
from agent_bridge.store.waiting_reactions import Waiting
from agent_bridge.upstream.download.fetch import Fetcher
from agent_bridge.upstream.registry import make_upstream
from agent_bridge.web.health import HealthPages
from agent_bridge.web.process_stats import Vitals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config, UpstreamConfig
    from agent_bridge.upstream.base import Upstream

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bridge:
    """The bridge, built and not yet running."""

    config: Config
    lanes: Lanes
    stops: Stops
    door: Door
    leader: Leader
    discovery: Discovery
    provisioner: Provisioner
    homeserver: Homeserver
    stories: Stories
    vitals: Vitals
    web: web.Application

    async def run(self) -> None:
        """Be door and worker, and leader while no other process is, until cancelled; then finish what runs."""
        async with self._leading() as leading, self._listening(), asyncio.TaskGroup() as group:
            group.create_task(_ending(leading))
            group.create_task(self.door.run())
            group.create_task(self.work())

    async def work(self) -> None:
        """Be a worker only, until cancelled; then finish what runs, within the drain timeout."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.stops.run())
            group.create_task(self.lanes.run())

    @asynccontextmanager
    async def _leading(self) -> AsyncIterator[asyncio.Task[None]]:
        """Lead, if no other process does; give the task that does it.

        Whoever leads first holds the lanes of rooms that have to be compared; only then may anything come in.
        """
        leading = asyncio.create_task(self.leader.run())
        settled = asyncio.create_task(self.leader.settled.wait())
        try:
            await asyncio.wait([leading, settled], return_when=asyncio.FIRST_COMPLETED)
            yield leading
        finally:
            settled.cancel()
            leading.cancel()
            await asyncio.wait([leading, settled])

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        service = self.config.appservice
        # A homeserver compresses nothing: what claims to be compressed can only be broken, or a bomb.
        runner = web.AppRunner(self.web, access_log=None, auto_decompress=False)
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


def _talk(server: Upstream, config: UpstreamConfig) -> Talk:
    """Return what *config* says of talking to the agents of *server*."""
    return Talk(
        server,
        URL(config.url),
        config.history_tokens,
        config.turn_timeout,
        config.max_answer_chars,
        config.stream,
        config.reasoning,
        config.tools,
    )


async def _ending(task: asyncio.Task[None]) -> None:
    await task


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
    words = words_in(config.language)
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
        upstreams = [(make_upstream(each, upstream_session), each) for each in config.upstreams]
        rules, house = Rules(names, permissions, prefix), HouseRules(config.rooms, permissions)
        stops, bulletin = Stops(turns), Bulletin(facts)
        rooms, ledger, changes = Rooms(database), Ledger(database), Changes(database)
        # The lanes have to be there before what carries their turns out: some of it wakes them.
        handlers: dict[TurnKind, Handler] = {}
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
                words=words,
            )
        )
        intake = Intake(
            database,
            contacts,
            turns,
            Inbox(database),
            changes,
            rooms,
            lanes,
            rules,
            max_queued=config.lanes.max_queued_per_room,
        )
        comparison = Comparison(
            homeserver,
            rooms,
            intake,
            interval=config.homeserver.compare_interval,
            horizon=config.retention.turns_days * 86400,
        )
        stories = Stories(ledger, turns, contacts, homeserver, rules, words)
        commands = [
            *AgentCommands(homeserver, names, contacts, permissions, prefix, words).commands(),
            *TurnCommands(database, ledger, contacts, lanes, stories, prefix, words).commands(),
            *HouseCommands(bulletin, contacts, turns, words).commands(),
        ]
        doorman = Doorman(homeserver, turns, rooms, comparison, rules, words)
        media = Media(config.homeserver.address, config.appservice.as_token.get_secret_value(), names, matrix_session)
        fetcher = await stack.enter_async_context(Fetcher())
        asking = Asking(
            Questions(
                homeserver,
                names,
                turns,
                Attachments(media, config.files, words),
                words,
                room_messages=config.threads.room_messages,
            ),
            {each.name: _talk(server, each) for server, each in upstreams},
            stops,
            Enclosures(media, fetcher, words, max_bytes=config.files.max_bytes),
            EditBudget(config.answers.edits_per_second),
            Answers(Pace(max_events=config.answers.max_events), config.answers.max_parts),
            words,
        )
        manners = Manners(
            config.lanes.max_attempts,
            config.lanes.max_message_age,
            config.lanes.busy,
            prefix,
            config.answers.max_parts,
        )
        handlers |= {
            TurnKind.MESSAGE: Relay(homeserver, names, contacts, turns, asking, Signs(homeserver), manners, words),
            TurnKind.CHANGE: Changer(homeserver, names, contacts, turns, changes, words),
            TurnKind.COMMAND: Bot(homeserver, names, turns, commands, permissions, prefix, words),
            TurnKind.REFUSAL: doorman,
            TurnKind.INVITATION: doorman,
        }
        space = Space(
            homeserver,
            names,
            facts,
            config.space,
            invite=config.rooms.invite,
            powers=house.powers(names.bot),
            version=config.rooms.version,
        )
        provisioner = Provisioner(homeserver, names, contacts, space, house, words)
        discovery = Discovery(upstreams, contacts, provisioner, names, config.templates, bulletin, words)
        duties = [
            provisioner.run,
            WakeUp(homeserver, facts, contacts, intake, lanes, config.appservice).run,
            discovery.run,
            comparison.run,
            Housekeeping(database, config.retention).run,
        ]
        if config.lanes.show_waiting:
            duties.append(Hourglass(homeserver, Waiting(database)).run)
        if config.presence:
            duties.append(Presence(homeserver, bulletin, contacts, words).run)
        leader = Leader(locks, partial(intake.suspect, "the bridge was away"), duties)
        app = web.Application(client_max_size=MAX_BODY + 1)
        door = Door(config.appservice.hs_token.get_secret_value(), intake)
        door.add_routes(app)
        checks = {"database": database.ping, "homeserver": homeserver.versions}
        HealthPages(checks, bulletin.read).add_routes(app)
        yield Bridge(
            config, lanes, stops, door, leader, discovery, provisioner, homeserver, stories, Vitals(database), app
        )
