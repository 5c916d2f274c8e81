"""The endpoints of the API, by subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.api.endpoint import endpoints_of
from agent_bridge.api.endpoints import (
    agents,
    asking,
    channel_events,
    channels,
    directory,
    events,
    messages,
    openai,
    places,
    servers,
    threads,
    work,
)

if TYPE_CHECKING:
    from agent_bridge.api.endpoint import Endpoint


def all_endpoints() -> tuple[Endpoint, ...]:
    """Return all endpoints, in the order of the documents."""
    return endpoints_of(
        directory,
        messages,
        asking,
        places,
        servers,
        channels,
        threads,
        channel_events,
        work,
        events,
        agents,
        openai,
    )
