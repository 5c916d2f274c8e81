"""Rooms without channels, threads, tasks, votes, schedules and programs cost as much as if nobody used these at all."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import psycopg
import pytest

from agent_bridge.core.programs import Capability
from support.api_client import program_of
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, PREFIX, SHARED
from support.places import delete_places
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Conversation, Running
    from support.postgres import Server

BOSS = f"@boss:{DOMAIN}"
#: Messages; work in the background falls into some of their times, and not into all.
TRIPS = 5
#: Ids in the paths of requests.
_ID = re.compile(r"%21[^/?]+|%24[^/?]+|ab\.[^/?]+|![^/?]+|\$[^/?]+")
#: Statements of the queue's worker, whose number depends on time: it looks for jobs again for each news that comes
#: while it looks, and finishes a job when the turn is closed already. The search for lanes without a job follows the
#: news of several messages together.
_TIMED = ("procrastinate_fetch_job", "procrastinate_finish_job", "position, not_before, waits_since FROM turn")


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("Ada", "Bea") as upstream:
        yield upstream


@pytest.fixture
async def config(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Config]:
    with postgres.migrated() as url:
        permissions = {DOMAIN: "member", BOSS: "owner"}
        there = [{"name": "u", "url": upstream.url}]
        yield harness.config(url, there, service=SHARED, permissions=permissions)


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch, as_token: str) -> Iterator[Counter[str]]:
    """Count the statements of this process, and the requests of the bridge to the homeserver."""
    found: Counter[str] = Counter()
    execute, request = psycopg.AsyncCursor.execute, aiohttp.ClientSession._request

    async def executed(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        found[f"SQL {str(query).strip()[:200]}"] += 1
        return await execute(self, query, *arguments, **named)

    async def requested(self: Any, method: str, url: Any, **named: Any) -> Any:
        if as_token in str(named.get("headers")) or as_token in str(self.headers):
            found[f"{method} {_ID.sub('_', str(url).partition('?')[0])}"] += 1
        return await request(self, method, url, **named)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", executed)
        patch.setattr(aiohttp.ClientSession, "_request", requested)
        yield found


async def cost(monkeypatch: pytest.MonkeyPatch, running: Running, talk: Conversation, as_token: str) -> dict[str, int]:
    """Return the number of each statement and request that every message needs."""
    costs: list[Counter[str]] = []
    for number in range(TRIPS):
        await eventually(running.idle, "no turn is open")
        with recorded(monkeypatch, as_token) as found:
            answers = len(talk.answers)
            await talk.say(f"message {number}")
            await talk.wait_for_answers(answers + 1)
            await eventually(running.idle, "no turn is open")
        costs.append(found)
    least = {each: min(cost[each] for cost in costs) for each in costs[0]}
    return {each: number for each, number in least.items() if number and not any(timed in each for timed in _TIMED)}


async def test_a_room_without_the_features_costs_nothing_more(
    harness: BridgeHarness, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_token = config.appservice.as_token.get_secret_value()
    async with harness.bridge(config) as running, harness.person("boss") as boss:
        talk = await running.join(boss, await _agent(running))
        desk = await bot_chat(running, boss)
        await talk.say("The first message has further costs")
        await talk.wait_for_answers(1)
        before = await cost(monkeypatch, running, talk, as_token)
        for command in (
            "channel new news",
            "server new Lab",
            "task new Write the report",
            'vote new "Lunch?" pizza | pasta until tomorrow 9:00',
            f'schedule "every day 9:00" @{await _agent(running)} Wake up',
        ):
            await desk.say(f"{PREFIX} {command}")
            await desk.settled()
        await desk.say(f"{PREFIX} thread new Plans")
        await desk.settled()
        await program_of(running, BOSS, capabilities={Capability.READ, Capability.SEND})
        after = await cost(monkeypatch, running, talk, as_token)
        await delete_places(running)
    assert before
    assert any(what.startswith("PUT") for what in before)
    assert after == before


async def _agent(running: Running) -> str:
    async def known() -> str | None:
        found = [each.agent.name for each in await running.agents.all() if each.home.room_id is not None]
        return min(found) if found else None

    return await eventually(known, "an agent has a room")
