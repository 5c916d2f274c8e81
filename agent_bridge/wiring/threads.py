"""The parts of threads with names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.collaboration.thread_keeper import ThreadKeeper
from agent_bridge.bridge.collaboration.threads import Threads
from agent_bridge.store.threads import ThreadStore

if TYPE_CHECKING:
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_threads(settings: Settings, stores: Stores, clients: Clients) -> Threads:
    """Build the functions about threads."""
    return Threads(ThreadStore(stores.database), clients.homeserver, settings.roles, settings.texts)


def build_thread_keeper(settings: Settings, stores: Stores, clients: Clients) -> ThreadKeeper:
    """Build the duty that shows the names of threads."""
    return ThreadKeeper(build_threads(settings, stores, clients), stores.signals)
