"""The composition root: it opens the connections and builds the parts of the bridge, one function per package."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.activity_presence import ActivityPresence
from agent_bridge.bridge.agents.avatars import Avatars
from agent_bridge.bridge.agents.configured import ConfiguredAgents
from agent_bridge.bridge.agents.discovery import Discovery
from agent_bridge.bridge.agents.held_changes import HeldChanges
from agent_bridge.bridge.agents.presence import Presence
from agent_bridge.bridge.agents.provisioner import Provisioner
from agent_bridge.bridge.agents.queries import AgentQueries
from agent_bridge.bridge.agents.switch_reports import SwitchReports
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.bridge.answering.batching import Batching
from agent_bridge.bridge.answering.cancellation import Cancellations
from agent_bridge.bridge.answering.catch_up import RoomReader
from agent_bridge.bridge.answering.context_report import ContextReports
from agent_bridge.bridge.answering.edit_handler import EditHandler
from agent_bridge.bridge.answering.generation import Generation
from agent_bridge.bridge.answering.incoming_files import IncomingFiles
from agent_bridge.bridge.answering.matrix_tools import MatrixTools
from agent_bridge.bridge.answering.message_handler import MessageHandler
from agent_bridge.bridge.answering.question import Questions
from agent_bridge.bridge.answering.redaction_handler import RedactionHandler
from agent_bridge.bridge.answering.tool_approvals import ToolApprovals
from agent_bridge.bridge.answering.undeliverable import Undeliverable
from agent_bridge.bridge.chats.private_rooms import PrivateRooms
from agent_bridge.bridge.chats.titles import Titles
from agent_bridge.bridge.delivery.approval_cards import ApprovalCards
from agent_bridge.bridge.delivery.edit_budget import EditBudget
from agent_bridge.bridge.delivery.erasure import Eraser
from agent_bridge.bridge.delivery.outbox import Outboxes
from agent_bridge.bridge.delivery.receipts import Receipts
from agent_bridge.bridge.delivery.status_reactions import StatusReactions
from agent_bridge.bridge.delivery.stop_offers import StopOffers
from agent_bridge.bridge.delivery.uploads import Uploads
from agent_bridge.bridge.delivery.waiting_reactions import WaitingReactions
from agent_bridge.bridge.groups.lobby import LobbyKeeper
from agent_bridge.bridge.groups.lobby_room import LobbyRoom
from agent_bridge.bridge.inbound.homeserver_monitor import HomeserverMonitor
from agent_bridge.bridge.inbound.refusals import RefusalHandler
from agent_bridge.bridge.queue.leader import Leader
from agent_bridge.bridge.queue.retention import Pruner
from agent_bridge.bridge.queue.worker import Handler, Worker
from agent_bridge.bridge.rooms.access import Access
from agent_bridge.bridge.rooms.admin_room import AdminRoom
from agent_bridge.bridge.rooms.command_descriptions import CommandDescriptions
from agent_bridge.bridge.rooms.home_rooms import HomeRooms
from agent_bridge.bridge.rooms.home_state import HomeState
from agent_bridge.bridge.rooms.permissions import people_with
from agent_bridge.bridge.rooms.power_levels import room_powers
from agent_bridge.bridge.rooms.space import Space
from agent_bridge.bridge.rooms.visited_rooms import VisitedRooms
from agent_bridge.clients import Clients, open_clients
from agent_bridge.commands.handler import described_commands
from agent_bridge.config.agents_source import AgentsSource
from agent_bridge.core.chats import ChatTitles
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import TurnKind
from agent_bridge.i18n import texts_in
from agent_bridge.lifecycle import Bridge
from agent_bridge.matrix.appservice import AppServiceEndpoint
from agent_bridge.matrix.session import READ_TIMEOUT
from agent_bridge.store.chains import Chains
from agent_bridge.store.contexts import Contexts
from agent_bridge.store.lobbies import Lobbies
from agent_bridge.store.postgres.database import POOL_TIMEOUT
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.waiting_reactions import WaitingMessages
from agent_bridge.stores import Stores, open_stores
from agent_bridge.web.application import application
from agent_bridge.web.health import HealthPages
from agent_bridge.web.process_stats import ProcessStats
from agent_bridge.wiring.chats import build_chats, build_number_repair
from agent_bridge.wiring.commands import build_commands
from agent_bridge.wiring.groups import build_group_keeper, build_hand_on
from agent_bridge.wiring.inbound import build_inbound, build_invites
from agent_bridge.wiring.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.config.model import Config
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.wiring.chats import ChatParts
    from agent_bridge.wiring.commands import Commands
    from agent_bridge.wiring.inbound import Inbound


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which a server that does not respond counts as unavailable."""

    #: To get a connection to the database.
    database: float = POOL_TIMEOUT
    #: From one byte of the homeserver's response to the next.
    homeserver: float = READ_TIMEOUT


