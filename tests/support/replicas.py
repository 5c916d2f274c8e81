"""Several processes of a bridge, of which the homeserver knows one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from agent_bridge.app import build
from agent_bridge.demo.synapse import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness
    from support.scripted_upstream import ScriptedUpstream


def replica(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, *, door: bool, **sections: Any
) -> Config:
    """Return the configuration of a process with *sections*; the homeserver knows the one with the *door*."""
    config = harness.config(
        database_url,
        [{"name": "scripted", "url": upstream.url}],
        logging={"format": "json"},
        lanes={"drain_timeout": 5},
        **sections,
    )
    if door:
        return config
    return config.model_copy(update={"appservice": config.appservice.model_copy(update={"port": free_port()})})


@asynccontextmanager
async def only_a_door(config: Config) -> AsyncIterator[None]:
    """Run a process that leads and accepts messages, and processes no lane."""
    async with build(config) as bridge:
        leading = asyncio.create_task(bridge.leader.run())
        await bridge.leader.settled.wait()
        async with bridge._listening():
            yield
        leading.cancel()
        await asyncio.wait({leading})
