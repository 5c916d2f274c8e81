"""The store of the data of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.redactions import Redactions

if TYPE_CHECKING:
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_personal_data(settings: Settings, stores: Stores) -> PersonalData:
    """Build the store of the data of a person. The events of rooms stay, also those of answers."""
    redactions = Redactions(settings.namespace.bot_username, redact_answers=False)
    return PersonalData(stores.database, redactions, stores.queue)
