"""The doctor tells where the metrics are, and whether they can be scraped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from agent_bridge.cli.metrics_check import look_at_metrics
from agent_bridge.config.model import Config
from agent_bridge.demo.synapse import free_port

if TYPE_CHECKING:
    from pytest_aiohttp import AiohttpClient

TOKEN = "scrape-token"


async def look(service: int, **metrics: Any) -> tuple[str, str]:
    """Return the remedy and the state."""
    config = Config.model_validate(
        {
            "homeserver": {"address": "http://localhost:8008", "domain": "example.org"},
            "appservice": {"as_token": "a", "hs_token": "h", "port": service},
            "upstreams": [],
            "metrics": metrics,
        }
    )
    async with aiohttp.ClientSession() as session:
        return await look_at_metrics(config, session)


async def _serve(request: web.Request) -> web.Response:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.json_response({}, status=401)
    return web.Response(text='agent_bridge_build_info{version="0"} 1.0\n')


@pytest.fixture
async def port(aiohttp_client: AiohttpClient) -> int:
    app = web.Application()
    app.router.add_get("/metrics", _serve)
    return (await aiohttp_client(app)).port or 0


async def test_metrics_that_can_be_scraped(port: int) -> None:
    for service, values in ((1, {"port": port}), (port, {})):
        assert await look(service, token=TOKEN, **values) == ("", f"http://127.0.0.1:{port}/metrics shows them")


async def test_a_bridge_that_does_not_run_is_no_fault() -> None:
    port = free_port()
    assert await look(1, port=port) == ("", f"they will be at http://127.0.0.1:{port}/metrics while the bridge runs")


async def test_another_token_or_program_is_a_fault(port: int) -> None:
    for values in ({"port": port}, {"port": port, "token": "other"}):
        remedy, text = await look(1, **values)
        assert remedy.startswith("restart the bridge, if metrics.port is its own")
        assert "HTTP 401" in text
        assert "other" not in text


@pytest.mark.parametrize("hostname", ["no such name", "a..b", "x" * 300, "host.invalid"])
async def test_an_impossible_hostname_is_named_by_its_key(hostname: str) -> None:
    remedy, text = await look(1, port=free_port(), hostname=hostname)
    assert remedy == "correct metrics.hostname"
    assert text.startswith(f"{hostname} is no address of this machine")
