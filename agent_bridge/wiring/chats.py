"""The parts that make, keep and delete chats and direct chats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.chats.conversations import ChatConversations
from agent_bridge.bridge.chats.deletion import ChatDeletion
from agent_bridge.bridge.chats.direct import DirectChats
from agent_bridge.bridge.chats.listing import ChatListing
from agent_bridge.bridge.chats.lost_rooms import LostRooms
from agent_bridge.bridge.chats.maker import ChatMaker
from agent_bridge.bridge.chats.numbers import NumberRepair
from agent_bridge.bridge.chats.reconciler import ChatReconciler
from agent_bridge.store.groups import Groups
from agent_bridge.store.person_spaces import PersonSpaces
from agent_bridge.wiring.channels import build_lost_places
from agent_bridge.wiring.groups import build_pair_rooms

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.clients import Clients
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatParts:
    """The parts."""

    direct: DirectChats
    reconciler: ChatReconciler


def build_number_repair(settings: Settings, stores: Stores, homeserver: Homeserver) -> NumberRepair:
    """Build the part that finds the chats and rooms which the database lacks."""
    places, pairs = build_lost_places(settings, stores, homeserver), build_pair_rooms(settings, stores, homeserver)
    groups = Groups(stores.database)
    lost = LostRooms(homeserver, stores.direct_chats, groups, stores.rooms, settings.roles, places.adopt, pairs.adopt)
    return NumberRepair(
        homeserver, stores.database, stores.chats, stores.agents, lost, places.take_part, stores.signals
    )


def build_chats(settings: Settings, stores: Stores, clients: Clients, space: Space) -> ChatParts:
    """Build them."""
    homeserver, texts, config = clients.homeserver, settings.texts, settings.config
    conversations = ChatConversations(stores.chats, {each.name: upstream for upstream, each in clients.upstreams})
    deletion = ChatDeletion(homeserver, stores.chats, conversations, texts)
    direct = DirectChats(homeserver, stores.direct_chats, stores.chats, stores.agents, deletion, config, texts)
    reconciler = ChatReconciler(
        homeserver,
        stores.chats,
        stores.agents,
        ChatMaker(homeserver, stores.chats, stores.kv, settings.live, texts),
        deletion,
        conversations,
        direct,
        ChatListing(homeserver, stores.chats, PersonSpaces(stores.database), space, config, texts),
        settings.roles,
        stores.signals,
        texts,
    )
    return ChatParts(direct=direct, reconciler=reconciler)
