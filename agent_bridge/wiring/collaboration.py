"""The parts by which people and agents work together, and learn of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.collaboration.notifier import Notifier
from agent_bridge.bridge.rooms.bot_chats import BotChats
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.roles import RoleStore

if TYPE_CHECKING:
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_notifier(settings: Settings, stores: Stores, clients: Clients) -> Notifier:
    """Build the duty that tells people their notifications."""
    config = settings.config
    role_store = RoleStore(stores.database)
    chats = BotChats(clients.homeserver, stores.rooms, role_store, settings.roles, config.rooms.version)
    return Notifier(
        clients.homeserver,
        Notifications(stores.database),
        chats,
        settings.roles,
        stores.signals,
        settings.texts,
        gather=config.notifications.gather,
    )