_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answering:
    cancellations: Cancellations
    messages: MessageHandler
    edits: EditHandler
    reports: ContextReports


@dataclass(frozen=True, slots=True, kw_only=True)
class _AgentParts:
    status: UpstreamStatus
    provisioner: Provisioner
    chats: ChatParts
    discovery: Discovery
    configured: ConfiguredAgents
    avatars: Avatars
    held: HeldChanges
    queries: AgentQueries
    lobby: LobbyKeeper
    switches: SwitchReports


@asynccontextmanager
async def build(config: Config, timeouts: Timeouts = _TIMEOUTS, *, file: Path | None = None) -> AsyncIterator[Bridge]:
    """Open the connections and build the bridge; close them at the end of the block.

    The bridge follows changes of the agents in *file*, from which *config* was read.

    Raises:
        StoreError: the database cannot be used, or its schema is not the one of this program.
    """
    settings = Settings(config=config, file=file, namespace=config.namespace, texts=_texts(config))
    async with AsyncExitStack() as stack:
        stores = await open_stores(config.database, timeouts.database, stack)
        clients = await open_clients(config, settings.namespace, stores.database, timeouts.homeserver, stack)
        inbound = build_inbound(settings, stores, clients)
        answering = _build_answering(settings, stores, clients)
        agents = _build_agents(settings, stores, clients)
        commands = build_commands(
            settings,
            stores,
            clients,
            inbound,
            answering.reports,
            answering.cancellations,
            agents.status,
            agents.chats.direct,
        )
        handlers = _handlers(settings, stores, clients, inbound, answering, commands, agents.chats.direct)
        endpoint = AppServiceEndpoint(config.appservice.hs_token.get_secret_value(), inbound.intake, agents.queries)
        leader = _build_leader(settings, stores, clients, inbound, agents)
        yield Bridge(
            config=config,
            worker=Worker(
                stores.lanes,
                stores.database,
                stores.turns,
                stores.locks,
                stores.queue,
                stores.signals,
                handlers,
                config.lanes,
                settings.texts,
            ),
            cancellations=answering.cancellations,
            endpoint=endpoint,
            leader=leader,
            discovery=agents.discovery,
            provisioner=agents.provisioner,
            homeserver=clients.homeserver,
            traces=commands.traces,
            renderer=commands.renderer,
            process_stats=ProcessStats(stores.database),
            web=application(endpoint, _health_pages(stores, clients, endpoint, leader, agents.status)),
        )


def _texts(config: Config) -> Texts:
    """Return the texts in the configured language, which name the administrators who can help."""
    return texts_in(config.language).naming(people_with(config.permissions, Role.ADMIN), config.bot.prefix)


