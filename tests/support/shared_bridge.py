"""A bridge that many tests use, each with a new agent and a new person."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.harness import SHARED
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from support.harness import BridgeHarness, Conversation, Running


class UpstreamHub(ScriptedUpstream):
    """An upstream that lists the agents of others, and leaves each question to the one that has the agent."""

    def __init__(self) -> None:
        super().__init__()
        self._upstreams: dict[str, ScriptedUpstream] = {}

    def add(self, upstream: ScriptedUpstream) -> None:
        """List the agents of *upstream* from now on."""
        self.models += upstream.models
        self._upstreams |= {model["id"]: upstream for model in upstream.models}

    async def chat_completions(self, request: web.Request) -> web.StreamResponse:
        """Leave the question to the upstream of its agent."""
        return await self._upstreams[(await request.json())["model"]].chat_completions(request)

    async def create_response(self, request: web.Request) -> web.StreamResponse:
        """Leave the question to the upstream of its agent."""
        return await self._upstreams[(await request.json())["model"]].create_response(request)


@dataclass(frozen=True)
class SharedBridge:
    """A bridge with the default configuration."""

    harness: BridgeHarness
    running: Running
    hub: UpstreamHub

    @asynccontextmanager
    async def talk(self, upstream: ScriptedUpstream) -> AsyncIterator[Conversation]:
        """Add the agents of *upstream* to the bridge, and put a new person into the room of the first of them."""
        self.hub.add(upstream)
        await self.running.bridge.discovery.sync()
        async with self.harness.person() as person:
            yield await self.running.join(person, upstream.names[0])


@asynccontextmanager
async def shared_bridge(harness: BridgeHarness, database_url: str) -> AsyncIterator[SharedBridge]:
    """Run a bridge for many tests."""
    async with UpstreamHub() as hub:
        upstream: dict[str, Any] = {"name": "scripted", "url": hub.url, "poll_interval": 60}
        async with harness.bridge(harness.config(database_url, [upstream], service=SHARED, space={})) as running:
            yield SharedBridge(harness, running, hub)
