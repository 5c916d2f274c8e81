"""``agent-bridge why``: the steps that the bridge took with a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.app import build
from agent_bridge.commands.lookup import parse_reference

if TYPE_CHECKING:
    from agent_bridge.config.model import Config


async def trace(config: Config, message: str) -> str:
    """Return the steps of *message*: a link to it, its event id, or the name of its turn.

    Raises:
        StoreError: the database cannot be read.
    """
    async with build(config) as bridge:
        return bridge.renderer.render(await bridge.traces.find(parse_reference(message)))