def _build_answering(settings: Settings, stores: Stores, clients: Clients) -> _Answering:
    config, texts, turns, homeserver = settings.config, settings.texts, stores.turns, clients.homeserver
    cancellations, outboxes = Cancellations(turns, stores.signals), Outboxes(homeserver, turns)
    contexts, transcripts = Contexts(stores.database), Transcripts(stores.database)
    questions = Questions(
        homeserver,
        settings.namespace,
        config.permissions,
        transcripts,
        contexts,
        turns,
        RoomReader(homeserver, settings.namespace, config.permissions, transcripts),
        IncomingFiles(clients.media, clients.pictures, config.files, texts),
        config.threads,
        texts,
    )
    uploads = Uploads(clients.media, clients.fetcher, clients.pictures, config.files, texts)
    generation = Generation(
        questions,
        turns,
        clients.upstreams,
        cancellations,
        uploads,
        EditBudget(config.answers.edits_per_second),
        stores.locks,
        config.answers,
        ToolApprovals(stores.approvals, ApprovalCards(homeserver, texts), stores.signals, texts),
        MatrixTools(homeserver, config.permissions, turns, uploads, texts),
        texts,
    )
    reactions, stop_offers = StatusReactions(homeserver), StopOffers(homeserver, turns)
    messages = MessageHandler(
        outboxes,
        turns,
        stores.chats,
        Batching(turns, config.lanes),
        generation,
        Receipts(homeserver),
        reactions,
        stop_offers,
        Undeliverable(homeserver, turns, reactions, stop_offers, texts),
        build_hand_on(settings, stores),
        config.lanes,
        config.answers,
        texts,
    )
    edits = EditHandler(homeserver, outboxes, turns, stores.edits, texts)
    reports = ContextReports(questions, generation, contexts)
    return _Answering(cancellations=cancellations, messages=messages, edits=edits, reports=reports)


def _build_agents(settings: Settings, stores: Stores, clients: Clients) -> _AgentParts:
    config, namespace, texts, signals = settings.config, settings.namespace, settings.texts, stores.signals
    homeserver, status = clients.homeserver, UpstreamStatus(stores.kv, signals)
    powers = room_powers(namespace.bot, config.permissions)
    admin_room = AdminRoom(homeserver, stores.kv, stores.rooms, config, powers, texts)
    space = Space(homeserver, stores.kv, admin_room, config, powers, texts)
    avatars = Avatars(
        homeserver,
        clients.media,
        clients.fetcher,
        clients.pictures,
        {each.name: each.can.pictures for each, _ in clients.upstreams if each.can.pictures is not None},
        stores.agents,
        stores.kv,
        signals,
        config,
    )
    access = Access(homeserver, namespace, stores.agents, admin_room, space, config.rooms, texts)
    home_rooms = HomeRooms(homeserver, namespace, stores.agents, access, admin_room, config.rooms, powers, texts)
    private = config.rooms.private
    provisioner = Provisioner(
        homeserver,
        namespace,
        stores.agents,
        space,
        home_rooms,
        HomeState(homeserver, namespace, stores.agents, powers),
        avatars,
        access,
        config.rooms,
        signals,
        texts,
    )
    discovery = Discovery(
        clients.upstreams, stores.agents, provisioner.request, namespace, config.templates, status, signals, texts
    )
    source = AgentsSource(config, settings.file)
    held = HeldChanges(status, admin_room, stores.kv, signals, texts, config.bot.prefix)
    lobbies = Lobbies(stores.database)
    lobby_room = LobbyRoom(
        homeserver, lobbies, stores.agents, stores.kv, admin_room, space, access, config.rooms, powers, texts
    )
    return _AgentParts(
        status=status,
        provisioner=provisioner,
        chats=build_chats(settings, stores, clients, space),
        discovery=discovery,
        configured=ConfiguredAgents(source, stores.agents, discovery, admin_room, config, texts),
        avatars=avatars,
        held=held,
        queries=AgentQueries(homeserver, namespace, stores.agents, home_rooms, space, signals, private=private),
        lobby=LobbyKeeper(homeserver, lobby_room, lobbies, signals),
        switches=SwitchReports(admin_room, stores.kv, signals, texts),
    )


