"""The parts of servers and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.channels.changes import PlaceChanges
from agent_bridge.bridge.channels.keeper import PlaceKeeper
from agent_bridge.bridge.channels.lost_places import LostPlaces
from agent_bridge.bridge.channels.maker import PlaceMaker
from agent_bridge.bridge.channels.members import PlaceMembers
from agent_bridge.bridge.channels.reconciler import PlaceReconciler
from agent_bridge.bridge.roles.moderation import Moderation
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.servers import Servers
from agent_bridge.wiring.groups import build_stranger_warning

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.clients import Clients
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_place_maker(settings: Settings, stores: Stores, clients: Clients) -> PlaceMaker:
    """Build the part that makes the rooms of servers and channels."""
    servers = Servers(stores.database)
    return PlaceMaker(clients.homeserver, servers, stores.kv, settings.live, settings.roles, settings.texts)


def build_place_changes(settings: Settings, stores: Stores) -> PlaceChanges:
    """Build the functions that change servers and channels."""
    database = stores.database
    return PlaceChanges(Servers(database), RoleStore(database), settings.roles, stores.lanes, OperationStore(database))


def build_place_members(settings: Settings, stores: Stores, clients: Clients, inviter: Inviter) -> PlaceMembers:
    """Build the functions by which people and agents enter and leave servers and channels."""
    moderation = Moderation(clients.homeserver, settings.texts)
    return PlaceMembers(clients.homeserver, Servers(stores.database), inviter, moderation, settings.texts)


def build_place_keeper(settings: Settings, stores: Stores, clients: Clients, admin_room: AdminRoom) -> PlaceKeeper:
    """Build the duty that keeps the rooms of servers and channels."""
    servers = Servers(stores.database)
    return PlaceKeeper(servers, build_place_reconciler(settings, stores, clients, admin_room), stores.signals)


def build_place_reconciler(
    settings: Settings, stores: Stores, clients: Clients, admin_room: AdminRoom
) -> PlaceReconciler:
    """Build the part that compares the rooms of servers and channels with the homeserver."""
    return PlaceReconciler(
        clients.homeserver,
        stores.database,
        Servers(stores.database),
        stores.agents,
        stores.chats,
        build_place_maker(settings, stores, clients),
        build_stranger_warning(settings, stores),
        admin_room,
        settings.roles,
        settings.texts,
    )


def build_lost_places(settings: Settings, stores: Stores, homeserver: Homeserver) -> LostPlaces:
    """Build the part that finds servers and channels that the database lacks."""
    servers, role_store = Servers(stores.database), RoleStore(stores.database)
    return LostPlaces(homeserver, stores.database, servers, role_store, settings.roles)
