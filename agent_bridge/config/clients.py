"""The section ``clients`` of config.yaml: agents that connect themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, StrictFloat, StrictInt

from agent_bridge.config.section import Section
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.client_agents import CLIENT, CLIENTS, EPHEMERAL_CLIENTS

if TYPE_CHECKING:
    from agent_bridge.config.model import Config

#: Seconds between two looks at the table; a registration is looked at at once.
_POLL = 15.0
#: Needed by the section of an upstream, and never asked.
_NO_URL = "http://client.invalid"


class ClientsConfig(Section):
    """Agents without an upstream, which connect themselves (docs/programs.md)."""

    turn_timeout: StrictFloat = Field(
        3600, ge=1, le=604_800, description="Seconds after which the room is told that such an agent has not replied."
    )
    max_agents: StrictInt = Field(1000, ge=0, description="Maximum number of such agents.")


def client_upstreams(config: Config) -> tuple[UpstreamConfig, ...]:
    """Return the sections of the upstreams that list these agents: those that stay, and the ephemeral ones."""
    return tuple(
        UpstreamConfig(
            name=name,
            url=_NO_URL,
            poll_interval=_POLL,
            gone_after=0.0,
            ephemeral=name == EPHEMERAL_CLIENTS,
            max_new_agents=config.clients.max_agents,
            turn_timeout=config.clients.turn_timeout,
            images=False,
        ).model_copy(update={"kind": CLIENT})
        for name in (CLIENTS, EPHEMERAL_CLIENTS)
    )
