"""The admin page, if the configuration asks for it. Otherwise nothing of it is imported, built or called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.admin_links import AdminLinks
from agent_bridge.store.admin_sessions import AdminSessions

if TYPE_CHECKING:
    import asyncio

    from agent_bridge.admin.routes import AdminRoutes
    from agent_bridge.admin.visitors import Visitors
    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.bridge.metering.rollups import RollupWriter
    from agent_bridge.bridge.roles.refresher import RoleRefresher
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.commands import Commands
    from agent_bridge.wiring.metering import Metering
    from agent_bridge.wiring.settings import Settings


def build_admin_links(settings: Settings, stores: Stores, clients: Clients) -> AdminLinks | None:
    """Build the part that tells people links to the page; None without a page."""
    config = settings.config
    if not config.admin.enabled:
        return None
    return AdminLinks(
        clients.homeserver,
        AdminSessions(stores.database),
        settings.texts,
        key=config.appservice.as_token.get_secret_value(),
        url=config.public_url,
    )


def build_rollups(settings: Settings, stores: Stores, ended: asyncio.Event) -> RollupWriter | None:
    """Build the part that writes the sums after turns have *ended*; None without a page."""
    if not settings.config.admin.enabled:
        return None
    from agent_bridge.bridge.metering.rollups import RollupWriter
    from agent_bridge.store.rollups import RollupStore

    return RollupWriter(RollupStore(stores.database), ended)


def build_visitors(settings: Settings, stores: Stores, refresher: RoleRefresher) -> Visitors | None:
    """Build the part that knows the people who may enter; None without a page."""
    config = settings.config
    if not config.admin.enabled:
        return None
    from agent_bridge.admin.visitors import Visitors

    sessions = AdminSessions(stores.database)
    hours = config.admin.session_hours
    visitors = Visitors(stores.database, sessions, settings.roles, refresher.refresh, seconds=hours * 3600)
    refresher.on_change.append(visitors.roles_changed.set)
    return visitors


def build_admin_page(
    settings: Settings,
    stores: Stores,
    visitors: Visitors | None,
    commands: Commands,
    metering: Metering,
    status: UpstreamStatus,
) -> AdminRoutes | None:
    """Build the page; None without it."""
    if visitors is None:
        return None
    from agent_bridge.admin.actions import Actions
    from agent_bridge.admin.activity import MOST_STREAMS, Activity
    from agent_bridge.admin.assets import Assets
    from agent_bridge.admin.login import Login
    from agent_bridge.admin.pages import Pages, routes_of
    from agent_bridge.admin.routes import AdminRoutes, WorkLimiter
    from agent_bridge.admin.security import HEADERS, BrowserSecurity
    from agent_bridge.admin.templates import Templates
    from agent_bridge.api.streams import Streams
    from agent_bridge.matrix.openid import OpenIdCheck
    from agent_bridge.store.admin_lists import AdminLists
    from agent_bridge.store.operations import OperationStore
    from agent_bridge.store.rollups import RollupStore

    config = settings.config
    lists, sessions, assets, limiter = (
        AdminLists(stores.database),
        AdminSessions(stores.database),
        Assets(),
        WorkLimiter(),
    )
    bridge = f"{config.appservice.id} {config.homeserver.domain}"
    security = BrowserSecurity(config.public_url, config.api.trusted_proxies, bridge)
    zone = metering.quotas.part(lambda book: book.zone)
    templates = Templates(settings.texts, assets, zone, config.prices.currency, config.bot.prefix)
    pages = Pages(
        lists,
        stores.turn_admin,
        OperationStore(stores.database),
        metering.store,
        RollupStore(stores.database),
        sessions,
        status,
        commands.traces,
        commands.renderer,
        settings.live,
        metering.quotas,
        settings.texts,
    )
    actions = Actions(stores.database, stores.turn_admin, stores.lanes, sessions)
    openid = OpenIdCheck(config.homeserver.address, settings.namespace) if config.admin.openid else None
    login = Login(security, visitors, limiter, openid, config.api.trusted_proxies)
    activity = Activity(lists, visitors, Streams(MOST_STREAMS, HEADERS), pages.described)
    return AdminRoutes(
        security,
        visitors,
        templates,
        assets,
        limiter,
        pages=routes_of(pages),
        actions={
            "/messages/{key}/retry": actions.retry,
            "/messages/{key}/drop": actions.drop,
            "/logout": login.leave,
        },
        public={
            ("GET", "/login"): login.show,
            ("POST", "/login/openid"): login.use_openid,
            ("GET", "/login/{secret}"): login.confirm,
            ("POST", "/login/{secret}"): login.use_link,
        },
        streams={"/events": activity.serve},
        end=activity.end,
    )
