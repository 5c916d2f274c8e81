"""The parts by which other programs wake agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.inbound.trigger_handler import TriggerHandler
from agent_bridge.bridge.inbound.trigger_intake import TriggerIntake
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.triggers import Triggers
from agent_bridge.web.trigger_routes import TriggerRoutes

if TYPE_CHECKING:
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_trigger_routes(settings: Settings, stores: Stores, clients: Clients) -> TriggerRoutes:
    """Build the routes."""
    triggers = Triggers(stores.database)
    intake = TriggerIntake(
        stores.database,
        triggers,
        stores.rooms,
        IntakeStore(stores.database),
        stores.lanes,
        clients.homeserver,
        settings.roles,
        max_queued=settings.config.lanes.max_queued_per_room,
    )
    return TriggerRoutes(triggers, intake.wake)


def build_trigger_handler(settings: Settings, stores: Stores, clients: Clients) -> TriggerHandler:
    """Build the handler of accepted requests."""
    return TriggerHandler(
        clients.homeserver,
        stores.database,
        stores.turns,
        Triggers(stores.database),
        IntakeStore(stores.database),
        stores.lanes,
        settings.roles,
        settings.texts,
    )
