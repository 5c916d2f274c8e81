"""The composition root: it opens the connections and builds the parts of the bridge, one function per package."""

from __future__ import annotations

import asyncio
import operator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge import log
from agent_bridge.bridge.answering.permitted import PermittedTurns
from agent_bridge.bridge.answering.redaction_handler import RedactionHandler
from agent_bridge.bridge.delivery.erasure import Eraser
from agent_bridge.bridge.inbound.refusals import RefusalHandler
from agent_bridge.bridge.queue.reloader import Reloader
from agent_bridge.bridge.queue.worker import Worker
from agent_bridge.clients import open_clients
from agent_bridge.core.feed import FeedSwitch
from agent_bridge.core.live import Live
from agent_bridge.core.observer import TurnEndSignal
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.threads import ArchivedRooms
from agent_bridge.core.turns import TurnKind
from agent_bridge.i18n import texts_in
from agent_bridge.lifecycle import Bridge, Listeners
from agent_bridge.matrix.appservice import AppServiceEndpoint
from agent_bridge.matrix.session import READ_TIMEOUT
from agent_bridge.store.chains import Chains
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.postgres.database import POOL_TIMEOUT
from agent_bridge.store.reloads import ReloadStore
from agent_bridge.stores import open_stores
from agent_bridge.web.application import api_application, application
from agent_bridge.web.health import HealthPages
from agent_bridge.web.process_stats import ProcessStats
from agent_bridge.web.sync_webhook import SyncWebhook
from agent_bridge.wiring.admin import build_admin_page, build_rollups, build_visitors
from agent_bridge.wiring.agents import build_agents
from agent_bridge.wiring.answering import build_answering
from agent_bridge.wiring.commands import build_commands
from agent_bridge.wiring.feed import build_feed
from agent_bridge.wiring.inbound import build_inbound, build_invites, build_sealed_intake, build_stream_intake
from agent_bridge.wiring.leader import build_leader
from agent_bridge.wiring.lifecycle import build_operations
from agent_bridge.wiring.metering import build_metering
from agent_bridge.wiring.metrics import build_metrics_page, build_middlewares, build_observer
from agent_bridge.wiring.personal_data import build_personal_data
from agent_bridge.wiring.programs import build_api
from agent_bridge.wiring.roles import build_refresher
from agent_bridge.wiring.settings import Settings
from agent_bridge.wiring.triggers import build_trigger_handler, build_trigger_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.queue.leader import Leader
    from agent_bridge.bridge.queue.worker import Handler
    from agent_bridge.clients import Clients
    from agent_bridge.config.model import Config
    from agent_bridge.config.source import ConfigSource
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.stores import Stores
    from agent_bridge.web.application import Routes
    from agent_bridge.wiring.answering import Answering
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


@asynccontextmanager
async def build(
    config: Config,
    timeouts: Timeouts = _TIMEOUTS,
    *,
    source: ConfigSource | None = None,
    hangups: asyncio.Event | None = None,
) -> AsyncIterator[Bridge]:
    """Open the connections and build the bridge; close them at the end of the block.

    The bridge follows changes of *source*, from which *config* was read: those of the agents at once, others when a
    reload is requested. *hangups* is set to request one.

    Raises:
        StoreError: the database cannot be used, or its schema is not the one of this program.
    """
    roles = Roles.fixed(config.permissions, config.namespace)
    settings = Settings(
        config=config,
        live=Live(config, same=operator.is_),
        source=source,
        namespace=config.namespace,
        roles=roles,
        texts=_texts(config, roles),
        feed=FeedSwitch(),
        archived=ArchivedRooms(),
        observer=build_observer(config),
    )
    async with AsyncExitStack() as stack:
        ended = asyncio.Event()
        observer = TurnEndSignal(settings.observer, ended.set) if config.admin.enabled else settings.observer
        stores = await open_stores(config.database, timeouts.database, stack, observer)
        refresher = build_refresher(settings, stores)
        # Before anything is decided by the configuration alone: people may have given other roles.
        await refresher.refresh()
        clients = await open_clients(
            config, settings.namespace, stores.database, timeouts.homeserver, stack, settings.observer
        )
        inbound = build_inbound(settings, stores, clients)
        metering = build_metering(settings, stores)
        feed = build_feed(settings, stores)
        answering = build_answering(settings, stores, clients, metering, feed.growth)
        agents = build_agents(settings, stores, clients, refresher)
        commands = build_commands(
            settings,
            stores,
            clients,
            inbound,
            answering.reports,
            answering.cancellations,
            agents.status,
            agents.chats.direct,
            agents.inviter,
            metering,
        )
        handlers = _handlers(settings, stores, clients, inbound, answering, commands, agents.chats.direct)
        endpoint = AppServiceEndpoint(
            config.appservice.hs_token.get_secret_value(),
            inbound.intake,
            agents.queries,
            ephemeral=feed.live.take if config.api.typing else None,
            observer=settings.observer,
            key_news=build_sealed_intake(settings, stores).take_news if config.encryption.allow else None,
            streams=build_stream_intake(stores).take if config.answers.event_streams else None,
        )
        operations = build_operations(settings, stores, clients, agents)
        others: list[Routes] = [_sync_webhook(config, agents.status), build_trigger_routes(settings, stores, clients)]
        api = build_api(settings, stores, clients, inbound, agents.chats.direct, agents.inviter, feed)
        leader = build_leader(settings, stores, clients, inbound, agents, metering, refresher, operations)
        health = _health_pages(stores, clients, endpoint, leader, agents.status)
        worker = Worker(
            stores.lanes,
            stores.database,
            stores.turns,
            stores.locks,
            stores.queue,
            stores.signals,
            handlers,
            config.lanes,
            settings.texts,
        )
        metrics = build_metrics_page(settings, stores, worker, leader, api[0])
        rollups, visitors = build_rollups(settings, stores, ended), build_visitors(settings, stores, refresher)
        page = build_admin_page(settings, stores, visitors, commands, metering, agents.status)
        yield Bridge(
            config=config,
            worker=worker,
            cancellations=answering.cancellations,
            endpoint=endpoint,
            leader=leader,
            roles=refresher,
            reloader=_reloader(settings, stores, hangups or asyncio.Event()),
            operations=operations,
            operation_store=OperationStore(stores.database),
            personal_data=build_personal_data(settings, stores),
            agents=stores.agents,
            discovery=agents.discovery,
            provisioner=agents.provisioner,
            homeserver=clients.homeserver,
            traces=commands.traces,
            renderer=commands.renderer,
            process_stats=ProcessStats(stores.database),
            observer=settings.observer,
            listeners=_listeners(
                settings, endpoint, health, others, [*api, *([] if page is None else [page])], metrics
            ),
            admin_work={name: duty.run for name, duty in (("rollups", rollups), ("visitors", visitors)) if duty},
        )


