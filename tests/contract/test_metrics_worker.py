"""A worker, which has no endpoint, shows its metrics on a port of their own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.app import build
from agent_bridge.config.model import Config
from agent_bridge.demo.synapse import free_port
from support.conditions import eventually
from support.scrapes import Scrape, scrape

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


@asynccontextmanager
async def worker(database_url: str, **metrics: Any) -> AsyncIterator[None]:
    config = Config.model_validate(
        {
            "homeserver": {"address": "http://127.0.0.1:9", "domain": "test.local"},
            "appservice": {"as_token": "a", "hs_token": "h"},
            "database": {"url": database_url},
            "upstreams": [],
            "lanes": {"drain_timeout": 1},
            "metrics": metrics,
        }
    )
    async with build(config) as bridge:
        task = asyncio.create_task(bridge.work_only())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_two_workers_show_their_own_metrics(database_url: str) -> None:
    ports = free_port(), free_port()

    async def shown(port: int) -> Scrape | None:
        try:
            return await scrape(f"http://127.0.0.1:{port}")
        except aiohttp.ClientConnectionError:
            return None

    async with worker(database_url, port=ports[0]), worker(database_url, port=ports[1]):
        for port in ports:
            found = await eventually(lambda port=port: shown(port), "the worker listens")  # type: ignore[misc]
            assert (found.value("leader"), found.value("database_up"), found.value("build_info")) == (0, 1, 1)


async def test_a_worker_with_a_token_alone_says_that_it_shows_nothing(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log: list[str] = []

    async def said() -> bool:
        log.extend(capsys.readouterr())
        return any("set metrics.port" in each for each in log)

    async with worker(database_url, token="secret-token"):
        await eventually(said, "the worker says so")
    assert "secret-token" not in "".join([*log, *capsys.readouterr()])
