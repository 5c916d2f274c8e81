"""The parts of rooms with several agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.groups.hand_on import HandOn
from agent_bridge.store.chains import Chains
from agent_bridge.store.intake import IntakeStore

if TYPE_CHECKING:
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
        settings.config.permissions,
        settings.config.budgets.budget,
    )
