"""The parts of rooms with several people and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.groups.group_keeper import GroupKeeper
from agent_bridge.bridge.groups.group_rooms import GroupRooms
from agent_bridge.bridge.groups.hand_on import HandOn
from agent_bridge.bridge.groups.pairs import PairRooms
from agent_bridge.bridge.rooms.stranger_warning import StrangerWarning
from agent_bridge.store.chains import Chains
from agent_bridge.store.groups import Groups
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.pairs import Pairs

if TYPE_CHECKING:
    from agent_bridge.clients import Clients
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_hand_on(settings: Settings, stores: Stores) -> HandOn:
    """Build the part by which agents ask each other."""
    return HandOn(
        stores.database,
        stores.rooms,
        IntakeStore(stores.database),
        Chains(stores.database, settings.namespace),
        stores.lanes,
        settings.namespace,
        settings.roles,
        settings.live.part(lambda config: config.budgets.budget),
    )


def build_group_rooms(settings: Settings, stores: Stores, clients: Clients) -> GroupRooms:
    """Build the part by which agents take part in rooms of people."""
    return GroupRooms(clients.homeserver, Groups(stores.database), stores.agents, settings.roles)


def build_pair_rooms(settings: Settings, stores: Stores, homeserver: Homeserver) -> PairRooms:
    """Build the part that makes the direct rooms of two agents, and of two people."""
    return PairRooms(homeserver, Pairs(stores.database), stores.agents, settings.live)


def build_group_keeper(settings: Settings, stores: Stores, clients: Clients) -> GroupKeeper:
    """Build the duty that compares groups with the homeserver."""
    return GroupKeeper(
        clients.homeserver,
        stores.database,
        Groups(stores.database),
        build_group_rooms(settings, stores, clients),
        IntakeStore(stores.database),
        build_stranger_warning(settings, stores),
        stores.signals,
        settings.texts,
    )


def build_stranger_warning(settings: Settings, stores: Stores) -> StrangerWarning:
    """Build the part that warns rooms of people without a role."""
    return StrangerWarning(
        Groups(stores.database), IntakeStore(stores.database), stores.lanes, settings.roles, settings.namespace
    )
