"""The webhook of an upstream, on a real Synapse: a rename is seen at once, whichever process gets the request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from agent_bridge.demo.synapse import free_port
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from aiohttp import web

    from support.harness import BridgeHarness

TOKEN = "the-token-of-the-upstream"


class SilentUpstream(ScriptedUpstream):
    """An upstream that does not answer the request for its list until *gate* is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def list_models(self, request: web.Request) -> web.Response:
        """Answer ``GET /v1/models`` late."""
        await self.gate.wait()
        return await super().list_models(request)


async def test_a_rename_is_seen_at_once(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("wendy") as upstream, SilentUpstream() as silent:
        # Without the webhook an hour would pass.
        upstreams = [
            {"name": "letta", "url": upstream.url, "poll_interval": 3600, "webhook_token": TOKEN},
            {"name": "silent", "url": silent.url, "poll_interval": 3600, "webhook_token": "another"},
        ]
        config = harness.config(database_url, upstreams)
        other_port = config.appservice.model_copy(update={"port": free_port()})
        other = config.model_copy(update={"appservice": other_port})
        async with harness.person() as person, harness.bridge(config) as running, harness.bridge(other):
            talk = await running.join(person, upstream.names[0])
            for process, name in ((config, "Wendy the Second"), (other, "Wendy the Third")):
                upstream.models[0]["name"] = name
                url = f"{process.appservice.url}/v1/upstreams/letta/sync"
                headers = {"Authorization": f"Bearer {TOKEN}"}
                async with aiohttp.request("POST", url, headers=headers) as response:
                    assert response.status == 200
                    assert await response.json() == {"upstream": "letta", "status": "done", "agents": 1}
                await person.wait_for(lambda: name in (talk.room.name or ""), 5)  # noqa: B023
            silent.gate.set()
