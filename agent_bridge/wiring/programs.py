"""The parts for programs that use the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.programs.names import Names
from agent_bridge.bridge.programs.token_maker import TokenMaker
from agent_bridge.commands.durations import parse_duration
from agent_bridge.store.tokens import Tokens

if TYPE_CHECKING:
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_token_maker(settings: Settings, stores: Stores, clients: Clients) -> TokenMaker:
    """Build the part that makes tokens."""
    names = Names(stores.agents, clients.homeserver)
    return TokenMaker(Tokens(stores.database, settings.namespace), names, settings.namespace, parse_duration)
