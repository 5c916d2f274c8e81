"""The parts that keep the roles of people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.tracked_work import TrackedWork
from agent_bridge.bridge.roles.keeper import RoleKeeper
from agent_bridge.bridge.roles.refresher import RoleRefresher
from agent_bridge.bridge.roles.room_roles import RoomRoles
from agent_bridge.core.operations import ROLES
from agent_bridge.store.mutes import MuteStore
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.roles import RoleStore

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_refresher(settings: Settings, stores: Stores) -> RoleRefresher:
    """Build the part that reads the roles of this process."""
    permissions = settings.live.part(lambda config: config.permissions)
    store = RoleStore(stores.database)
    return RoleRefresher(store, settings.roles, permissions, stores.signals, settings.feed, settings.archived)


def build_role_keeper(
    settings: Settings, stores: Stores, clients: Clients, admin_room: AdminRoom, refresher: RoleRefresher
) -> RoleKeeper:
    """Build the duty that brings rooms to the newest roles."""
    config = settings.config
    return RoleKeeper(
        clients.homeserver,
        stores.database,
        RoleStore(stores.database),
        MuteStore(stores.database),
        stores.kv,
        stores.lanes,
        RoomRoles(clients.homeserver, settings.roles, settings.texts),
        admin_room,
        refresher,
        settings.roles,
        TrackedWork(OperationStore(stores.database), ROLES),
        stores.signals,
        settings.texts,
        makes_space=config.space.enabled and not settings.namespace.adopts_space,
        makes_lobby=config.rooms.lobby is True,
    )
