"""The services behind the routes of the API, of which a test has some."""

from __future__ import annotations

from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

from agent_bridge.api.services import ApiServices
from agent_bridge.bridge.programs.access import Access
from agent_bridge.bridge.programs.names import Names
from agent_bridge.bridge.programs.own_profile import OwnProfileDesk
from agent_bridge.store.agents import Agents
from agent_bridge.store.direct_chats import DirectChatStore
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.own_profiles import OwnProfiles
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.servers import Servers
from agent_bridge.store.tokens import Tokens
from support.records import NAMES

if TYPE_CHECKING:
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database


def api_services(database: Database, homeserver: Homeserver, roles: Roles, **parts: Any) -> ApiServices:
    """Return *parts* with the tokens, the access and the profiles of *database*; there are no others."""
    names = Names(Agents(database), Servers(database), KeyValues(database), homeserver)
    access = Access(names, Rooms(database), DirectChatStore(database), roles, homeserver)
    board: Any = None
    given: dict[str, Any] = {
        "tokens": Tokens(database, NAMES),
        "access": access,
        "profiles": OwnProfileDesk(
            access, board, Agents(database), OwnProfiles(database), homeserver, shows_presence=False
        ),
    }
    fields = ApiServices.__dataclass_fields__
    absent = {name: None for name, field in fields.items() if field.default is MISSING}
    return ApiServices(**(absent | given | parts))