def _handlers(
    settings: Settings,
    stores: Stores,
    clients: Clients,
    inbound: Inbound,
    answering: _Answering,
    commands: Commands,
    direct: DirectChats,
) -> Mapping[TurnKind, Handler]:
    homeserver, turns, texts = clients.homeserver, stores.turns, settings.texts
    return {
        TurnKind.MESSAGE: answering.messages,
        TurnKind.EDIT: answering.edits,
        TurnKind.AGAIN: answering.edits,
        TurnKind.COMMAND: commands.handler,
        TurnKind.CHOICE: commands.choices,
        TurnKind.REFUSAL: RefusalHandler(
            homeserver,
            turns,
            stores.rooms,
            stores.agents,
            inbound.selections,
            Chains(stores.database, settings.namespace),
            inbound.rules,
            settings.config.budgets,
            texts,
        ),
        TurnKind.REDACTION: RedactionHandler(turns, Eraser(homeserver), settings.namespace),
        TurnKind.INVITATION: build_invites(settings, stores, clients, inbound, direct),
    }


def _build_leader(
    settings: Settings, stores: Stores, clients: Clients, inbound: Inbound, agents: _AgentParts
) -> Leader:
    config, homeserver, intake = settings.config, clients.homeserver, inbound.intake
    monitor = HomeserverMonitor(
        homeserver, stores.kv, stores.agents, intake, stores.lanes, config.appservice, agents.provisioner.doubt_all
    )
    duties = {
        "provisioner": agents.provisioner.run,
        "chats": agents.chats.reconciler.run,
        "monitor": monitor.run,
        "discovery": agents.discovery.run,
        "configured": agents.configured.run,
        "avatars": agents.avatars.run,
        "held_changes": agents.held.run,
        "switches": agents.switches.run,
        "backfill": inbound.backfill.run,
        "visited_rooms": VisitedRooms(homeserver, stores.rooms).run,
        "groups": build_group_keeper(settings, stores, clients).run,
        "pruner": Pruner(stores.database, config.retention).run,
    }
    duties["command_descriptions"] = CommandDescriptions(
        homeserver, stores.rooms, described_commands(), stores.signals, settings.texts
    ).run
    duties["numbers"] = build_number_repair(settings, stores, homeserver).run
    if config.rooms.private:
        duties["private_rooms"] = PrivateRooms(agents.chats.direct, stores.agents, config.rooms, stores.signals).run
    if config.rooms.lobby is not False:
        duties["lobby"] = agents.lobby.run
    if config.chats.titles is not ChatTitles.OFF:
        duties["titles"] = Titles(
            stores.chats,
            {each.name: upstream for upstream, each in clients.upstreams},
            stores.signals,
            settings.texts,
            by_model=config.chats.titles is ChatTitles.MODEL,
        ).run
    if config.lanes.show_waiting:
        waiting = WaitingMessages(stores.database, config.lanes.when_busy)
        duties["waiting"] = WaitingReactions(homeserver, waiting, stores.signals).run
    if config.presence is None:
        duties["presence"] = ActivityPresence(
            homeserver, stores.agents, settings.texts, per_second=config.presence_per_second
        ).run
    elif config.presence:
        duties["presence"] = Presence(homeserver, agents.status, stores.agents, stores.signals, settings.texts).run
    return Leader(stores.locks, stores.leadership, partial(intake.request_backfill, "the bridge was away"), duties)


def _health_pages(
    stores: Stores, clients: Clients, endpoint: AppServiceEndpoint, leader: Leader, status: UpstreamStatus
) -> HealthPages:
    checks = {
        "database": stores.database.ping,
        "homeserver": clients.homeserver.versions,
        "leader": leader.check,
    }
    return HealthPages(checks, status.read, endpoint.authorises)
