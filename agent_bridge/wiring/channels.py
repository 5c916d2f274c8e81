"""The parts of servers and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.channels.keeper import PlaceKeeper
from agent_bridge.bridge.channels.maker import PlaceMaker
from agent_bridge.bridge.channels.reconciler import PlaceReconciler
from agent_bridge.store.servers import Servers

if TYPE_CHECKING:
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_place_maker(settings: Settings, stores: Stores, clients: Clients) -> PlaceMaker:
    """Build the part that makes the rooms of servers and channels."""
    servers = Servers(stores.database)
    return PlaceMaker(clients.homeserver, servers, stores.kv, settings.live, settings.roles, settings.texts)


def build_place_keeper(settings: Settings, stores: Stores, clients: Clients) -> PlaceKeeper:
    """Build the duty that keeps the rooms of servers and channels."""
    servers, maker = Servers(stores.database), build_place_maker(settings, stores, clients)
    reconciler = PlaceReconciler(
        clients.homeserver, servers, stores.agents, stores.chats, maker, settings.roles, settings.texts
    )
    return PlaceKeeper(servers, reconciler, stores.signals)