def _listeners(
    settings: Settings,
    endpoint: AppServiceEndpoint,
    health: HealthPages,
    others: Sequence[Routes],
    api: Sequence[Routes],
    metrics: Routes | None,
) -> Listeners:
    """Return the applications of the listeners."""
    config, counted = settings.config, build_middlewares(settings.observer)
    has_own_port, page = config.api.port is not None, [] if metrics is None else [metrics]
    metrics_have_port = config.metrics.port is not None
    routes = [*others, *([] if has_own_port else api), *([] if metrics_have_port else page)]
    return Listeners(
        appservice=application(endpoint, health, *routes, fallback=has_own_port, middlewares=counted),
        api=api_application(*others, *api, middlewares=counted) if has_own_port else None,
        metrics=api_application(*page) if page and metrics_have_port else None,
    )


def _reloader(settings: Settings, stores: Stores, hangups: asyncio.Event) -> Reloader | None:
    if settings.source is None:
        return None
    level = settings.live.part(lambda config: config.logging.level)
    level.watch(lambda: log.set_level(level.value))
    return Reloader(settings.source, settings.live, ReloadStore(stores.database), stores.locks, stores.signals, hangups)


def _texts(config: Config, roles: Roles) -> Texts:
    """Return the texts in the configured language, which name the administrators who can help."""
    return texts_in(config.language).naming(lambda: roles.book.named(Role.ADMIN), config.bot.prefix)


def _handlers(
    settings: Settings,
    stores: Stores,
    clients: Clients,
    inbound: Inbound,
    answering: Answering,
    commands: Commands,
    direct: DirectChats,
) -> Mapping[TurnKind, Handler]:
    homeserver, turns, texts = clients.homeserver, stores.turns, settings.texts
    return {
        TurnKind.MESSAGE: PermittedTurns(answering.messages, turns, settings.roles),
        TurnKind.EDIT: PermittedTurns(answering.edits, turns, settings.roles),
        TurnKind.AGAIN: PermittedTurns(answering.edits, turns, settings.roles),
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
            settings.live.part(lambda config: config.budgets.budget),
            texts,
        ),
        TurnKind.TRIGGER: build_trigger_handler(settings, stores, clients),
        TurnKind.REDACTION: RedactionHandler(turns, Eraser(homeserver), settings.namespace),
        TurnKind.INVITATION: build_invites(settings, stores, clients, inbound, direct),
    }


def _sync_webhook(config: Config, status: UpstreamStatus) -> SyncWebhook:
    tokens = {each.name: each.webhook_token for each in config.upstreams if each.webhook_token is not None}
    secrets = {name: token.get_secret_value() for name, token in tokens.items()}
    return SyncWebhook(secrets, status.ask_one, status.read)


def _health_pages(
    stores: Stores, clients: Clients, endpoint: AppServiceEndpoint, leader: Leader, status: UpstreamStatus
) -> HealthPages:
    checks = {
        "database": stores.database.ping,
        "homeserver": clients.homeserver.versions,
        "leader": leader.check,
    }
    return HealthPages(checks, status.read, endpoint.authorises)
