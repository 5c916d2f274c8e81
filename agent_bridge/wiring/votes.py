"""The parts of votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.collaboration.vote_keeper import VoteKeeper
from agent_bridge.bridge.collaboration.vote_room import VoteRoom
from agent_bridge.bridge.collaboration.votes import Votes
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.votes import VoteStore

if TYPE_CHECKING:
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_votes(settings: Settings, stores: Stores) -> Votes:
    """Build the functions about votes."""
    return Votes(VoteStore(stores.database), settings.roles)


def build_vote_keeper(settings: Settings, stores: Stores, clients: Clients) -> VoteKeeper:
    """Build the duty that shows, ends and counts votes."""
    store = VoteStore(stores.database)
    room = VoteRoom(clients.homeserver, store, settings.texts)
    return VoteKeeper(
        stores.database,
        store,
        room,
        build_votes(settings, stores),
        Notifications(stores.database),
        stores.signals,
        settings.texts,
    )
